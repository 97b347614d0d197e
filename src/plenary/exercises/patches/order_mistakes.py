"""Mistakes in the order of numbers: all of them are there, in the wrong patch or in the wrong place of it."""

import torch.nn.functional as F
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.patches.build import (
    EMBED,
    Embedding,
    blocks,
    by_pattern,
    by_permutation,
    grid,
    in_cutting,
)


def _reshape(images: Tensor, patch_size: int) -> Tensor:
    rows, columns = grid(images, patch_size)
    return images.reshape(len(images), rows * columns, -1)


def _channels_last_then_reshape(images: Tensor, patch_size: int) -> Tensor:
    rows, columns = grid(images, patch_size)
    return images.permute(0, 2, 3, 1).reshape(len(images), rows * columns, -1)


def _windows_reshaped(images: Tensor, patch_size: int) -> Tensor:
    rows, columns = grid(images, patch_size)
    windows = images.unfold(2, patch_size, patch_size).unfold(3, patch_size, patch_size)
    return windows.reshape(len(images), rows * columns, -1)


def _unfolded_reshaped(images: Tensor, patch_size: int) -> Tensor:
    rows, columns = grid(images, patch_size)
    return F.unfold(images, patch_size, stride=patch_size).reshape(len(images), rows * columns, -1)


def _unfolded(images: Tensor, patch_size: int) -> Tensor:
    grid(images, patch_size)
    return F.unfold(images, patch_size, stride=patch_size).mT


class _WeightViewed(Embedding):
    """The linear layer's weight, taken for a convolution's without moving the channel."""

    def forward(self, images: Tensor) -> Tensor:
        grid(images, self.patch_size)
        size = self.patch_size
        kernel = self.projection.weight.view(-1, images.shape[1], size, size)
        return F.conv2d(images, kernel, self.projection.bias, stride=size).flatten(2).mT


_CHANNEL_FIRST = in_cutting(_unfolded, by_pattern("b c (h p) (w q) -> b (h w) (c p q)"))


def _sides_unpacked_swapped(images: Tensor, patch_size: int) -> Tensor:
    grid(images, patch_size)
    batch, channels, width, height = images.shape
    split = images.reshape(batch, channels, height // patch_size, patch_size, width // patch_size, patch_size)
    return split.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, patch_size * patch_size * channels)


def _stacked(images: Tensor, patch_size: int) -> Tensor:
    split = blocks(images, patch_size).permute(2, 4, 0, 3, 5, 1)
    return split.reshape(len(images), -1, split[0, 0, 0].numel())


