"""Several processes that train one model: started by torchrun, silent about it otherwise."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

PARALLEL = ("ddp", "fsdp")


@dataclass(frozen=True)
class World:
    """Which process this is, of how many, and where it computes."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def sum(self, numbers: Tensor) -> Tensor:
        """Add up the numbers of all processes, in place."""
        if self.size > 1:
            dist.all_reduce(numbers)
        return numbers

    @contextmanager
    def first_goes_ahead(self) -> Iterator[None]:
        """The first process does what is in the context, and when it is done the others do: for downloads."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def rows(self, total: int) -> Tensor:
        """The rows of a batch of `total` that this process takes: the shares are as equal as can be."""
        return torch.arange(total).tensor_split(self.size)[self.rank]


def choose_device(name: str = "auto") -> torch.device:
    """The device of this name; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ValueError: there is no such device here.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, usable in there.items() if usable)
    kind = name.split(":")[0]
    if not there.get(kind):
        usable = ", ".join(kind for kind, usable in there.items() if usable)
        raise ValueError(f"device: {name!r} cannot be used; this machine has {usable}. Take one, or auto.")
    return torch.device(name)


@contextmanager
def joined(device: str = "auto") -> Iterator[World]:
    """Join the other processes when torchrun started this one, and leave them at the end; else be alone.

    nccl speaks between CUDA devices, gloo between CPUs.

    Raises:
        ValueError: there is no such device here, or it cannot be used by several processes.
    """
    chosen = choose_device(device)
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield World(chosen)
        return
    if chosen.type == "mps":
        raise ValueError("device: several processes cannot share mps. Take --device cpu, or leave torchrun.")
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(chosen)
    dist.init_process_group(
        "nccl" if chosen.type == "cuda" else "gloo", device_id=chosen if chosen.type == "cuda" else None
    )
    try:
        with warnings.catch_warnings():
            # DDP minds the strides of axes of size 1, as the class token has, which have no meaning.
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
            yield World(chosen, dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def spread(model: nn.Module, world: World, parallel: str = "ddp") -> nn.Module:
    """Put a model on the device, and on all processes: a copy on each ("ddp"), or its parts ("fsdp").

    FSDP gathers a layer's weights (a member of an `nn.ModuleList`) while it computes; outside of that each
    process holds its share of the weights, gradients and optimizer state.

    Raises:
        ValueError: there is no such way.
    """
    if parallel not in PARALLEL:
        raise ValueError(f"parallel is {parallel!r}; expected one of {', '.join(PARALLEL)}.")
    if world.size == 1:
        return model.to(world.device)
    if parallel == "ddp":
        model.to(world.device)
        ids = [world.device] if world.device.type == "cuda" else None
        # The buffers are tables that never change.
        return DistributedDataParallel(model, device_ids=ids, forward_sync_buffers=False)
    mesh = init_device_mesh(world.device.type, (world.size,))
    # From the inside out, as FSDP wants it. All weights are let go of after the forward pass, the outermost too, so
    # that weights that change without a backward pass (the averages, for an evaluation) are gathered anew.
    for module in reversed(list(model.modules())):
        if isinstance(module, nn.ModuleList):
            for layer in module:
                fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    fully_shard(model, mesh=mesh, reshard_after_forward=True)
    return model.to(world.device)
