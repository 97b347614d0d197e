"""The Vision Transformer: how to ask for it, and what has to hold."""

from functools import lru_cache

import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import (
    Call,
    Construct,
    Load,
    Plain,
    Probe,
    construct_probe,
    module_probe,
    normal,
    random_weights,
)
from plenary.checks.probe import plain as as_arrays
from plenary.exercises._references import shapes
from plenary.exercises.vision_transformer import correct
from plenary.exercises.vision_transformer.build import NAME, Reference
from plenary.exercises.vision_transformer.embedding_mistakes import EMBEDDING_MISTAKES
from plenary.exercises.vision_transformer.layer_mistakes import LAYER_MISTAKES
from plenary.exercises.vision_transformer.reading_mistakes import READING_MISTAKES
from plenary.exercises.vision_transformer.size_mistakes import SIZE_MISTAKES

PAGE = "vision_transformer/vision_transformer"
Build = dict[str, Plain]

# Three patches of 2 x 2 in a row; their sums are 6, 2 and 4, and the projection takes the sum.
_PICTURE = torch.tensor([[[[3.0, 0, 1, 0, 2, 0], [1, 2, 0, 1, 0, 2]]]], dtype=torch.float64)
_SMALL: Build = {
    "image_size": (2, 6),
    "patch_size": 2,
    "in_channels": 1,
    "num_classes": 2,
    "embed_dim": 2,
    "num_layers": 1,
    "num_heads": 1,
    "hidden_dim": 3,
}


def small_weights(build: Build, adding: bool) -> dict[str, Tensor]:
    """Choose weights for the notebook's example by hand.

    Its layers add nothing. Where they do, each adds a multiple of the mean of all normalised tokens, the second
    twice as much as the first, and a constant; the last norm has a bias; and tokens have a third number, since a norm leaves no choice to two.
    """
    width = int(build["embed_dim"])  # type: ignore[arg-type]
    weights = {}
    for name, shape in shapes(Reference(**build)).items():  # type: ignore[arg-type]
        one = "norm" in name and name.endswith("weight")
        weights[name] = torch.full(shape, float(one), dtype=torch.float64)
    for layer in range(int(build["num_layers"]) if adding else 0):  # type: ignore[arg-type]
        attention = f"layers.{layer}.attention"
        weights[f"{attention}.v_proj.weight"] = torch.eye(width, dtype=torch.float64)
        weights[f"{attention}.out_proj.weight"] = torch.eye(width, dtype=torch.float64) * 2**layer
        weights[f"{attention}.out_proj.bias"][0] = 2
    if adding:
        # So that something is left to read, and could be dropped, when dropout has taken all tokens.
        weights["norm.bias"][0] = 1
    given = {
        "patch_embedding.projection.weight": [[0.0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]],
        "class_token": [[[0.0, 1, 1]]],
        "positions": [[[4.0, 1, 0], [2, 0, 1], [6, 2, 2], [1, 4, 3]]],
        "head.weight": [[3.0, 0, 0], [0, 6, 0]],
        "head.bias": [0.0, 1],
    }
    for name, value in given.items():
        whole = torch.tensor(value, dtype=torch.float64)
        weights[name] = whole[tuple(slice(size) for size in weights[name].shape)].clone()
    return weights


