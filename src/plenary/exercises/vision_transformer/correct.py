"""Right answers, written in different ways. Every one must pass."""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from plenary import EncoderLayer, LayerNorm, PatchEmbedding, add_positions, prepend_class_token


class _FromTheParts(nn.Module):
    """The parts that the notebook hands out; steps are methods for the others below."""

    def __init__(
        self,
        image_size: int | tuple[int, int],
        patch_size: int,
        in_channels: int,
        num_classes: int,
        embed_dim: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        dropout: float = 0.0,
        pool: str = "class",
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
        if height % patch_size != 0 or width % patch_size != 0:
            raise ValueError(f"{height} x {width} does not divide into patches of {patch_size}")
        if pool not in {"class", "mean"}:
            raise ValueError(pool)
        self.height, self.width, self.pool = height, width, pool
        num_patches = height * width // patch_size**2
        self.patch_embedding = PatchEmbedding(in_channels, patch_size, embed_dim)
        self.class_token = nn.Parameter(torch.randn(1, 1, embed_dim))
        self.positions = nn.Parameter(torch.randn(1, num_patches + 1, embed_dim) * 0.02)
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            [
                EncoderLayer(embed_dim, num_heads, hidden_dim, dropout=dropout, eps=eps)
                for _ in range(num_layers)
            ]
        )
        self.norm: nn.Module = LayerNorm(embed_dim, eps=eps)
        self.head = nn.Linear(embed_dim, num_classes)

    def tokens(self, images: Tensor) -> Tensor:
        if images.shape[-2] != self.height or images.shape[-1] != self.width:
            raise ValueError(f"expected {self.height} x {self.width}, got {tuple(images.shape)}")
        x = prepend_class_token(self.patch_embedding(images), self.class_token)
        return self.drop(add_positions(x, self.positions))

    def forward(self, images: Tensor) -> Tensor:
        x = self.tokens(images)
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        x = x[:, 0] if self.pool == "class" else x[:, 1:].mean(dim=1)
        return self.head(x)


class _HeadFirst(_FromTheParts):
    """The head is linear, so classifying every token and averaging the logits is the same."""

    def forward(self, images: Tensor) -> Tensor:
        x = self.tokens(images)
        for layer in self.layers:
            x = layer(x)
        of_class, of_patches = self.head(self.norm(x)).split([1, x.shape[1] - 1], dim=1)
        return of_class.squeeze(1) if self.pool == "class" else of_patches.mean(1)


class _NormOfTheClassTokenOnly(_FromTheParts):
    """A norm works on each token by itself; the last layer need not speak to the patches."""

    def forward(self, images: Tensor) -> Tensor:
        x = self.tokens(images)
        for layer in self.layers[:-1]:
            x = layer(x)
        if self.pool == "class":
            return self.head(self.norm(self.layers[-1](x, rows=1)[:, 0]))
        return self.head(self.norm(self.layers[-1](x)[:, 1:]).mean(-2))


class _Sequential(_FromTheParts):
    """nn.Sequential registers its layers under the same names; torch's own LayerNorm."""

    def __init__(self, image_size: Any, patch_size: int, *sizes: Any, **options: Any) -> None:
        super().__init__(image_size, patch_size, *sizes, **options)
        self.layers = nn.Sequential(*self.layers)  # type: ignore[assignment]
        self.norm = nn.LayerNorm(self.head.in_features, eps=options.get("eps", 1e-6))
        assert self.pool in ("class", "mean")

    def forward(self, images: Tensor) -> Tensor:
        x = self.norm(self.layers(self.tokens(images)))
        reads = {"class": lambda t: t[:, 0, :], "mean": lambda t: t[:, 1:, :].sum(1) / (t.shape[1] - 1)}
        return self.head(reads[self.pool](x))


class _ByEinops(_FromTheParts):
    def tokens(self, images: Tensor) -> Tensor:
        assert images.shape[-2:] == (self.height, self.width), "another size"
        token = repeat(self.class_token, "1 1 d -> b 1 d", b=len(images))
        x = torch.cat((token, self.patch_embedding(images)), dim=1)
        return F.dropout(x + self.positions, self.drop.p, self.training)

    def forward(self, images: Tensor) -> Tensor:
        x = self.tokens(images)
        for layer in self.layers:
            x = layer(x)
        x = rearrange(self.norm(x), "b n d -> n b d")
        return self.head(x[0] if self.pool == "class" else x[1:].mean(0))


class _PiecesPlacedApart(_FromTheParts):
    """Each token gets its position before they are put together; each is dropped by itself."""

    def tokens(self, images: Tensor) -> Tensor:
        if tuple(images.shape[2:]) != (self.height, self.width):
            raise ValueError("another size")
        patches = self.patch_embedding(images) + self.positions[:, 1:]
        token = (self.class_token + self.positions[:, :1]).expand(images.shape[0], 1, -1)
        return torch.cat([self.drop(token), self.drop(patches)], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.tokens(images)
        for number in range(len(self.layers)):
            x = self.layers[number].forward(x)
        weights = torch.zeros(1, x.shape[1], dtype=x.dtype)
        if self.pool == "class":
            weights[0, 0] = 1.0
        else:
            weights[0, 1:] = 1 / (x.shape[1] - 1)
        return self.head((weights @ self.norm(x)).squeeze(1))


MODELS = (
    _FromTheParts,
    _HeadFirst,
    _NormOfTheClassTokenOnly,
    _Sequential,
    _ByEinops,
    _PiecesPlacedApart,
)
