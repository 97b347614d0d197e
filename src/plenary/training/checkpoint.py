"""Checkpoints: all that a run needs to go on as if it had never stopped.

Plain, DDP and FSDP models take one path: `torch.distributed.checkpoint.state_dict` gathers whole tensors under the
names of the plain model, so a run may also go on with another number of processes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from plenary.training import store
from plenary.training.distributed import World
from plenary.training.ema import Average
from plenary.training.store import CheckpointError

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def save(
    path: Path,
    world: World,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Average | None,
    facts: Mapping[str, Any],
) -> None:
    """Gather the state from all processes; the first one writes it.

    Raises:
        CheckpointError: the file cannot be written. The last good checkpoint is untouched.
    """
    tensors = _under("model", weights(model))
    gathered: Any = get_optimizer_state_dict(
        model, optimizer, options=WHOLE
    )  # empty but in the first process
    for name, state in gathered.get("state", {}).items():
        tensors |= _under(f"optimizer/{name}", state)
    if average:
        with average.applied():
            tensors |= _under("average", weights(model))
    if world.first:
        store.write(path, tensors, facts)


def weights(model: nn.Module) -> dict[str, Tensor]:
    """A model's weights and buffers, whole, on the CPU, under the plain model's names; first process only."""
    # Copies: on the CPU these are the weights themselves, which go on changing, and two names may share one tensor.
    found: Any = get_model_state_dict(model, options=WHOLE)
    return {name: tensor.clone() for name, tensor in found.items()}


def restore(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: Average | None
) -> dict[str, Any]:
    """Give model, optimizer and average the saved state; returns the facts that were saved with it.

    Raises:
        CheckpointError: the file is damaged, or of another architecture. Nothing is changed then.
    """
    tensors, facts = store.read(path)
    found: Any = _of("model", tensors)
    require_same_architecture(path, model, found)
    if average:
        averages: Any = _of("average", tensors)
        set_model_state_dict(model, averages or found, options=WHOLE)
        average.restart()
    set_model_state_dict(model, found, options=WHOLE)
    state: Any = {}
    for name, tensor in _of("optimizer", tensors).items():
        parameter, kind = name.rsplit("/", 1)
        state.setdefault(parameter, {})[kind] = tensor
    # The groups and their numbers are those of the recipe; only the state comes from the file.
    groups = get_optimizer_state_dict(model, optimizer)["param_groups"]
    set_optimizer_state_dict(model, optimizer, {"state": state, "param_groups": groups}, options=WHOLE)
    return facts


def require_same_architecture(path: Path, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Compare the names and shapes of saved weights with a model's.

    Raises:
        CheckpointError: they differ; the message lists where.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in _plain_state(model).items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    differences = [
        f"{name}: expected {expected.get(name, 'nothing')}, found {found.get(name, 'nothing')}"
        for name in [*expected, *(found.keys() - expected.keys())]
        if expected.get(name) != found.get(name)
    ]
    if differences:
        more = f"; and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise CheckpointError(
            f"{path}: a checkpoint of another architecture, with {len(found)} tensors where this model has "
            f"{len(expected)}. {'; '.join(differences[:5])}{more}. Build the model with the sizes it was saved "
            "with, or name another run folder."
        )


def _plain_state(model: nn.Module) -> dict[str, Tensor]:
    """Names and shapes as the plain model has them; nothing is gathered."""
    return {name.removeprefix("module."): tensor for name, tensor in model.state_dict().items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def _of(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = prefix + "/"
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}
