"""The Vision Transformer in four steps on torch's own parts, so that a mistake can stand in one of them."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.exercise import Function
from plenary.exercises._references import EncoderLayer

Size = int | tuple[int, int]
NAME = "VisionTransformer"


class PatchEmbedding(nn.Module):
    """Torch's own unfold, with the channel moved from the front of a patch to its back."""

    def __init__(self, in_channels: int, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.projection = nn.Linear(patch_size * patch_size * in_channels, embed_dim)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to (B, N, D)."""
        columns = F.unfold(images, self.patch_size, stride=self.patch_size).mT
        by_channel = columns.unflatten(-1, (images.shape[1], -1))
        return self.projection(by_channel.mT.flatten(-2))


class Reference(nn.Module):
    """What is right: embed, encode, read, classify."""

    layer: Callable[..., nn.Module] = EncoderLayer

    def __init__(
        self,
        image_size: Size,
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
        self.image_size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
        self.patch_size, self.pool, self.rate = patch_size, pool, dropout
        self.refuse()
        rows, columns = (side // patch_size for side in self.image_size)
        self.patch_embedding = PatchEmbedding(in_channels, patch_size, embed_dim)
        self.class_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.positions = nn.Parameter(torch.zeros(1, 1 + rows * columns, embed_dim))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            self.layer(embed_dim, num_heads, hidden_dim, dropout, eps=eps) for _ in range(num_layers)
        )
        self.norm: nn.Module = nn.LayerNorm(embed_dim, eps)
        self.head = nn.Linear(embed_dim, num_classes)

    def refuse(self) -> None:
        """Raise for sizes that do not divide, and for a pool that is none."""
        if any(side % self.patch_size for side in self.image_size):
            raise ValueError(f"{self.image_size} does not divide by {self.patch_size}")
        if self.pool not in ("class", "mean"):
            raise ValueError(f"no pool is called {self.pool}")

    def look(self, images: Tensor) -> None:
        """Raise for a picture of another size."""
        if tuple(images.shape[-2:]) != self.image_size:
            raise ValueError(f"{tuple(images.shape)} is not {self.image_size}")

    def placed(self, patches: Tensor) -> Tensor:
        """Put the class token before the patches and add the positions."""
        return torch.cat([self.class_token.repeat(len(patches), 1, 1), patches], 1) + self.positions

    def encoded(self, x: Tensor) -> Tensor:
        """Pass the tokens through the layers."""
        for layer in self.layers:
            x = layer(x)
        return x

    def read(self, x: Tensor) -> Tensor:
        """Make one vector of a picture out of its normalised tokens."""
        return x[:, 0] if self.pool == "class" else x[:, 1:].mean(1)

    def classified(self, x: Tensor) -> Tensor:
        """Normalise, read, and classify."""
        return self.head(self.read(self.norm(x)))

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to (B, num_classes)."""
        self.look(images)
        return self.classified(self.encoded(self.dropout(self.placed(self.patch_embedding(images)))))


def in_model(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of writing the model."""
    return {NAME: wrong}
