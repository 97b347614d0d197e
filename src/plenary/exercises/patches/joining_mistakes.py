"""Mistakes in putting patches together again."""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from plenary.checks.exercise import Function, Misconception
from plenary.exercises.patches.build import JOIN


def _split(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    rows, columns = height // patch_size, width // patch_size
    return patches.reshape(len(patches), rows, columns, patch_size, patch_size, -1)


def _by_permutation(*order: int) -> Function:
    """Join by reordering (B, rows, columns, P, P, C), and reshaping to the picture whatever comes out."""

    def join(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
        moved = _split(patches, patch_size, height, width).permute(*order)
        return moved.reshape(len(patches), -1, height, width)

    return join


def _by_pattern(pattern: str) -> Function:
    """Join by an einops pattern, with h rows and w columns of patches of p by q."""

    def join(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
        sizes = {"h": height // patch_size, "w": width // patch_size, "p": patch_size, "q": patch_size}
        return rearrange(patches, pattern, **sizes)

    return join


def _folded(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    return F.fold(patches.mT, (height, width), patch_size, stride=patch_size)


def _grid_turned(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    split = _split(patches, patch_size, width, height)  # the two exchanged
    return split.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), -1, height, width)


def _picture_turned(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    split = _split(patches, patch_size, width, height)
    return split.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), -1, width, height)


def _root_asserted(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    side = int(patches.shape[1] ** 0.5)
    assert side * side == patches.shape[1]
    return _by_permutation(0, 5, 1, 3, 2, 4)(patches, patch_size, height, width)  # type: ignore[return-value]


def _root(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    side = math.isqrt(patches.shape[1])
    split = patches.reshape(len(patches), side, side, patch_size, patch_size, -1)
    return split.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), -1, height, width)


def _float32_canvas(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    channels = patches.shape[2] // patch_size**2
    canvas = torch.zeros(len(patches), channels, height, width)
    squares = patches.unflatten(2, (patch_size, patch_size, channels)).movedim(-1, 2)
    for n in range(patches.shape[1]):
        y, x = (side * patch_size for side in divmod(n, width // patch_size))
        canvas[:, :, y : y + patch_size, x : x + patch_size] = squares[:, n]
    return canvas


def _three_channels(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    rows, columns = height // patch_size, width // patch_size
    split = patches.reshape(len(patches), rows, columns, patch_size, patch_size, 3)
    return split.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), 3, height, width)


JOINING_MISTAKES = (
    Misconception(
        id="unpatch-reshape-only",
        title="You put the patches together by reshape alone: each becomes a run of consecutive numbers in the "
        "lines.",
        belief="The number of numbers is right, so the shape is. But reshape moves nothing: the first patch, a "
        "square, would be laid out along the first line of the picture.",
        hint="Split N into the grid's rows and columns, and the last axis into row, column and channel; then "
        "move the axes.",
        anchor="pat-reshape",
        section="A reshape moves nothing",
        wrong={
            JOIN: (
                lambda patches, patch_size, height, width: patches.reshape(len(patches), -1, height, width),
            )
        },
    ),
    Misconception(
        id="unpatch-strips",
        title="You lay each patch out as a strip: its rows are not moved past the grid's columns.",
        belief="After the split the axes read (grid row, grid column, row in the patch, column in the patch). A "
        "line of the picture runs through all patches of a grid row, so the row in the patch has to come "
        "before the grid column.",
        hint="Which two axes make up the height? They have to stand side by side, and so do the two of the "
        "width.",
        anchor="pat-back",
        section="Back to the picture",
        wrong={JOIN: (_by_permutation(0, 5, 1, 2, 3, 4),)},
    ),
    Misconception(
        id="unpatch-same-permutation",
        title="You use patchify's own order of axes again, and not the inverse one.",
        belief="That order brought the picture's axes into the patches' order. Done twice it does not lead back: "
        "the axes now start somewhere else, so the same numbers name other axes.",
        hint="Write down which axis is which after the split, and look for grid row, row, grid column, column "
        "in that list.",
        anchor="pat-back",
        section="Back to the picture",
        wrong={JOIN: (_by_permutation(0, 2, 4, 3, 5, 1), _by_permutation(0, 2, 4, 1, 3, 5))},
    ),
    Misconception(
        id="unpatch-channel-first",
        title="You read each patch as (channel, row, column); its order is (row, column, channel).",
        belief="F.fold reads patches so, and for one channel there is no difference. Here patchify puts the "
        "numbers of one pixel side by side, and the way back has to follow it.",
        hint="Split the last axis with the channel at the end.",
        anchor="pat-order-in-patch",
        section="Inside a patch: row, column, channel",
        wrong={JOIN: (_folded, _by_pattern("b (h w) (c p q) -> b c (h p) (w q)"))},
        evidence="https://github.com/cloneofsimo/minRF/issues/6",
    ),
    Misconception(
        id="unpatch-column-major",
        title="You lay the patches down the columns of the grid; they come row by row.",
        belief="The sequence does not say in which direction it was read, and both fill the grid. It is the "
        "order of reading: left to right, then the next row.",
        hint="Split N into (rows, columns), with the rows first.",
        anchor="pat-order-of-patches",
        section="Patches in reading order",
        wrong={JOIN: (_by_pattern("b (w h) (p q c) -> b c (h p) (w q)"),)},
    ),
    Misconception(
        id="unpatch-pixels-transposed",
        title="Every patch lies in its square, but transposed.",
        belief="Rows and columns of a patch are both P long, so the two axes can be exchanged without an error. "
        "The first of them is the row, and belongs to the height.",
        hint="Height is (grid row, row in the patch), width is (grid column, column in the patch).",
        anchor="pat-order-in-patch",
        section="Inside a patch: row, column, channel",
        wrong={
            JOIN: (
                _by_permutation(0, 5, 1, 4, 2, 3),
                _by_pattern("b (h w) (q p c) -> b c (h p) (w q)"),
            )
        },
        evidence="https://github.com/NVIDIA/flashdreams/pull/284",
    ),
    Misconception(
        id="unpatch-interleaved",
        title="You interleave the patches: neighbouring pixels of one patch end up a whole grid apart.",
        belief="(h p) and (p h) are equally long. In the picture a pixel's neighbour is, nearly always, in the "
        "same patch; so the place in the patch is what changes fastest, and stands right.",
        hint="In the height the grid's row comes before the row in the patch; likewise in the width.",
        anchor="pat-back",
        section="Back to the picture",
        wrong={
            JOIN: (
                _by_permutation(0, 5, 3, 1, 4, 2),
                _by_pattern("b (h w) (p q c) -> b c (p h) (q w)"),
            )
        },
    ),
    Misconception(
        id="unpatch-sides-swapped",
        title="You exchange height and width: the grid gets its rows from the width.",
        belief="For a square picture it makes no difference. In any other the grid is turned, and the lines "
        "of the patches land in wrong places.",
        hint="Rows are counted along the height, columns along the width.",
        anchor="pat-sides",
        section="Height is not width",
        wrong={JOIN: (_grid_turned, _picture_turned)},
        evidence="https://github.com/iver56/image-regression/pull/1",
    ),
    Misconception(
        id="unpatch-square-grid",
        title="You take the root of N for both sides of the grid; that needs a square picture.",
        belief="With N alone there is nothing else to go by, and that is why the function is given height and "
        "width. 35 patches may be 5 by 7.",
        hint="Compute the rows from the height and the columns from the width.",
        anchor="pat-sides",
        section="Height is not width",
        wrong={JOIN: (_root, _root_asserted)},
        evidence="https://github.com/facebookresearch/mae/issues/108",
    ),
    Misconception(
        id="unpatch-channels-last",
        title="Your picture is (B, H, W, C); asked for is (B, C, H, W).",
        belief="The channel comes last in a patch, and matplotlib wants it last in a picture. torch's "
        "convolutions, and patchify, have it second.",
        hint="Move the channel to the second place when you order the axes.",
        anchor="pat-back",
        section="Back to the picture",
        wrong={JOIN: (_by_pattern("b (h w) (p q c) -> b (h p) (w q) c"),)},
    ),
    Misconception(
        id="unpatch-three-channels",
        title="You join patches of three channels only.",
        belief="The number of channels is not among the arguments, so a 3 slips in. It can be worked out: a "
        "patch has P * P * C numbers.",
        hint="Let -1 stand for the channels, or divide the patch's length by P squared.",
        anchor="pat-count",
        section="How many patches, and how long",
        wrong={JOIN: (_three_channels,)},
    ),
    Misconception(
        id="unpatch-float32-canvas",
        title="Your picture comes back in float32, whatever the patches' dtype.",
        belief="torch.zeros makes float32 when nothing is said, and what is written into it is rounded to seven "
        "digits. For float32 patches nothing shows.",
        hint="Give the canvas the patches' dtype (patches.new_zeros does), or do without one.",
        anchor="pat-reshape",
        section="A reshape moves nothing",
        wrong={JOIN: (_float32_canvas,)},
    ),
)
