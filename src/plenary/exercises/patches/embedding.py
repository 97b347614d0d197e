"""``PatchEmbedding``: how to ask for it, and what has to hold."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Plain, Probe, module_probe, normal, random_weights
from plenary.exercises._references import shapes
from plenary.exercises.patches import correct
from plenary.exercises.patches.build import EMBED, PAGE, grid, labelled
from plenary.exercises.patches.embedding_mistakes import EMBEDDING_MISTAKES
from plenary.exercises.patches.layout_mistakes import LAYOUT_MISTAKES
from plenary.exercises.patches.order_mistakes import ORDER_MISTAKES
from plenary.exercises.patches.size_mistakes import SIZE_MISTAKES

ALL = ("tokens",)


class Reference(nn.Module):
    """A strided convolution with the linear layer's numbers."""

    def __init__(self, in_channels: int, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.in_channels, self.patch_size = in_channels, patch_size
        self.projection = nn.Linear(patch_size**2 * in_channels, embed_dim)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to (B, N, D)."""
        grid(images, self.patch_size)
        kernel = self.projection.weight.reshape(-1, self.patch_size, self.patch_size, self.in_channels)
        stride = self.patch_size
        tokens = F.conv2d(images, kernel.permute(0, 3, 1, 2), self.projection.bias, stride=stride)
        return tokens.reshape(*tokens.shape[:2], -1).mT


# Upper row minus lower row, left column minus right column, and a bias.
_TWO_SUMS = {
    "projection.weight": torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1]], dtype=torch.float64),
    "projection.bias": torch.tensor([5.0, 7.0], dtype=torch.float64),
}


def probes(seed: int) -> list[Probe]:
    """Embed with the identity first, so that tokens are patches; then with random weights, in both modes."""
    generator = torch.Generator().manual_seed(seed)

    def shown(name: str, images: Tensor) -> Probe:
        length = 4 * images.shape[1]
        weights = {
            "projection.weight": torch.eye(length, dtype=torch.float64),
            "projection.bias": torch.zeros(length, dtype=torch.float64),
        }
        return module_probe(name, _build(images.shape[1], 2, length), weights, shown=True, images=images)

    def random(
        name: str,
        shape: tuple[int, int, int, int],
        patch_size: int,
        embed_dim: int,
        dtype: torch.dtype = torch.float64,
        training: bool = False,
        differentiated: bool = False,
    ) -> Probe:
        batch, channels, height, width = shape
        build = _build(channels, patch_size, embed_dim)
        weights = random_weights(generator, shapes(Reference(**build)), dtype)  # type: ignore[arg-type]
        images = normal(generator, *shape).to(dtype)
        cotangent = normal(generator, batch, height * width // patch_size**2, embed_dim)
        backward = ("tokens", cotangent) if differentiated else None
        return module_probe(name, build, weights, backward=backward, training=training, images=images)

    return [
        shown("small", labelled(1, 1, 4, 6)),
        shown("two channels", labelled(1, 2, 2, 4)),
        shown("two pictures", labelled(2, 1, 2, 4)),
        module_probe("two sums", _build(1, 2, 2), _TWO_SUMS, shown=True, images=labelled(1, 1, 2, 4)),
        random("one channel", (5, 1, 12, 8), 4, 7),
        random("rectangle", (2, 3, 20, 28), 4, 11),
        random("square", (2, 3, 12, 12), 4, 9),
        random("as wide as a patch is long", (2, 3, 8, 12), 2, 12),
        random("pixels", (2, 3, 5, 7), 1, 4),
        random("training", (2, 3, 12, 20), 4, 11, training=True),
        random("float32", (2, 3, 20, 28), 4, 11, torch.float32),
        random("gradient", (2, 3, 8, 12), 4, 5, differentiated=True),
        random("gradient in training", (3, 2, 6, 9), 3, 5, training=True, differentiated=True),
        random("height does not divide", (2, 3, 18, 28), 4, 11),
        random("width does not divide", (2, 3, 20, 26), 4, 11),
        random("neither divides", (2, 3, 18, 26), 4, 11),
        random("area divides", (2, 3, 10, 8), 4, 11),
    ]


def _build(in_channels: int, patch_size: int, embed_dim: int) -> dict[str, Plain]:
    return {"in_channels": in_channels, "patch_size": patch_size, "embed_dim": embed_dim}


EMBEDDING = Exercise(
    name=EMBED,
    signature="PatchEmbedding(in_channels, patch_size, embed_dim)(images) -> tokens",
    page=PAGE,
    outputs=ALL,
    probes=probes,
    reference=Reference,
    properties=(
        Property(
            "tokens of a picture with one channel",
            2,
            ("small", "two pictures", "two sums", "one channel"),
            ALL,
        ),
        Property(
            "tokens of a picture with several channels",
            3,
            ("two channels", "rectangle", "as wide as a patch is long", "pixels"),
            ALL,
        ),
        Property("tokens of a square picture", 1, ("square",), ALL),
        Property("the same when training, and in float32", 1, ("training", "float32"), ALL),
        Property(
            "gradients of the picture and of the parameters",
            1,
            ("gradient", "gradient in training"),
            (*ALL, "grad_images", "grad_projection.weight", "grad_projection.bias"),
        ),
        Property(
            "a size that does not divide is refused",
            1,
            ("height does not divide", "width does not divide", "neither divides", "area divides"),
            ALL,
        ),
    ),
    misconceptions=(*EMBEDDING_MISTAKES, *ORDER_MISTAKES, *LAYOUT_MISTAKES, *SIZE_MISTAKES),
    correct=correct.EMBEDDING,
)
