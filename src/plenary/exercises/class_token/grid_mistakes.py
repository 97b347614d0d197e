"""Mistakes in what is resized: the class position, and the rows and columns of the two grids."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.exercise import Function, Misconception
from plenary.exercises.class_token.steps import (
    NAME,
    Grid,
    interpolation,
    resize,
    right,
    to_picture,
    to_sequence,
    turned,
)


def _line(mode: str) -> Function:
    """Stretch the sequence, class position and all, as if it were a line."""

    def stretch(positions: Tensor, old_grid: Grid, new_grid: Grid) -> Tensor:
        return F.interpolate(positions.mT, size=1 + new_grid[0] * new_grid[1], mode=mode).mT

    return stretch


def _line_of_patches(positions: Tensor, old_grid: Grid, new_grid: Grid) -> Tensor:
    line = F.interpolate(positions[:, 1:].mT, size=new_grid[0] * new_grid[1], mode="linear")
    return torch.cat([positions[:, :1], line.mT], dim=1)


def _table(positions: Tensor, old_grid: Grid, new_grid: Grid) -> Tensor:
    return resize(positions.unsqueeze(1), (1 + new_grid[0] * new_grid[1], positions.shape[2]))[:, 0]


def _class_last(positions: Tensor, old_grid: Grid, new_grid: Grid) -> Tensor:
    return torch.roll(right(positions, old_grid, new_grid), -1, dims=1)  # type: ignore[arg-type]


def _class_read_last(positions: Tensor, old_grid: Grid, new_grid: Grid) -> Tensor:
    resized = to_sequence(resize(to_picture(positions[:, :-1], old_grid), new_grid))
    return torch.cat([resized, positions[:, -1:]], dim=1)


def _root(positions: Tensor, old_grid: Grid, new_grid: Grid) -> object:
    side = math.isqrt(positions.shape[1] - 1)
    return right(positions, (side, side), new_grid)


def _same_count_returned(positions: Tensor, old_grid: Grid, new_grid: Grid) -> object:
    if positions.shape[1] == 1 + new_grid[0] * new_grid[1]:
        return positions
    return right(positions, old_grid, new_grid)


GRID_MISTAKES = (
    Misconception(
        id="interp-class-position-included",
        title="You interpolate the class token's position along with the others.",
        belief="It is one of the 1 + h w positions, so it seems to belong to the table that is stretched. But it "
        "has no place in the picture: mixed with its neighbour in the list, both are spoilt. And a list "
        "of patches is no line either; their neighbours are also above and below.",
        hint="Take position 0 off first, resize the others as a picture of h by w, and put position 0 back in "
        "front.",
        anchor="cls-own-position",
        section="The class position stays out of it",
        wrong={NAME: (_line("linear"), _line("nearest"), _table)},
    ),
    Misconception(
        id="interp-class-position-dropped",
        title="Your result lacks the class token's position.",
        belief="Taking it off before resizing is right. It has to come back: the model still has 1 + h' w' "
        "tokens.",
        hint="Join the kept position and the resized ones.",
        anchor="cls-own-position",
        section="The class position stays out of it",
        wrong={NAME: (lambda positions, old_grid, new_grid: right(positions, old_grid, new_grid)[:, 1:],)},  # type: ignore[index]
    ),
    Misconception(
        id="interp-class-position-last",
        title="You treat the class token's position as the last one; it is the first.",
        belief="Some models put their extra tokens at the end. In this course, as in ViT, the class token is "
        "token 0, and its position is position 0, on the way in and on the way out.",
        hint="Position 0 is the one to set aside, and it goes back to the front.",
        anchor="cls-own-position",
        section="The class position stays out of it",
        wrong={NAME: (_class_last, _class_read_last)},
    ),
    Misconception(
        id="interp-stretched-as-a-line",
        title="You stretch the patches' positions as a line; they form a grid.",
        belief="A sequence is what the model sees. But the neighbours of a patch are four, and in the list the "
        "one below is w places away. Along the line, the end of one row would be blended with the start "
        "of the next.",
        hint="Give the positions their rows and columns back before you resize.",
        anchor="cls-interpolate",
        section="Positions as a small picture",
        wrong={NAME: (_line_of_patches,)},
    ),
    Misconception(
        id="interp-old-grid-turned",
        title="You read the old grid as (width, height); it is (height, width).",
        belief="For a square grid it makes no difference, and both orders have the right number of places. Read "
        "so, each row takes in a piece of the next.",
        hint="Rows first: the old grid's first number is how many rows there are.",
        anchor="cls-grid-sides",
        section="Rows first",
        wrong={
            NAME: (
                interpolation(picture=lambda x, grid: to_picture(x, turned(grid))),
                interpolation(picture=lambda x, grid: x.unflatten(1, turned(grid)).permute(0, 3, 2, 1)),
            )
        },
        evidence="https://github.com/huggingface/diffusers/issues/11309",
    ),
    Misconception(
        id="interp-new-grid-turned",
        title="You resize to (width, height); the new grid is (height, width).",
        belief="Pillow's resize takes (width, height), and so do most programs that deal with screens. "
        "F.interpolate takes the sizes in the order of the axes.",
        hint="Pass the new grid as it comes, if your picture's axes are (..., height, width).",
        anchor="cls-grid-sides",
        section="Rows first",
        wrong={
            NAME: (interpolation(resize=lambda picture, grid: resize(picture, turned(grid))),),
        },
    ),
    Misconception(
        id="interp-columns-first",
        title="Your result runs down the columns; positions come row by row.",
        belief="After resizing there is a grid again, and it can be read off in two directions. The patches are "
        "read row by row, so their positions have to be, too.",
        hint="When you flatten, the row is the slower axis.",
        anchor="cls-grid-sides",
        section="Rows first",
        wrong={
            NAME: (
                interpolation(sequence=lambda picture: to_sequence(picture.mT)),
                interpolation(
                    lambda x, grid: to_picture(x, turned(grid)),
                    lambda picture, grid: resize(picture, turned(grid)),
                ),
            )
        },
    ),
    Misconception(
        id="interp-square-grid",
        title="You take the root of the number of positions for both sides of the old grid.",
        belief="Published models are trained on squares, so their code can do with the root. Here the grid is "
        "given, and 15 positions may be 3 by 5.",
        hint="Use old_grid for the reshape.",
        anchor="cls-grid-sides",
        section="Rows first",
        wrong={NAME: (_root,)},
        evidence="https://github.com/facebookresearch/dinov2/issues/333",
    ),
    Misconception(
        id="interp-features-not-moved",
        title="You make the picture by reshape: its D channels are not the features of the positions.",
        belief="(1, h w, D) and (1, D, h, w) hold as many numbers, so the reshape runs. But a reshape moves "
        "nothing: the features of one position would be spread over the places of a grid.",
        hint="Reshape to (1, h, w, D) first, and then move the last axis.",
        anchor="cls-interpolate",
        section="Positions as a small picture",
        wrong={
            NAME: (
                interpolation(picture=lambda x, grid: x.reshape(1, -1, *grid)),
                interpolation(
                    picture=lambda x, grid: x.reshape(1, -1, *grid),
                    sequence=lambda picture: picture.reshape(1, picture[0, 0].numel(), -1),
                ),
            )
        },
    ),
    Misconception(
        id="interp-features-not-moved-back",
        title="You go back to a sequence by reshape: each row mixes one feature of many places.",
        belief="(1, D, h', w') has to become (1, h' w', D), and a reshape gives that shape. The features stand "
        "second, though, and have to be moved to the end.",
        hint="Flatten the two sides, and then exchange the last two axes.",
        anchor="cls-interpolate",
        section="Positions as a small picture",
        wrong={
            NAME: (interpolation(sequence=lambda picture: picture.reshape(1, picture[0, 0].numel(), -1)),)
        },
    ),
    Misconception(
        id="interp-same-count-returned",
        title="You return the positions unchanged when there are as many as before, whatever the grid.",
        belief="As many tokens, the same picture: for squares that holds. 2 by 6 and 3 by 4 have twelve places "
        "each, and the seventh is in another row.",
        hint="Compare the grids, not their sizes; or do without the short cut.",
        anchor="cls-interpolate",
        section="Positions as a small picture",
        wrong={NAME: (_same_count_returned,)},
        evidence="https://github.com/facebookresearch/dino/issues/8",
    ),
)
