"""Cutting as it should be done, and modules that embed what some way of cutting gives."""

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor, nn

from plenary.checks.exercise import Function

PAGE = "vision_transformer/patches"
CUT, JOIN, CONV, EMBED = "patchify", "unpatchify", "linear_weight_from_conv", "PatchEmbedding"

Cut = Callable[[Tensor, int], Tensor]


def grid(images: Tensor, patch_size: int) -> tuple[int, int]:
    """Count the patches down and across; refuse a picture that does not divide."""
    height, width = images.shape[-2:]
    if height % patch_size or width % patch_size:
        raise ValueError(f"{height} x {width} does not divide into patches of {patch_size}")
    return height // patch_size, width // patch_size


def blocks(images: Tensor, patch_size: int) -> Tensor:
    """Split height and width: (B, C, rows, P, columns, P). Nothing has moved yet."""
    rows, columns = grid(images, patch_size)
    return images.reshape(*images.shape[:2], rows, patch_size, columns, patch_size)


def by_pattern(pattern: str) -> Cut:
    """Cut by an einops pattern in which ``p`` and ``q`` are as long as a patch."""

    def cut(images: Tensor, patch_size: int) -> Tensor:
        grid(images, patch_size)
        return rearrange(images, pattern, p=patch_size, q=patch_size)

    return cut


def by_permutation(*order: int) -> Cut:
    """Cut by reordering the axes of the split picture, and flattening from the third and from the fourth on."""

    def cut(images: Tensor, patch_size: int) -> Tensor:
        moved = blocks(images, patch_size).permute(*order)
        rows, columns = grid(images, patch_size)
        return moved.reshape(len(images), rows * columns, -1)

    return cut


right_cut = by_pattern("b c (h p) (w q) -> b (h w) (p q c)")


class Embedding(nn.Module):
    """The patch embedding; a mistake is a subclass that cuts otherwise, or has another layer."""

    def __init__(self, in_channels: int, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.in_channels, self.patch_size = in_channels, patch_size
        self.projection = nn.Linear(patch_size * patch_size * in_channels, embed_dim)

    def cut(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to (B, N, P P C)."""
        return right_cut(images, self.patch_size)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to (B, N, D)."""
        return self.projection(self.cut(images))


def embedding(cut: Cut) -> type[Embedding]:
    """Build a patch embedding on a way of cutting."""

    class CutsOtherwise(Embedding):
        def cut(self, images: Tensor) -> Tensor:
            return cut(images, self.patch_size)

    return CutsOtherwise


def in_cutting(*wrong: Cut, embedded: int | None = None) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of cutting; it is the same mistake in the embedding that cuts so.

    A check of the embedding asks all that are ``embedded``, so there it is the first few ways where there are many.
    """
    return {CUT: wrong, EMBED: tuple(map(embedding, wrong[:embedded]))}


def labelled(images: int, channels: int, height: int, width: int) -> Tensor:
    """Make pictures whose numbers say where they stand: 213 is picture or channel 2, row 1, column 3.

    Counted from 1, so that every number has all its digits. With one
    picture and one channel, 13 is row 1, column 3.
    """
    index = torch.meshgrid(*map(torch.arange, (images, channels, height, width)), indexing="ij")
    b, c, y, x = (axis.double() + 1 for axis in index)
    front = 100 * b if images > 1 else 100 * c if channels > 1 else 0
    return front + 10 * y + x
