"""How many parameters the model has: how to ask for it, and what people forget."""

import torch

from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Call, Plain, Probe, call_probe
from plenary.exercises.vision_transformer.build import Reference, Size
from plenary.exercises.vision_transformer.counting_mistakes import MISTAKES, NAME, count_with

# In the order of the arguments, which are passed by position.
_SMALL: dict[str, Plain] = {
    "image_size": 4,
    "patch_size": 2,
    "in_channels": 3,
    "num_classes": 3,
    "embed_dim": 2,
    "num_layers": 1,
    "hidden_dim": 5,
}
_LARGER: dict[str, Plain] = {
    "image_size": 12,
    "patch_size": 4,
    "in_channels": 2,
    "num_classes": 5,
    "embed_dim": 8,
    "num_layers": 1,
    "hidden_dim": 13,
}


def probes(seed: int) -> list[Probe]:
    """Ask for the notebook's example by hand, for pictures of both kinds, and for ViT-B/16."""
    generator = torch.Generator().manual_seed(seed)

    def up_to(most: int) -> int:
        return int(torch.randint(2, most, (), generator=generator))

    def drawn(image_size: Plain) -> dict[str, Plain]:
        sizes = {"patch_size": 4, "in_channels": up_to(5), "num_classes": up_to(90), "embed_dim": up_to(60)}
        # Neither the width nor a multiple of it: hidden_dim speaks for itself.
        return {"image_size": image_size, **sizes, "num_layers": up_to(9), "hidden_dim": 61 + up_to(200)}

    base = {"patch_size": 16, "in_channels": 3, "num_classes": 1000, "embed_dim": 768}

    def small(name: str, larger: Plain, num_layers: int = 1, **other: Plain) -> Probe:
        # Of 106 for 110 there are many explanations, so a larger model has to agree before a mistake is named.
        sizes = {**_SMALL, **other, "num_layers": num_layers}
        second = {**_LARGER, "image_size": larger, "num_layers": num_layers}
        return Probe(name, (Call(sizes), Call(second, " of a larger model")), shown=True)

    return [
        small("small", 12),
        small("small, two layers", 12, num_layers=2),
        small("small, wide", (12, 20), image_size=(4, 6)),
        call_probe("square", **drawn(12)),
        call_probe("square, another", **drawn(36)),
        call_probe("rectangle", **drawn((20, 28))),
        call_probe("rectangle, upright", **drawn((44, 12))),
        call_probe("ViT-B/16", image_size=224, **base, num_layers=12, hidden_dim=3072),
    ]


def reference(
    image_size: Size,
    patch_size: int,
    in_channels: int,
    num_classes: int,
    embed_dim: int,
    num_layers: int,
    hidden_dim: int,
) -> int:
    """Build a model without memory, and count."""
    with torch.device("meta"):
        model = Reference(
            image_size, patch_size, in_channels, num_classes, embed_dim, num_layers, 1, hidden_dim
        )
    return sum(parameter.numel() for parameter in model.parameters())


def _one_formula(image_size, patch_size, in_channels, num_classes, embed_dim, num_layers, hidden_dim):
    rows, columns = [
        side // patch_size for side in ([image_size] * 2 if isinstance(image_size, int) else image_size)
    ]
    layer = 4 * embed_dim * (embed_dim + 1) + embed_dim * (hidden_dim + 1) + hidden_dim * (embed_dim + 1)
    return (
        embed_dim * (in_channels * patch_size**2 + 1 + 1 + 1 + rows * columns + 2)
        + num_layers * (layer + 4 * embed_dim)
        + num_classes * (embed_dim + 1)
    )


def _by_shapes(image_size, patch_size, in_channels, num_classes, embed_dim, num_layers, hidden_dim):
    def linear(inputs: int, outputs: int) -> int:
        return inputs * outputs + outputs

    height, width = image_size if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    norm = embed_dim + embed_dim
    total = linear(patch_size * patch_size * in_channels, embed_dim) + embed_dim
    total += (1 + height * width // patch_size**2) * embed_dim
    for _ in range(num_layers):
        total += 4 * linear(embed_dim, embed_dim) + 2 * norm
        total += linear(embed_dim, hidden_dim) + linear(hidden_dim, embed_dim)
    return total + norm + linear(embed_dim, num_classes)


def _by_division(image_size, patch_size, in_channels, num_classes, embed_dim, num_layers, hidden_dim):
    height, width = (image_size, image_size) if type(image_size) is int else image_size
    tokens = height / patch_size * width / patch_size + 2
    outside = (patch_size**2 * in_channels + 3 + tokens) * embed_dim + (embed_dim + 1) * num_classes
    inside = 4 * embed_dim**2 + 2 * embed_dim * hidden_dim + 9 * embed_dim + hidden_dim
    return int(outside + num_layers * inside)


COUNT = Exercise(
    name=NAME,
    signature="count_parameters(image_size, patch_size, in_channels, num_classes, embed_dim, num_layers, "
    "hidden_dim) -> int",
    page="vision_transformer/vision_transformer",
    outputs=("count",),
    probes=probes,
    reference=reference,
    properties=(
        Property(
            "square pictures",
            3,
            ("small", "small, two layers", "square", "square, another", "ViT-B/16"),
            ("count",),
        ),
        Property(
            "pictures that are not square", 1, ("small, wide", "rectangle", "rectangle, upright"), ("count",)
        ),
    ),
    misconceptions=MISTAKES,
    correct=(_one_formula, _by_shapes, _by_division, count_with({})),
    numbers=True,
)
