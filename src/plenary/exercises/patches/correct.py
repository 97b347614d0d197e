"""Right answers, written in different ways. Every one must pass."""

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor

from plenary.exercises.patches.build import Embedding, grid


def _cut_by_einops(images: Tensor, patch_size: int) -> Tensor:
    assert images.shape[2] % patch_size == 0
    assert images.shape[3] % patch_size == 0
    return rearrange(images, "b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size)


def _cut_by_permutation(images: Tensor, patch_size: int) -> Tensor:
    rows, columns = grid(images, patch_size)
    split = images.reshape(*images.shape[:2], rows, patch_size, columns, patch_size)
    return split.permute(0, 2, 4, 3, 5, 1).contiguous().view(len(images), rows * columns, -1)


def _cut_by_loops(images: Tensor, patch_size: int) -> Tensor:
    rows, columns = grid(images, patch_size)
    patches = []
    for row in range(rows):
        for column in range(columns):
            y, x = row * patch_size, column * patch_size
            square = images[:, :, y : y + patch_size, x : x + patch_size]
            patches.append(square.permute(0, 2, 3, 1).flatten(1))
    return torch.stack(patches, dim=1)


def _cut_by_windows(images: Tensor, patch_size: int) -> Tensor:
    grid(images, patch_size)
    windows = images.unfold(2, patch_size, patch_size).unfold(3, patch_size, patch_size)
    return windows.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)


def _cut_by_unfold(images: Tensor, patch_size: int) -> Tensor:
    grid(images, patch_size)
    patches = F.unfold(images, patch_size, stride=patch_size).transpose(1, 2)
    return patches.unflatten(2, (images.shape[1], -1)).transpose(2, 3).flatten(2)


def _cut_by_filling(images: Tensor, patch_size: int) -> Tensor:
    rows, columns = grid(images, patch_size)
    patches = images.new_zeros(len(images), rows * columns, patch_size**2 * images.shape[1])
    last = images.movedim(1, -1)
    for n in range(rows * columns):
        y, x = (side * patch_size for side in divmod(n, columns))
        patches[:, n] = last[:, y : y + patch_size, x : x + patch_size].reshape(len(images), -1)
    return patches


CUTTING = (
    _cut_by_einops,
    _cut_by_permutation,
    _cut_by_loops,
    _cut_by_windows,
    _cut_by_unfold,
    _cut_by_filling,
)


def _join_by_einops(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    sizes = {"h": height // patch_size, "w": width // patch_size, "p": patch_size, "q": patch_size}
    return rearrange(patches, "b (h w) (p q c) -> b c (h p) (w q)", **sizes)


def _join_by_permutation(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    rows, columns = height // patch_size, width // patch_size
    split = patches.view(len(patches), rows, columns, patch_size, patch_size, -1)
    return split.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), -1, height, width)


def _join_by_fold(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    grid(patches.new_empty(1, 1, height, width), patch_size)
    columns = patches.unflatten(2, (patch_size**2, -1)).permute(0, 3, 2, 1).flatten(1, 2)
    return F.fold(columns, (height, width), patch_size, stride=patch_size)


def _join_by_loops(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    columns = width // patch_size
    squares = patches.unflatten(2, (patch_size, patch_size, -1)).permute(0, 1, 4, 2, 3)
    lines = [
        torch.cat(list(squares[:, start : start + columns].unbind(1)), dim=-1)
        for start in range(0, squares.shape[1], columns)
    ]
    return torch.cat(lines, dim=-2)


def _join_by_einsum(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    rows, columns = height // patch_size, width // patch_size
    split = patches.reshape(len(patches), rows, columns, patch_size, patch_size, -1)
    return torch.einsum("nhwpqc->nchpwq", split).reshape(len(patches), -1, height, width)


JOINING = (_join_by_einops, _join_by_permutation, _join_by_fold, _join_by_loops, _join_by_einsum)


def _weight_by_loops(weight: Tensor) -> Tensor:
    rows, columns = weight.shape[-2:]
    return torch.cat([weight[:, :, y, x] for y in range(rows) for x in range(columns)], dim=1)


def _weight_by_transposing(weight: Tensor) -> Tensor:
    return weight.flatten(2).transpose(1, 2).reshape(len(weight), -1)


def _weight_by_steps(weight: Tensor) -> Tensor:
    return weight.transpose(1, 2).transpose(2, 3).flatten(1)


CONV = (
    lambda weight: rearrange(weight, "d c p q -> d (p q c)"),
    lambda weight: weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1),
    lambda weight: weight.movedim(1, -1).flatten(start_dim=1),
    _weight_by_loops,
    _weight_by_transposing,
    _weight_by_steps,
)


class _Assembled(Embedding):
    def forward(self, images: Tensor) -> Tensor:
        return F.linear(_cut_by_einops(images, self.patch_size), self.projection.weight, self.projection.bias)


class _ChannelsChecked(Embedding):
    def forward(self, images: Tensor) -> Tensor:
        if images.shape[1] != self.in_channels:
            raise ValueError(f"expected {self.in_channels} channels, got {images.shape[1]}")
        patches = _cut_by_loops(images, self.patch_size)
        return patches @ self.projection.weight.mT + self.projection.bias


class _Convolved(Embedding):
    """The linear layer's numbers, used as a convolution's."""

    def forward(self, images: Tensor) -> Tensor:
        grid(images, self.patch_size)
        size = self.patch_size
        weight = self.projection.weight.unflatten(1, (size, size, self.in_channels)).permute(0, 3, 1, 2)
        return F.conv2d(images, weight, self.projection.bias, stride=size).flatten(2).transpose(1, 2)


class _OnePatchAfterAnother(Embedding):
    def forward(self, images: Tensor) -> Tensor:
        patches = _cut_by_windows(images, self.patch_size)
        return torch.stack([self.projection(patches[:, n]) for n in range(patches.shape[1])], dim=1)


class _ByEinsum(Embedding):
    def forward(self, images: Tensor) -> Tensor:
        patches = _cut_by_unfold(images, self.patch_size)
        return einsum(patches, self.projection.weight, "b n i, d i -> b n d") + self.projection.bias


EMBEDDING = (Embedding, _Assembled, _ChannelsChecked, _Convolved, _OnePatchAfterAnother, _ByEinsum)
