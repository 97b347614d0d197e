"""``interpolate_positions``: how to ask for it, and what has to hold."""

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, gradient_probe, normal, shown_probe
from plenary.exercises.class_token.grid_mistakes import GRID_MISTAKES
from plenary.exercises.class_token.sampling_mistakes import SAMPLING_MISTAKES
from plenary.exercises.class_token.steps import NAME, Grid

PAGE = "vision_transformer/class_token"
ALL = ("interpolated",)


def probes(seed: int) -> list[Probe]:
    """Stretch and shrink grids of all proportions; first ones whose numbers say their row and column."""
    generator = torch.Generator().manual_seed(seed)

    def asked(old: Grid, new: Grid, width: int = 5) -> dict[str, Tensor | Grid]:
        positions = normal(generator, 1, 1 + old[0] * old[1], width)
        return {"positions": positions, "old_grid": old, "new_grid": new}

    def shown(name: str, old: Grid, new: Grid) -> Probe:
        row, column = torch.meshgrid(*(torch.arange(1.0, n + 1) for n in old), indexing="ij")
        of_patches = torch.stack([row.flatten(), column.flatten()], dim=-1)
        positions = torch.cat([torch.tensor([[-9.0, 9.0]]), of_patches]).unsqueeze(0).double()
        return shown_probe(name, positions=positions, old_grid=old, new_grid=new)

    single = asked((3, 5), (6, 4))
    return [
        shown("the same grid", (2, 3), (2, 3)),
        shown("higher", (2, 3), (4, 3)),
        shown("smaller", (4, 4), (2, 4)),
        shown("as many places", (1, 4), (2, 2)),
        call_probe("unchanged", **asked((3, 5), (3, 5))),
        call_probe("larger", **asked((3, 5), (4, 7))),
        call_probe("wider and lower", **asked((5, 3), (4, 7))),
        call_probe("less than half", **asked((9, 7), (4, 3))),
        call_probe("square", **asked((4, 4), (6, 6), 7)),
        call_probe("square to rectangle", **asked((4, 4), (3, 5), 7)),
        call_probe("as many patches", **asked((2, 6), (3, 4))),
        call_probe("turned", **asked((3, 4), (4, 3))),
        call_probe("one patch", **asked((3, 2), (1, 1))),
        call_probe("float32", **{**single, "positions": single["positions"].float()}),  # type: ignore[union-attr]
        gradient_probe("gradient", "interpolated", normal(generator, 1, 21, 4), **asked((3, 2), (4, 5), 4)),
    ]


def reference(positions: Tensor, old_grid: Grid, new_grid: Grid) -> Tensor:
    """Resize with torch's own ``F.interpolate``, one feature after another."""
    height, width = old_grid
    features = [
        F.interpolate(
            positions[0, 1:, d].reshape(1, 1, height, width),
            new_grid,
            mode="bicubic",
            align_corners=False,
            antialias=False,
        ).flatten()
        for d in range(positions.shape[2])
    ]
    return torch.cat([positions[0, :1], torch.stack(features, dim=-1)]).unsqueeze(0)


def class_position_is_kept(probe: Probe, answer: Answer) -> str | None:
    """Position 0 comes out as it went in."""
    if np.allclose(answer.arrays["interpolated"][0, 0], np.asarray(probe.arguments["positions"])[0, 0], 1e-3):
        return None
    return "position 0, the class token's, is not the one that came in"


def same_grid_same_positions(probe: Probe, answer: Answer) -> str | None:
    """Where the new grid is the old one, nothing changes."""
    old, new = probe.arguments["old_grid"], probe.arguments["new_grid"]
    if old != new:
        return None
    same = np.allclose(answer.arrays["interpolated"], np.asarray(probe.arguments["positions"]), 1e-3)
    return None if same else "the grids are the same and the positions have changed"


def _by_einops(positions: Tensor, old_grid: Grid, new_grid: Grid) -> Tensor:
    picture = rearrange(positions[:, 1:], "1 (h w) d -> 1 d h w", h=old_grid[0])
    resized = F.interpolate(picture, size=new_grid, mode="bicubic")
    return torch.cat([positions[:, :1], rearrange(resized, "1 d h w -> 1 (h w) d")], dim=1)


def _by_permuting(positions: Tensor, old_grid: Grid, new_grid: Grid) -> Tensor:
    if tuple(old_grid) == tuple(new_grid):
        return positions
    width = positions.shape[-1]
    picture = positions[:, 1:].reshape(1, *old_grid, width).permute(0, 3, 1, 2)
    resized = F.interpolate(picture, new_grid, mode="bicubic", align_corners=False, antialias=False)
    return torch.cat((positions[:, 0:1], resized.permute(0, 2, 3, 1).reshape(1, -1, width)), dim=1)


def _by_upsample(positions: Tensor, old_grid: Grid, new_grid: Grid) -> Tensor:
    picture = positions[:, 1:].transpose(1, 2).unflatten(2, old_grid)
    resized = torch.nn.Upsample(new_grid, mode="bicubic", align_corners=False)(picture)
    return torch.cat([positions[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)


def _by_scale(positions: Tensor, old_grid: Grid, new_grid: Grid) -> Tensor:
    scale = tuple((new + 1e-9) / old for old, new in zip(old_grid, new_grid, strict=True))
    picture = positions[:, 1:].mT.reshape(1, -1, *old_grid)
    resized = F.interpolate(picture, scale_factor=scale, mode="bicubic", recompute_scale_factor=True)
    return torch.cat([positions[:, :1], resized.flatten(2).mT], dim=1)


def _by_weights(positions: Tensor, old_grid: Grid, new_grid: Grid) -> Tensor:
    """One axis after the other, by a matrix that the identity shows."""

    def matrix(old: int, new: int) -> Tensor:
        identity = torch.eye(old, dtype=positions.dtype).reshape(1, old, old, 1)
        return F.interpolate(identity, size=(new, 1), mode="bicubic", align_corners=False)[0, :, :, 0].mT

    table = positions[0, 1:].unflatten(0, old_grid)
    down, across = (matrix(old, new) for old, new in zip(old_grid, new_grid, strict=True))
    resized = torch.einsum("ih,jw,hwd->ijd", down, across, table)
    return torch.cat([positions[0, :1], resized.flatten(0, 1)])[None]


INTERPOLATING = Exercise(
    name=NAME,
    signature="interpolate_positions(positions, old_grid, new_grid) -> interpolated",
    page=PAGE,
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property("a larger grid by hand", 1, ("the same grid", "higher", "as many places"), ALL),
        Property("from a square grid to a square one", 1, ("square",), ALL),
        Property(
            "a grid of as many places or more, of any proportions",
            3,
            ("unchanged", "larger", "wider and lower", "square to rectangle", "as many patches", "turned"),
            ALL,
        ),
        Property("a smaller grid", 2, ("smaller", "less than half", "one patch"), ALL),
        Property("gradients", 1, ("gradient",), (*ALL, "grad_positions")),
        Property("positions in float32", 1, ("float32",), ALL),
    ),
    laws=(class_position_is_kept, same_grid_same_positions),
    misconceptions=(*GRID_MISTAKES, *SAMPLING_MISTAKES),
    correct=(_by_einops, _by_permuting, _by_upsample, _by_scale, _by_weights),
)
