"""Mistakes in the layout: axes that are there too often, missing, or somewhere else."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.patches.build import CUT, Cut, blocks, by_pattern, grid, in_cutting, right_cut


def _channels_last_input(images: Tensor, patch_size: int) -> Tensor:
    return rearrange(images, "b (h p) (w q) c -> b (h w) (p q c)", p=patch_size, q=patch_size)


def _channels_last_input_checked(images: Tensor, patch_size: int) -> Tensor:
    height, width = images.shape[1:3]
    if height % patch_size or width % patch_size:
        raise ValueError(f"{height} x {width} does not divide into patches of {patch_size}")
    return _channels_last_input(images, patch_size)


def _not_flattened(order: str) -> Cut:
    return by_pattern(f"b c (h p) (w q) -> b (h w) {order}")


def _windows(stride: Callable[[int], int]) -> Cut:
    def cut(images: Tensor, patch_size: int) -> Tensor:
        grid(images, patch_size)
        step = stride(patch_size)
        windows = images.unfold(2, patch_size, step).unfold(3, patch_size, step)
        return windows.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)

    return cut


def _places_taken_for_pixels(images: Tensor, patch_size: int) -> Tensor:
    """As many windows as there are patches, and each one pixel on from the last."""
    rows, columns = grid(images, patch_size)
    last, size = images.movedim(1, -1), patch_size
    windows = [last[:, y : y + size, x : x + size] for y in range(rows) for x in range(columns)]
    return torch.stack([window.flatten(1) for window in windows], dim=1)


def _range_too_short(images: Tensor, patch_size: int) -> Tensor:
    grid(images, patch_size)
    last, size = images.movedim(1, -1), patch_size
    down, across = (range(0, side - size, size) for side in images.shape[-2:])
    return torch.stack([last[:, y : y + size, x : x + size].flatten(1) for y in down for x in across], dim=1)


def _overlapping_unfold(images: Tensor, patch_size: int) -> Tensor:
    grid(images, patch_size)
    return F.unfold(images, patch_size).mT


def _size_as_count(images: Tensor, patch_size: int) -> Tensor:
    grid(images, patch_size)
    return rearrange(images, "b c (h p) (w q) -> b (h w) (p q c)", h=patch_size, w=patch_size)


def _three_channels(images: Tensor, patch_size: int) -> Tensor:
    rows, columns = grid(images, patch_size)
    moved = blocks(images, patch_size).permute(0, 2, 4, 3, 5, 1)
    return moved.reshape(len(images), rows * columns, patch_size * patch_size * 3)


def _square_picture(images: Tensor, patch_size: int) -> Tensor:
    rows, _ = grid(images, patch_size)
    split = images.reshape(*images.shape[:2], rows, patch_size, rows, patch_size)
    return split.permute(0, 2, 4, 3, 5, 1).reshape(len(images), rows * rows, -1)


def _square_picture_by_einops(images: Tensor, patch_size: int) -> Tensor:
    rows, _ = grid(images, patch_size)
    sizes = {"h": rows, "w": rows, "p": patch_size, "q": patch_size}
    return rearrange(images, "b c (h p) (w q) -> b (h w) (p q c)", **sizes)


def _float32_buffer(images: Tensor, patch_size: int) -> Tensor:
    right = right_cut(images, patch_size)
    patches = torch.zeros(right.shape)
    for n in range(right.shape[1]):
        patches[:, n] = right[:, n]
    return patches


LAYOUT_MISTAKES = (
    Misconception(
        id="patch-channels-as-patches",
        title="Each of your patches has one channel only; there are C times too many of them.",
        belief="A picture with three channels can be seen as three grey pictures, one after the other. As tokens "
        "they would be three separate guests for the same square. A token holds all channels of its "
        "square: P * P * C numbers.",
        hint="The channel goes into the last axis, beside row and column of the patch, not into the count N.",
        anchor="pat-count",
        section="How many patches, and how long",
        wrong={
            CUT: (
                by_pattern("b c (h p) (w q) -> b (c h w) (p q)"),
                by_pattern("b c (h p) (w q) -> b (h w c) (p q)"),
            )
        },
    ),
    Misconception(
        id="patch-channels-last-input",
        title="You read the pictures as (B, H, W, C); they are (B, C, H, W).",
        belief="NumPy, Pillow and matplotlib keep the channel last. torch keeps it second, and so the C channels "
        "pass for the height.",
        hint="Unpack the shape in torch's order. In the patches the channel is last all the same.",
        anchor="pat-sides",
        section="Height is not width",
        wrong={CUT: (_channels_last_input, _channels_last_input_checked)},
    ),
    Misconception(
        id="patch-not-flattened",
        title="Your patches are still small pictures; each should be one row of P * P * C numbers.",
        belief="A patch with rows, columns and channels is easier to look at. A token is a vector, because the "
        "next thing that happens to it is a linear layer, which works on the last axis alone.",
        hint="The last three axes become one.",
        anchor="pat-count",
        section="How many patches, and how long",
        wrong={CUT: (_not_flattened("p q c"), _not_flattened("c p q"), _not_flattened("(p q) c"))},
    ),
    Misconception(
        id="patch-grid-kept",
        title="Your patches still stand in a grid; they should stand in one line of N.",
        belief="The grid (rows, columns) is where the patches come from, and it is a pity to lose it. Attention "
        "takes a sequence, so the two axes become one; positions will bring back where each patch was.",
        hint="Flatten rows and columns of the grid into N.",
        anchor="pat-order-of-patches",
        section="Patches in reading order",
        wrong=in_cutting(by_pattern("b c (h p) (w q) -> b h w (p q c)")),
    ),
    Misconception(
        id="patch-batch-flattened",
        title="You return the patches of all pictures in one long list; the batch axis is gone.",
        belief="Cutting and embedding treat every patch alike, whichever picture it is from. Attention does not: "
        "patches of one picture listen to each other, and to no other picture's. So the batch stays the "
        "first axis.",
        hint="Flatten the grid's two axes only.",
        anchor="pat-batch",
        section="Each picture by itself",
        wrong=in_cutting(by_pattern("b c (h p) (w q) -> (b h w) (p q c)")),
        evidence="https://github.com/arogozhnikov/einops/issues/96",
    ),
    Misconception(
        id="patch-batch-second",
        title="Your patches come as (N, B, P * P * C): the batch is the second axis.",
        belief="torch.stack on a list of patches makes a new first axis, the patch's number. In this course the "
        "batch always comes first.",
        hint="torch.stack can put the new axis elsewhere; or exchange the first two axes at the end.",
        anchor="pat-batch",
        section="Each picture by itself",
        wrong=in_cutting(by_pattern("b c (h p) (w q) -> (h w) b (p q c)")),
    ),
    Misconception(
        id="patch-features-first",
        title="Your patches are columns: the shape is (B, P * P * C, N).",
        belief="F.unfold returns them so, and a convolution's output has its channels before its places, too. In "
        "a sequence of tokens each token is a row.",
        hint="Exchange the last two axes.",
        anchor="pat-count",
        section="How many patches, and how long",
        wrong={
            CUT: (
                lambda images, patch_size: _windows(lambda P: P)(images, patch_size).mT,
                lambda images, patch_size: by_pattern("b c (h p) (w q) -> b (c p q) (h w)")(
                    images, patch_size
                ),
            )
        },
    ),
    Misconception(
        id="patch-overlapping",
        title="Your patches overlap: the window moves on by less than its own width.",
        belief="The stride of unfold is 1 when nothing is said, as for a convolution that looks at every place. "
        "Patches lie edge to edge, so that each pixel is in exactly one, and N is H W / P^2.",
        hint="The step from one patch to the next is as long as a patch.",
        anchor="pat-edge-to-edge",
        section="Edge to edge",
        wrong=in_cutting(
            _overlapping_unfold,
            _windows(lambda P: 1),
            _windows(lambda P: max(P // 2, 1)),
            _places_taken_for_pixels,
        ),
    ),
    Misconception(
        id="patch-last-left-out",
        title="You leave out the last row and the last column of patches.",
        belief="The last patch begins at H - P, so the loop was told to run to there. But a range stops before its "
        "end: range(0, H - P, P) ends one patch too soon.",
        hint="Count how many patches come out down and across, and compare with H / P and W / P.",
        anchor="pat-edge-to-edge",
        section="Edge to edge",
        wrong=in_cutting(_range_too_short),
    ),
    Misconception(
        id="patch-size-as-count",
        title="You cut patch_size patches along each side; patch_size is how many pixels long a patch is.",
        belief="Both numbers describe the same cut, and for a picture of P^2 pixels a side they agree. A Vision "
        "Transformer fixes the patch's size, so that one linear layer fits whatever the picture.",
        hint="How many there are follows: the side over patch_size.",
        anchor="pat-count",
        section="How many patches, and how long",
        wrong={CUT: (_size_as_count,)},
    ),
    Misconception(
        id="patch-three-channels",
        title="Your patches are right for three channels only.",
        belief="Photographs have red, green and blue, so a 3 slips into the shape. The digits of this course "
        "have one channel, satellites have twelve.",
        hint="Read C from the shape, or let the last axis find its own length with -1.",
        anchor="pat-count",
        section="How many patches, and how long",
        wrong={CUT: (_three_channels,)},
        evidence="https://github.com/mflux-community/mflux/pull/490",
    ),
    Misconception(
        id="patch-square-picture",
        title="Your patches are right for square pictures only: one side gives the number of rows and of "
        "columns.",
        belief="Most benchmarks crop to squares, and then one count serves for both. A picture of 20 x 28 has 5 "
        "rows and 7 columns of patches of 4.",
        hint="Count the rows from the height and the columns from the width.",
        anchor="pat-sides",
        section="Height is not width",
        wrong=in_cutting(_square_picture, _square_picture_by_einops, embedded=1),
        evidence="https://github.com/facebookresearch/mae/issues/108",
    ),
    Misconception(
        id="patch-float32-buffer",
        title="Your patches come back in float32, whatever the picture's dtype.",
        belief="torch.zeros makes float32 when nothing is said, and what is written into it is rounded to seven "
        "digits. For a float32 picture nothing shows.",
        hint="Give the buffer the picture's dtype (images.new_zeros does), or do without one.",
        anchor="pat-reshape",
        section="A reshape moves nothing",
        wrong={CUT: (_float32_buffer,)},
    ),
)
