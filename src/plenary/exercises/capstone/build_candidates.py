"""Ways of writing ``build_model``, right and wrong."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from plenary import EncoderLayer, LayerNorm, PatchEmbedding, VisionTransformer


class FromParts(nn.Module):
    """A Vision Transformer from the course's layers."""

    def __init__(
        self,
        patch_size: int = 2,
        positions: bool = True,
        pool: str = "class",
        image_size: int = 8,
        in_channels: int = 1,
        width: int = 32,
        classes: int = 10,
    ) -> None:
        super().__init__()
        self.pool = pool
        self.embed = PatchEmbedding(in_channels, patch_size, width)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        count = (image_size // patch_size) ** 2
        self.places = nn.Parameter(torch.randn(1, count + 1, width)) if positions else None
        self.layers = nn.ModuleList(EncoderLayer(width, 4, 64) for _ in range(2))
        self.norm = LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 10)."""
        x = torch.cat([self.token.expand(len(images), -1, -1), self.embed(images)], dim=1)
        if self.places is not None:
            x = x + self.places
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        return self.head(self.read(x))

    def read(self, x: Tensor) -> Tensor:
        """Choose what the head reads."""
        return x[:, 0] if self.pool == "class" else x[:, 1:].mean(dim=1)


class WithTorch(nn.Module):
    """A Vision Transformer from torch's own encoder and a strided convolution, without a class token for the mean."""

    batch_first = True

    def __init__(
        self,
        patch_size: int = 2,
        positions: bool = True,
        pool: str = "class",
        image_size: int = 8,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        self.cut = nn.Conv2d(in_channels, 48, patch_size, stride=patch_size)
        self.token = nn.Parameter(torch.zeros(48)) if pool == "class" else None
        count = (image_size // patch_size) ** 2 + (pool == "class")
        self.places = nn.Parameter(0.02 * torch.randn(count, 48)) if positions else 0
        layer = nn.TransformerEncoderLayer(
            48, 4, 96, activation="gelu", norm_first=True, batch_first=self.batch_first
        )
        self.encoder = nn.TransformerEncoder(layer, 3, nn.LayerNorm(48), enable_nested_tensor=False)
        self.head = nn.Linear(48, 10)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 10)."""
        x = self.cut(images).flatten(2).mT
        if self.token is not None:
            x = torch.cat([self.token.expand(len(x), 1, -1), x], dim=1)
        x = self.encoder(x + self.places)
        return self.head(x.mean(1) if self.token is None else x[:, 0])


def _direct(
    patch_size: int = 2,
    positions: bool = True,
    pool: str = "class",
    image_size: int = 8,
    in_channels: int = 1,
) -> nn.Module:
    made = VisionTransformer(image_size, patch_size, in_channels, 10, 40, 2, 4, 80, pool=pool)
    if not positions:
        with torch.no_grad():
            made.positions.zero_()
        made.positions.requires_grad = False
    return made


class _Subclassed(VisionTransformer):
    def embed(self, images: Tensor) -> Tensor:
        """Embed without positions."""
        tokens = self.patch_embedding(images)
        return torch.cat([self.class_token.repeat(len(tokens), 1, 1), tokens], dim=1)


def _by_subclass(
    patch_size: int = 2,
    positions: bool = True,
    pool: str = "class",
    image_size: int = 8,
    in_channels: int = 1,
) -> nn.Module:
    kind = VisionTransformer if positions else _Subclassed
    return kind(image_size, patch_size, in_channels, 10, 24, 2, 3, 48, pool=pool)


CORRECT = (_direct, FromParts, WithTorch, _by_subclass)


class _FixedPlaces(FromParts):
    """Random positions that are never trained, in place of none."""

    def __init__(self, patch_size: int = 2, positions: bool = True, pool: str = "class", *rest: int) -> None:
        super().__init__(patch_size, True, pool, *rest)
        if self.places is not None:
            self.places.requires_grad_(positions)


def _stay(patch_size: int = 2, positions: bool = True, pool: str = "class", *rest: int) -> nn.Module:
    return FromParts(patch_size, True, pool, *rest)


def _never(patch_size: int = 2, positions: bool = True, pool: str = "class", *rest: int) -> nn.Module:
    return FromParts(patch_size, False, pool, *rest)


def _unpooled(patch_size: int = 2, positions: bool = True, pool: str = "class", *rest: int) -> nn.Module:
    return FromParts(patch_size, positions, "class", *rest)


def _always_mean(patch_size: int = 2, positions: bool = True, pool: str = "class", *rest: int) -> nn.Module:
    return FromParts(patch_size, positions, "mean", *rest)


def _one_patch_size(
    patch_size: int = 2, positions: bool = True, pool: str = "class", *rest: int
) -> nn.Module:
    return FromParts(2, positions, pool, *rest)


class _OverTheBatch(WithTorch):
    batch_first = False


class _ByItsBatch(FromParts):
    """Pictures are normalised by the mean and variance of their own batch, in use as in training."""

    def forward(self, images: Tensor) -> Tensor:
        """Normalise by the batch at hand first."""
        return super().forward(nn.functional.batch_norm(images, None, None, training=True))


class _Softmaxed(FromParts):
    def forward(self, images: Tensor) -> Tensor:
        """Return probabilities."""
        return super().forward(images).softmax(dim=-1)


def _tiny(patch_size: int = 2, positions: bool = True, pool: str = "class", *rest: int) -> nn.Module:
    return FromParts(patch_size, positions, pool, *(rest or (8, 1)), width=256)


def _the_class(*_arguments: object) -> object:
    return FromParts


WRONG: dict[str, tuple[Callable[..., object], ...]] = {
    "capstone-positions-stay": (_stay, _FixedPlaces),
    "capstone-no-positions": (_never,),
    "capstone-pool-ignored": (_unpooled, _always_mean),
    "capstone-patch-size-ignored": (_one_patch_size,),
    "capstone-batch-attends": (_OverTheBatch,),
    "capstone-batch-normalises": (_ByItsBatch,),
    "capstone-probabilities": (_Softmaxed,),
    "capstone-too-large": (_tiny,),
    "capstone-class-returned": (_the_class,),
}
