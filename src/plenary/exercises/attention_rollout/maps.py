"""From a rollout to a picture: how to ask for it, and what has to hold."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, gradient_probe, normal, shown_probe
from plenary.exercises.attention_rollout.map_mistakes import MAP_MISTAKES, NAME, Grid

_ROLLOUT = (
    torch.tensor(
        [
            [
                [4, 1, 2, 3, 0, 4, 6],
                [0, 8, 2, 2, 2, 2, 4],
                [2, 2, 8, 0, 4, 2, 2],
                [4, 2, 2, 10, 0, 2, 0],
                [2, 0, 4, 0, 12, 2, 0],
                [0, 2, 2, 4, 2, 8, 2],
                [6, 0, 0, 4, 2, 2, 6],
            ]
        ],
        dtype=torch.float64,
    )
    / 20
)


@lru_cache(maxsize=8)
def probes(seed: int) -> tuple[Probe, ...]:
    """Ask for two rows of three on paper, then for batches, grids of other shapes, and gradients."""
    generator = torch.Generator().manual_seed(seed)

    def rollout(batch: int, tokens: int) -> Tensor:
        return normal(generator, batch, tokens, tokens).softmax(-1)

    return (
        shown_probe("small", rollout=_ROLLOUT, grid=(2, 3)),
        call_probe("wide", rollout=rollout(3, 36), grid=(5, 7)),
        call_probe("upright", rollout=rollout(2, 16), grid=(5, 3)),
        call_probe("square", rollout=rollout(2, 10), grid=(3, 3)),
        call_probe("one row", rollout=rollout(1, 5), grid=(1, 4)),
        call_probe("float32", rollout=rollout(2, 13).float(), grid=(4, 3)),
        gradient_probe("gradient", "map", normal(generator, 4, 2, 3), rollout=rollout(4, 7), grid=(2, 3)),
    )


def reference(rollout: Tensor, grid: Grid) -> Tensor:
    """Fold the class token's row with torch's own fold."""
    heard = rollout[:, 0].narrow(-1, 1, rollout.shape[-1] - 1)
    return torch.nn.functional.fold(heard.unsqueeze(1), grid, kernel_size=1).squeeze(1)


def row_is_shared_out(probe: Probe, answer: Answer) -> str | None:
    """The map and the class token's own share sum to one."""
    rollout = np.asarray(probe.arguments["rollout"])
    given = answer.arrays["map"].sum((-2, -1))
    expected = 1 - rollout[:, 0, 0]
    worst = int(np.abs(given - expected).argmax())
    if abs(given[worst] - expected[worst]) > 1e-4:
        own = rollout[worst, 0, 0]
        said = f"map {worst} sums to {given[worst]:.3f}; the class token keeps {own:.3f} of itself"
        return f"{said}, so its patches share {expected[worst]:.3f}"
    return None


def _by_unflatten(rollout: Tensor, grid: Grid) -> Tensor:
    return rollout[:, 0, 1:].unflatten(-1, grid)


def _by_view(rollout: Tensor, grid: Grid) -> Tensor:
    h, w = grid
    return rollout[:, 0, 1:].contiguous().view(rollout.size(0), h, w)


def _by_rows(rollout: Tensor, grid: Grid) -> Tensor:
    height, width = grid
    rows = [rollout[:, 0, 1 + row * width : 1 + (row + 1) * width] for row in range(height)]
    return torch.stack(rows, dim=1)


def _by_chunks(rollout: Tensor, grid: Grid) -> Tensor:
    _, patches = rollout.select(1, 0).split([1, rollout.shape[-1] - 1], dim=-1)
    return torch.stack(patches.chunk(grid[0], dim=-1), dim=-2)


MAP = Exercise(
    name=NAME,
    signature="class_attention_map(rollout, grid) -> map",
    page="vision_transformer/attention_rollout",
    outputs=("map",),
    probes=probes,
    reference=reference,
    properties=(
        Property("the class token's row, without its own entry", 3, ("small", "square", "one row"), ("map",)),
        Property("laid out as the patches lie", 3, ("small", "wide", "upright", "float32"), ("map",)),
        Property("gradients", 1, ("gradient",), ("map", "grad_rollout")),
    ),
    laws=(row_is_shared_out,),
    misconceptions=MAP_MISTAKES,
    correct=(_by_unflatten, _by_view, _by_rows, _by_chunks),
)
