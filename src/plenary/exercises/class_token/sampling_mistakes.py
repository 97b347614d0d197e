"""Mistakes in how it is resized: the kind of curve, where the samples lie, and the gradient."""

import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.class_token.steps import (
    NAME,
    Grid,
    how_else,
    interpolation,
    right,
    to_picture,
    to_sequence,
)


def _offset(positions: Tensor, old_grid: Grid, new_grid: Grid) -> Tensor:
    scale = tuple((new + 0.1) / old for old, new in zip(old_grid, new_grid, strict=True))
    picture = to_picture(positions[:, 1:], old_grid)
    resized = F.interpolate(picture, scale_factor=scale, mode="bicubic")
    return torch.cat([positions[:, :1], to_sequence(resized)], dim=1)


def _without_gradient(positions: Tensor, old_grid: Grid, new_grid: Grid) -> object:
    with torch.no_grad():
        return right(positions, old_grid, new_grid)


SAMPLING_MISTAKES = (
    Misconception(
        id="interp-bilinear",
        title="You interpolate linearly; asked for is bicubic.",
        belief="Between two neighbours the straight line is the natural guess. It shortens vectors, most of all "
        "half-way between two that differ; the cubic curve, which looks at four, less so.",
        hint="Choose the mode by name.",
        anchor="cls-sampling",
        section="Bicubic, and where the samples lie",
        wrong={NAME: (how_else(mode="bilinear"),)},
        evidence="https://github.com/huggingface/pytorch-image-models/pull/750",
    ),
    Misconception(
        id="interp-nearest",
        title="You take the nearest old position for each new one.",
        belief="Every position that comes out has been learned, which is a merit. But neighbouring patches share "
        "one and cannot be told apart.",
        hint="F.interpolate takes the nearest when nothing is said; name the mode.",
        anchor="cls-sampling",
        section="Bicubic, and where the samples lie",
        wrong={
            NAME: (
                interpolation(resize=lambda picture, grid: F.interpolate(picture, size=grid)),
                interpolation(
                    resize=lambda picture, grid: F.interpolate(picture, size=grid, mode="nearest-exact")
                ),
            )
        },
    ),
    Misconception(
        id="interp-corners-aligned",
        title="You align the corners: the outermost positions keep their values, and the others move.",
        belief="Corner to corner sounds right, and has been proposed for vision transformers. A position stands "
        "for a whole patch, though, and the middle of a smaller corner patch lies nearer to the edge.",
        hint="align_corners is to be False, which is also what you get when you say nothing.",
        anchor="cls-sampling",
        section="Bicubic, and where the samples lie",
        wrong={NAME: (how_else(align_corners=True),)},
        evidence="https://github.com/facebookresearch/dinov2/issues/468",
    ),
    Misconception(
        id="interp-antialiased",
        title="You resize with antialias on.",
        belief="Smoothing before a picture shrinks is good practice, and some libraries do it for positions too. "
        "Here it has to be off, or the numbers are not those of the original. torch also lays another "
        "cubic curve with it, so that they differ even where a grid grows.",
        hint="antialias is to be False, which is also what you get when you say nothing.",
        anchor="cls-sampling",
        section="Bicubic, and where the samples lie",
        wrong={NAME: (how_else(antialias=True),)},
    ),
    Misconception(
        id="interp-scale-with-an-offset",
        title="You resize by a factor with a little added to it; the samples lie a little off.",
        belief="A factor may round to one place too few, and adding 0.1 was a widespread cure. It also moves "
        "every sample. The size is known, so there is nothing to round.",
        hint="Tell F.interpolate the size, not the factor.",
        anchor="cls-sampling",
        section="Bicubic, and where the samples lie",
        wrong={NAME: (_offset,)},
        evidence="https://github.com/facebookresearch/dinov2/pull/378",
    ),
    Misconception(
        id="interp-in-float32",
        title="You interpolate in float32, whatever the positions' dtype.",
        belief="A float() before interpolating is a known cure for half precision. It also cuts float64 down to "
        "seven digits, and putting the dtype back afterwards does not bring back the others.",
        hint="Leave the dtype alone.",
        anchor="cls-sampling",
        section="Bicubic, and where the samples lie",
        wrong={
            NAME: (
                lambda positions, old_grid, new_grid: right(positions.float(), old_grid, new_grid),
                lambda positions, old_grid, new_grid: right(positions.float(), old_grid, new_grid).to(  # type: ignore[attr-defined]
                    positions.dtype
                ),
            )
        },
        evidence="https://github.com/huggingface/transformers/pull/35411",
    ),
    Misconception(
        id="interp-no-gradient",
        title="No gradient flows from your result back to the positions.",
        belief="A checkpoint is converted once, before training, and torch.no_grad saves memory there. A model "
        "that takes pictures of several sizes interpolates in every step, and its positions have to go on "
        "learning.",
        hint="Leave out torch.no_grad, detach and .data.",
        anchor="cls-interpolate",
        section="Positions as a small picture",
        wrong={
            NAME: (
                _without_gradient,
                interpolation(picture=lambda x, grid: to_picture(x.detach(), grid)),
            )
        },
    ),
)
