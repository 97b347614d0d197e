"""Which rows of the data a process reads in a step: a function of seed, step and process, and of no state."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from plenary.training import augmentation
from plenary.training.distributed import World
from plenary.training.recipe import Recipe
from plenary.training.seeding import generator

POOL = 50
"""Batches that are sorted by length together."""


@dataclass(frozen=True)
class Share:
    """What one process does of one batch.

    Args:
        indices: the dataset's rows to fetch.
        draws: for each of them its uniform numbers, see `augmentation.draws`.
        own: where among the fetched rows this process's part of the batch stands.
        partners: where the picture stands that each of them may be mixed with.
        idle: the batch had no row for this process, which computes on one that counts for nothing: the others wait
            for its gradients.
    """

    indices: Tensor
    draws: Tensor
    own: Tensor
    partners: Tensor
    idle: bool

    def to(self, device: torch.device) -> "Share":
        """With all but the indices on the device."""
        moved = {name: getattr(self, name).to(device) for name in ("draws", "own", "partners")}
        return replace(self, **moved)


@dataclass(frozen=True)
class Plan:
    """All steps of a run: which rows of the data each of them reads.

    Args:
        size: how many samples the data has.
        recipe: epochs, batch size, seed and augmentation.
        world: how many processes share a batch, and which one this is.
        lengths: of each sample, if samples of like length are to share a batch, so that little of it is padding.

    Raises:
        ValueError: there is no sample.
    """

    size: int
    recipe: Recipe
    world: World
    lengths: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError("train: expected training data with at least one sample; there is none.")

    @property
    def steps_per_epoch(self) -> int:
        """The last batch of an epoch may be smaller; nothing is left out."""
        return -(-self.size // self.recipe.batch_size)

    @property
    def total_steps(self) -> int:
        """Of the whole run."""
        return self.recipe.epochs * self.steps_per_epoch

    def share(self, step: int) -> Share:
        """This process's part of a step, counted from 0."""
        return _share(self, step)


# Asked for twice a step: by the loader, which fetches the rows, and by the loop, which does the rest.
@lru_cache(maxsize=32)
def _share(plan: Plan, step: int) -> Share:
    recipe = plan.recipe
    epoch, place = divmod(step, plan.steps_per_epoch)
    batch = _order(plan, epoch)[place * recipe.batch_size : (place + 1) * recipe.batch_size]
    draw = generator(recipe.seed, "augmentation", step)
    draws = augmentation.draws(len(batch), draw)
    rows, idle = _rows(plan.world, len(batch))
    # Only what is needed is fetched and augmented: for one process, each row of the batch once.
    partners = torch.randperm(len(batch), generator=draw)[rows] if recipe.augmentation.mix else rows
    needed, places = torch.cat([rows, partners]).unique(return_inverse=True)
    own, partners = places.tensor_split([len(rows)])
    return Share(batch[needed], draws[needed], own, partners, idle)


@lru_cache(maxsize=2)
def _order(plan: Plan, epoch: int) -> Tensor:
    draw = generator(plan.recipe.seed, "order", epoch)
    order = torch.randperm(plan.size, generator=draw)
    if plan.lengths is None:
        return order
    # By length within each pool of batches, so that an epoch differs from the one before in who meets whom.
    lengths, batch_size = torch.tensor(plan.lengths), plan.recipe.batch_size
    pools = order.split(POOL * batch_size)
    batches = [one for pool in pools for one in pool[lengths[pool].argsort(stable=True)].split(batch_size)]
    # The smaller last batch stays the last: all before it are full.
    places = [*torch.randperm(len(batches) - 1, generator=draw).tolist(), len(batches) - 1]
    return torch.cat([batches[place] for place in places])


def _rows(world: World, total: int) -> tuple[Tensor, bool]:
    rows = world.rows(total)
    return (rows, False) if len(rows) else (torch.zeros(1, dtype=torch.long), True)


class _Indices:
    """What a `DataLoader` asks a sampler for; worker processes get it too."""

    def __init__(self, plan: Plan, first_step: int) -> None:
        self.plan, self.first_step = plan, first_step

    def __iter__(self) -> Iterator[Tensor]:
        return (self.plan.share(step).indices for step in range(self.first_step, self.plan.total_steps))

    def __len__(self) -> int:
        return self.plan.total_steps - self.first_step


def training_batches(dataset: Dataset, plan: Plan, first_step: int = 0) -> Iterator[tuple[int, Any, Share]]:
    """From a step on to the end of the run: the step, the rows of the dataset, and what to do with them."""
    loader = _loader(dataset, _Indices(plan, first_step), plan)
    for step, batch in enumerate(loader, start=first_step):
        yield step, batch, plan.share(step)


def validation_batches(dataset: Any, plan: Plan) -> Iterator[tuple[Any, bool]]:
    """Every sample once, shared among the processes: the rows, and whether they are of a process that has none."""
    chunks = torch.arange(len(dataset)).split(plan.recipe.batch_size)
    shares = [(chunk, *_rows(plan.world, len(chunk))) for chunk in chunks]
    loader = _loader(dataset, [chunk[rows] for chunk, rows, _ in shares], plan)
    for batch, (_, _, idle) in zip(loader, shares, strict=True):
        yield batch, idle


def _loader(dataset: Dataset, indices: Any, plan: Plan) -> DataLoader:
    # The dataset gets whole batches of indices, so the loader has nothing to collate. A generator of its own keeps
    # it from drawing from the global one.
    return DataLoader(
        dataset,
        sampler=indices,
        batch_size=None,
        num_workers=plan.recipe.workers,
        pin_memory=plan.world.device.type == "cuda",
        generator=torch.Generator(),
    )