ORDER_MISTAKES = (
    Misconception(
        id="patch-reshape-only",
        title="Your patches are cut by reshape alone: each is a run of consecutive numbers, not a square.",
        belief="The shape comes out right, so the cut looks right. But reshape never moves a number: it reads "
        "the picture line by line, and its first P * P * C numbers are the first line or two. A square is "
        "made of pieces of P different lines.",
        hint="Split height and width into (how many, P) first, so that the axes of the grid and of the patch "
        "have names of their own; then bring the grid's axes together; then flatten.",
        anchor="pat-reshape",
        section="A reshape moves nothing",
        wrong=in_cutting(_reshape),
        evidence="https://github.com/kabir2505/Deep-Learning-History",
    ),
    Misconception(
        id="patch-strips",
        title="Your patches are strips of whole lines: the columns' grid axis is not moved before the patch's "
        "rows.",
        belief="Splitting the axes, or moving the channel to the end, does not cut a line yet. After the split a "
        "picture reads (grid row, row in the patch, grid column, column in the patch); flattened in that "
        "order, the line goes on across the whole width.",
        hint="Row in the patch and grid column stand next to each other, and have to change places.",
        anchor="pat-cut",
        section="Two splits and a swap",
        wrong=in_cutting(_channels_last_then_reshape, by_permutation(0, 2, 3, 4, 5, 1)),
    ),
    Misconception(
        id="patch-channel-first",
        title="Inside each of your patches all of channel 0 comes first, then channel 1: order (channel, row, "
        "column).",
        belief="This is what F.unfold gives, and a convolution's weight has the same order, so it is a good "
        "convention elsewhere. Asked for is (row, column, channel): the numbers of one pixel side by "
        "side.",
        hint="The channel is the last of the three axes that are flattened into a patch.",
        anchor="pat-order-in-patch",
        section="Inside a patch: row, column, channel",
        wrong={**_CHANNEL_FIRST, EMBED: (*_CHANNEL_FIRST[EMBED], _WeightViewed)},
    ),
    Misconception(
        id="patch-channel-in-the-middle",
        title="Inside each of your patches the order is (row, channel, column): the channel stands in the middle.",
        belief="After the swap of grid column and patch row, the channel still has to go past every other axis, to "
        "the very end. One place too few and a whole line of one channel comes before the same line of the next.",
        hint="Row, column, channel: of the three axes that become a patch, the channel is the last.",
        anchor="pat-order-in-patch",
        section="Inside a patch: row, column, channel",
        wrong=in_cutting(by_permutation(0, 2, 4, 3, 1, 5)),
    ),
    Misconception(
        id="patch-windows-reshaped",
        title="Your windows are right, but the reshape after them mixes channels: the channel still stands "
        "before the grid.",
        belief="Two calls of unfold make (B, C, rows, columns, P, P), and every window in it is a patch of one "
        "channel. Flattened from there, channel 0 fills the first tokens and channel 1 the next, with one "
        "channel in each token. With a single channel nothing shows.",
        hint="The grid's two axes have to stand straight after the batch before anything is flattened.",
        anchor="pat-reshape",
        section="A reshape moves nothing",
        wrong=in_cutting(_windows_reshaped),
        evidence="https://github.com/gupta-abhay/pytorch-vit/issues/7",
    ),
    Misconception(
        id="patch-unfold-reshaped",
        title="You reshape what F.unfold gives; its patches are columns, and would have to be transposed.",
        belief="F.unfold returns (B, C P P, N): a patch is a column. A reshape to (B, N, C P P) has the right "
        "shape and reads along the rows, so that each token holds one place from many patches.",
        hint="Exchange the last two axes instead of reshaping them, and mind the order inside a patch.",
        anchor="pat-reshape",
        section="A reshape moves nothing",
        wrong=in_cutting(_unfolded_reshaped),
    ),
    Misconception(
        id="patch-column-major",
        title="Your patches go down the columns of the grid; they should go along its rows.",
        belief="Any order would do for attention, which does not see it. But positions, unpatchify and maps of "
        "attention all have to agree on one, and it is the order of reading: left to right, then the next "
        "row.",
        hint="In the pair of axes that becomes N, the grid's row comes first.",
        anchor="pat-order-of-patches",
        section="Patches in reading order",
        wrong=in_cutting(by_permutation(0, 4, 2, 3, 5, 1), by_pattern("b c (h p) (w q) -> b (w h) (p q c)")),
    ),
    Misconception(
        id="patch-pixels-transposed",
        title="Each of your patches is transposed: its pixels go down the columns.",
        belief="A patch has two axes of the same length P, so no shape gives away which is which. They are row "
        "and column of the patch, and the row is the slower one.",
        hint="The axis that was split off the height comes before the one that was split off the width.",
        anchor="pat-order-in-patch",
        section="Inside a patch: row, column, channel",
        wrong=in_cutting(by_permutation(0, 2, 4, 5, 3, 1), by_pattern("b c (h p) (w q) -> b (h w) (q p c)")),
    ),
    Misconception(
        id="patch-picture-transposed",
        title="You cut the transposed picture: patches, and the pixels in them, all run down the columns.",
        belief="x before y is how points are written. An image's axes come in the other order, height before "
        "width: rows first, as in any matrix.",
        hint="The slower index, of the grid and inside a patch, is the one that goes down.",
        anchor="pat-sides",
        section="Height is not width",
        wrong=in_cutting(by_permutation(0, 4, 2, 5, 3, 1), by_pattern("b c (h p) (w q) -> b (w h) (q p c)")),
    ),
    Misconception(
        id="patch-every-nth-pixel",
        title="Your patches collect every n-th pixel from all over the picture instead of a square of "
        "neighbours.",
        belief="(h p) and (p h) have the same length, so both splits run. The right-hand factor is the one that "
        "counts neighbours: in (h p), p goes from pixel to pixel and h leaps from patch to patch.",
        hint="Where an axis is split in two, how many comes first, and the patch's side second.",
        anchor="pat-cut",
        section="Two splits and a swap",
        wrong=in_cutting(by_pattern("b c (p h) (q w) -> b (h w) (p q c)")),
        evidence="https://github.com/arogozhnikov/einops/issues/384",
    ),
    Misconception(
        id="patch-sides-swapped",
        title="You take the height for the width: right for a square picture, scrambled for any other.",
        belief="Width by height is how screens are sold. A tensor (B, C, H, W) has the height first, and with "
        "the two exchanged a line of the picture is taken to be as long as its column.",
        hint="Look at the line that unpacks the shape: which comes third?",
        anchor="pat-sides",
        section="Height is not width",
        wrong=in_cutting(_sides_unpacked_swapped),
        evidence="https://github.com/iver56/image-regression/pull/1",
    ),
    Misconception(
        id="patch-batch-mixed",
        title="Your pictures are mixed: patches of different pictures end up in one sequence.",
        belief="Collecting patch after patch in a list and stacking it puts the patch's number in front of the "
        "batch. A reshape to (B, N, ...) then deals the patches out like cards, to all pictures in turn.",
        hint="Stack along axis 1, or move the batch back to the front before you reshape.",
        anchor="pat-batch",
        section="Each picture by itself",
        wrong=in_cutting(_stacked),
    ),
)