@lru_cache(maxsize=8)
def probes(seed: int) -> tuple[Probe, ...]:
    """Ask with the notebook's example, then with pictures of all kinds, for gradients, and for refusals.

    Building a model costs more than running it, so there are few probes, and most have one layer.
    """
    generator = torch.Generator().manual_seed(seed)

    def build(image_size: int | tuple[int, int] = (8, 12), **other: Plain) -> Build:
        # Torch's usual eps, given out loud: a norm that nobody passed it to is right here, and wrong elsewhere.
        sizes = {"patch_size": 4, "in_channels": 3, "num_classes": 5, "embed_dim": 6, "num_layers": 1}
        return {"image_size": image_size, **sizes, "num_heads": 3, "hidden_dim": 11, "eps": 1e-5, **other}

    def weights(build: Build, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
        drawn = random_weights(generator, shapes(Reference(**build)), dtype)  # type: ignore[arg-type]
        # Positions are scaled as a matrix would be; here each stands alone, as large as a token.
        return {n: w * w[0].numel() ** 0.5 if n == "positions" else w for n, w in drawn.items()}

    def images(*shape: int) -> Tensor:
        return normal(generator, *shape)

    def ask(name: str, build: Build, images: Tensor, backward: bool = False) -> Probe:
        cotangent = normal(generator, len(images), int(build["num_classes"]))  # type: ignore[arg-type]
        wanted = ("logits", cotangent) if backward else None
        drawn = weights(build, images.dtype)
        return module_probe(name, build, drawn, training=backward, backward=wanted, images=images)

    def small(
        name: str, layers: int = 1, adding: bool = True, training: bool = False, **other: Plain
    ) -> Probe:
        sizes: Build = {**_SMALL, "num_layers": layers, "eps": 1e-5, **other}
        sizes["embed_dim"] = 3 if adding else 2
        # By hand one reckons with eps = 0, so where that is done three digits are enough.
        dtype = torch.float64 if adding else torch.float32
        drawn = {n: w.to(dtype) for n, w in small_weights(sizes, adding).items()}
        images = _PICTURE.to(dtype)
        return module_probe(name, sizes, drawn, training=training, shown=True, images=images)

    held = {n: w.numpy() for n, w in weights(build()).items()}
    turned = Call(as_arrays({"images": images(2, 3, 12, 8)}))
    return (
        small("small", adding=False),
        small("small, mean", adding=False, pool="mean"),
        small("small, eps of 3", eps=3.0),
        small("small, two layers", layers=2),
        ask("rectangle", build((20, 28), num_layers=2), images(2, 3, 20, 28)),
        ask("rectangle, mean", build((8, 20), pool="mean"), images(2, 3, 8, 20)),
        ask("square, float32", build(12, in_channels=1, num_classes=7), images(4, 1, 12, 12).float()),
        small("small, dropout of 1, evaluating", dropout=1.0, pool="mean"),
        small("small, dropout of 1, training", dropout=1.0, pool="mean", training=True),
        ask("gradient", build(), images(2, 3, 8, 12), backward=True),
        Probe("picture on its side", (Construct(build()), Load(held), turned)),
        construct_probe("height that does not divide", **build((22, 24))),
        construct_probe("width that does not divide", **build((24, 30))),
        construct_probe("pool that does not exist", **build(pool="max")),
    )


def logits_are_no_probabilities(_probe: Probe, answer: Answer) -> str | None:
    """A row of logits is not positive and does not sum to one, but by chance."""
    logits = answer.arrays["logits"]
    if logits.ndim == 2 and (logits > 0).all() and abs(logits.sum(-1) - 1).max() < 1e-6:
        return "every row sums to 1 and is positive: these are probabilities, and asked for are logits"
    return None


def pictures_differ(_probe: Probe, answer: Answer) -> str | None:
    """Two different pictures do not get the same logits to the last digit."""
    logits = answer.arrays["logits"]
    if len(logits) > 1 and abs(logits - logits[:1]).max() == 0:
        return "all pictures of the batch get the same logits"
    return None


_GRADIENTS = tuple(f"grad_{name}" for name in ("images", *shapes(Reference(4, 4, 1, 2, 2, 1, 1, 3))))

MODEL = Exercise(
    name=NAME,
    signature="class VisionTransformer(nn.Module): forward(images) -> logits",
    page=PAGE,
    outputs=("logits",),
    probes=probes,
    reference=Reference,
    properties=(
        Property(
            "logits read from the class token",
            4,
            ("small", "small, two layers", "rectangle", "square, float32"),
            ("logits",),
        ),
        Property(
            "logits read from the mean of the patches", 3, ("small, mean", "rectangle, mean"), ("logits",)
        ),
        Property("eps reaches every norm", 1, ("small, eps of 3",), ("logits",)),
        Property(
            "dropout in training, and only there",
            1,
            ("small, dropout of 1, evaluating", "small, dropout of 1, training"),
            ("logits",),
        ),
        Property("gradients of the picture and of every parameter", 1, ("gradient",), _GRADIENTS),
        Property("refuses pictures of another size", 1, ("picture on its side",)),
        Property(
            "refuses to be built with sizes that do not divide, or another pool",
            1,
            ("height that does not divide", "width that does not divide", "pool that does not exist"),
        ),
    ),
    laws=(logits_are_no_probabilities, pictures_differ),
    misconceptions=(*READING_MISTAKES, *EMBEDDING_MISTAKES, *LAYER_MISTAKES, *SIZE_MISTAKES),
    correct=correct.MODELS,
    borrowed=("torchvision.models.VisionTransformer", "timm.create_model", "torch.nn.TransformerEncoder"),
)
