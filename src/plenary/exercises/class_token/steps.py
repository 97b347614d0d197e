"""Fitting positions to another grid in three steps, so that a mistake can stand in one of them."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.exercise import Function

NAME = "interpolate_positions"

Grid = tuple[int, int]


def resize(picture: Tensor, grid: Grid, **how: object) -> Tensor:
    """Resize as it should be done, or with something about it changed."""
    return F.interpolate(picture, size=grid, **{"mode": "bicubic", "align_corners": False, **how})  # type: ignore[arg-type]


def to_picture(of_patches: Tensor, grid: Grid) -> Tensor:
    """(1, h w, D) to (1, D, h, w)."""
    return of_patches.unflatten(1, grid).permute(0, 3, 1, 2)


def to_sequence(picture: Tensor) -> Tensor:
    """(1, D, h, w) to (1, h w, D)."""
    return picture.flatten(2).mT


def turned(grid: Grid) -> Grid:
    """Exchange height and width."""
    return grid[1], grid[0]


def interpolation(
    picture: Callable[[Tensor, Grid], Tensor] = to_picture,
    resize: Callable[[Tensor, Grid], Tensor] = resize,
    sequence: Callable[[Tensor], Tensor] = to_sequence,
) -> Function:
    """Build the function from its three steps, so that a mistake can stand in one of them."""

    def interpolate(positions: Tensor, old_grid: Grid, new_grid: Grid) -> Tensor:
        resized = resize(picture(positions[:, 1:], old_grid), new_grid)
        return torch.cat([positions[:, :1], sequence(resized)], dim=1)

    return interpolate


def how_else(**how: object) -> Function:
    """Build the function with another way of resizing."""
    return interpolation(resize=lambda picture, grid: resize(picture, grid, **how))


right = interpolation()
