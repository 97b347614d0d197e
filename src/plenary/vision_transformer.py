"""The Vision Transformer: a picture as a sequence of patches, an encoder, and a class read from one token."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from plenary import convert
from plenary.class_token import add_positions, interpolate_positions, prepend_class_token
from plenary.encoder import EncoderLayer
from plenary.norm import LayerNorm
from plenary.patches import PatchEmbedding, patch_grid


def count_parameters(
    image_size: int | tuple[int, int],
    patch_size: int,
    in_channels: int,
    num_classes: int,
    embed_dim: int,
    num_layers: int,
    hidden_dim: int,
) -> int:
    """How many parameters a `VisionTransformer` of these sizes has, in closed form; no model is built.

    The number of heads does not enter: they share out the width.
    """
    rows, columns = patch_grid("count_parameters", *_pair(image_size), patch_size)
    embedding = (patch_size**2 * in_channels + 1) * embed_dim
    tokens = (1 + 1 + rows * columns) * embed_dim  # the class token, and a position for it and every patch
    attention = 4 * (embed_dim + 1) * embed_dim
    feed_forward = 2 * embed_dim * hidden_dim + hidden_dim + embed_dim
    norms = 2 * 2 * embed_dim
    head = 2 * embed_dim + (embed_dim + 1) * num_classes
    return embedding + tokens + num_layers * (attention + feed_forward + norms) + head


@dataclass(frozen=True)
class Size:
    """Depth and widths of a Vision Transformer."""

    embed_dim: int
    num_layers: int
    num_heads: int
    hidden_dim: int


SIZES = {
    "test": Size(embed_dim=24, num_layers=2, num_heads=3, hidden_dim=48),
    "Ti": Size(embed_dim=192, num_layers=12, num_heads=3, hidden_dim=768),
    "S": Size(embed_dim=384, num_layers=12, num_heads=6, hidden_dim=1536),
    "B": Size(embed_dim=768, num_layers=12, num_heads=12, hidden_dim=3072),
    "L": Size(embed_dim=1024, num_layers=24, num_heads=16, hidden_dim=4096),
}
"""B and L: Dosovitskiy et al. (2021), table 1. Ti and S: Touvron et al. (2021), Training data-efficient image
transformers, table 1. "test" is for tests."""


class VisionTransformer(nn.Module):
    """Patches, a class token and learned positions, pre-norm encoder layers, a norm and a linear head.

    Args:
        image_size: height and width, or one number for both.
        patch_size: P, the side of a patch; divides both.
        in_channels: C of the pictures.
        num_classes: how many logits.
        embed_dim: D.
        num_layers: how many encoder layers.
        num_heads: H; divides D.
        hidden_dim: the feed-forward networks' width.
        dropout: the share that is dropped in the layers and after the positions.
        pool: what the head reads: "class", the class token; "mean", the mean of the patches without it.
        eps: of all norms.
        positional: False for the ablation: every position is zero, and stays so.
        norm_first: False for post-norm layers, as in 2017; there is then no norm after the last one.

    Raises:
        ValueError: sizes that do not divide, no layer, or another pool.

    Source: Dosovitskiy et al. (2021), An Image is Worth 16x16 Words, equations 1 to 4.
    """

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
        *,
        positional: bool = True,
        norm_first: bool = True,
    ) -> None:
        super().__init__()
        if pool not in ("class", "mean"):
            raise ValueError(f'VisionTransformer: pool is {pool!r}; expected "class" or "mean".')
        if num_layers < 1:
            raise ValueError(f"VisionTransformer: num_layers is {num_layers}; it must be 1 or more.")
        self.image_size = _pair(image_size)
        self.grid = patch_grid("VisionTransformer", *self.image_size, patch_size)
        self.pool = pool
        self.patch_embedding = PatchEmbedding(in_channels, patch_size, embed_dim)
        self.class_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        count = 1 + self.grid[0] * self.grid[1]
        self.positions = nn.Parameter(torch.zeros(1, count, embed_dim), requires_grad=positional)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(embed_dim, num_heads, hidden_dim, dropout, norm_first, eps)
            for _ in range(num_layers)
        )
        self.norm = LayerNorm(embed_dim, eps) if norm_first else nn.Identity()
        self.head = nn.Linear(embed_dim, num_classes)
        self.reset_parameters()

    @classmethod
    def named(
        cls,
        size: str,
        image_size: int | tuple[int, int] = 224,
        patch_size: int = 16,
        in_channels: int = 3,
        num_classes: int = 1000,
        dropout: float = 0.0,
        pool: str = "class",
    ) -> "VisionTransformer":
        """A model of one of the `SIZES`: "Ti", "S", "B", "L", or "test".

        Raises:
            ValueError: there is no such size.
        """
        if size not in SIZES:
            raise ValueError(
                f"VisionTransformer.named: size is {size!r}; expected one of {', '.join(SIZES)}."
            )
        s = SIZES[size]
        widths = (s.embed_dim, s.num_layers, s.num_heads, s.hidden_dim)
        return cls(image_size, patch_size, in_channels, num_classes, *widths, dropout=dropout, pool=pool)

    @classmethod
    def from_torchvision(cls, model: nn.Module) -> "VisionTransformer":
        """The same model as a `torchvision.models.VisionTransformer`, weights copied.

        Raises:
            TypeError: it is another kind of model.
            ValueError: it has parts that this class has not.
        """
        return cls._filled(model, *convert.torchvision_vit(model))

    @classmethod
    def from_timm(cls, model: nn.Module) -> "VisionTransformer":
        """The same model as a `timm.models.VisionTransformer`, weights copied.

        Raises:
            TypeError: it is another kind of model.
            ValueError: it has parts that this class has not, or lacks some.
        """
        return cls._filled(model, *convert.timm_vit(model))

    @classmethod
    def _filled(cls, like: nn.Module, sizes: dict[str, Any], state: dict[str, Tensor]) -> "VisionTransformer":
        ours = cls(**sizes).to(state["class_token"]).train(like.training)
        ours.load_state_dict(state)
        return ours

    def reset_parameters(self) -> None:
        """Draw the weights anew: Xavier-uniform layers, small positions and class token, a head of zeros."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.positions, std=0.02)
        if not self.positions.requires_grad:
            # Drawn all the same, so that every other weight is what it would be.
            nn.init.zeros_(self.positions)
        nn.init.normal_(self.class_token, std=0.02)
        nn.init.zeros_(self.head.weight)

    def forward(self, images: Float[Tensor, "B C height width"]) -> Float[Tensor, "B num_classes"]:
        """Logits of the classes.

        Raises:
            ValueError: the pictures have another size or other channels.
        """
        x = self.embed(images)
        *layers, last = self.layers
        for layer in layers:
            x = layer(x)
        if self.pool == "class":
            # Nobody reads what the last layer would say to the patches, so it speaks to the class token alone.
            return self.head(self.norm(last(x, rows=1)[:, 0]))
        return self.head(self.norm(last(x))[:, 1:].mean(dim=1))

    def embed(self, images: Float[Tensor, "B C height width"]) -> Float[Tensor, "B N1 D"]:
        """What the first layer reads: the class token and the patches, with positions."""
        if images.shape[-2:] != self.image_size:
            height, width = self.image_size
            raise ValueError(
                f"VisionTransformer: expected images of {height} x {width}, got "
                f"{' x '.join(map(str, images.shape[-2:]))}. Resize them, or take model.resized((height, width))."
            )
        x = prepend_class_token(self.patch_embedding(images), self.class_token)
        return self.dropout(add_positions(x, self.positions))

    def resized(self, image_size: int | tuple[int, int]) -> "VisionTransformer":
        """A copy of this model for pictures of another size, its positions interpolated."""
        other = copy.deepcopy(self)
        other.image_size = _pair(image_size)
        other.grid = patch_grid(
            "VisionTransformer.resized", *other.image_size, self.patch_embedding.patch_size
        )
        with torch.no_grad():
            stretched = interpolate_positions(self.positions, self.grid, other.grid)
            other.positions = nn.Parameter(stretched, self.positions.requires_grad)
        return other


def _pair(image_size: int | tuple[int, int]) -> tuple[int, int]:
    return (image_size, image_size) if isinstance(image_size, int) else (image_size[0], image_size[1])
