"""The encoder, a stack of layers: how to ask for it, and what has to hold."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Plain, Probe, module_probe, normal, random_weights
from plenary.exercises._references import Encoder, shapes
from plenary.exercises.encoder_block import correct_layers
from plenary.exercises.encoder_block.build import PAGE
from plenary.exercises.encoder_block.layer import attending, masks
from plenary.exercises.encoder_block.stack_mistakes import STACK_MISTAKES

_SIZES: dict[str, Plain] = {"num_layers": 2, "embed_dim": 4, "num_heads": 2, "hidden_dim": 5}
_X = torch.tensor([[[0.0, 0, 2, 2], [0, 0, 8, 8]]], dtype=torch.float64)
_HEARD = torch.tensor([[[2.0, 2, 4, 4], [2, 6, 6, 2]]], dtype=torch.float64)
_MASK = torch.tensor([[False, True], [True, True]])


def _layered(first: dict[str, Tensor], second: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Name the weights of one or two layers, and of a norm that does no more than normalise."""
    layers = [first] if second is None else [first, second]
    named = {f"layers.{i}.{name}": w for i, layer in enumerate(layers) for name, w in layer.items()}
    return {**named, "norm.weight": torch.ones(4).double(), "norm.bias": torch.zeros(4).double()}


def _adding(*amounts: float) -> dict[str, Tensor]:
    """Weights with which a layer adds these amounts to every token, whatever it hears."""
    still = torch.zeros(4, 4, dtype=torch.float64)
    return {
        **attending(),
        "attention.v_proj.weight": still,
        "feed_forward.linear2.bias": torch.tensor(amounts, dtype=torch.float64),
    }


def _without_norm(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight for name, weight in weights.items() if not name.startswith("norm.")}


@lru_cache(maxsize=8)
def stack_probes(seed: int) -> list[Probe]:
    """Ask on paper, then pre-norm and post-norm, masked, with another eps, with dropout, and for gradients."""
    generator = torch.Generator().manual_seed(seed)

    def shown(
        name: str, weights: dict[str, Tensor], x: Tensor = _X, mask: Tensor | None = None, **build: Plain
    ) -> Probe:
        arguments: dict[str, Any] = {"x": x} if mask is None else {"x": x, "mask": mask}
        arguments |= {"training": build.pop("training", False), "shown": True}
        return module_probe(name, {**_SIZES, **build}, weights, **arguments)

    def asked(name: str, *shape: int, layers: int = 2, norm_first: bool = True, **more: object) -> Probe:
        dtype = torch.float32 if name.startswith("float32") else torch.float64
        heads, hidden = (2, 4) if name == "square" else (3, 7)
        sizes = (layers, shape[-1], heads, hidden)
        build = dict(zip(_SIZES, sizes, strict=True)) | {"norm_first": norm_first} | more.pop("build", {})  # type: ignore[operator]
        arguments = {"x": normal(generator, *shape).to(dtype)}
        if "mask" in more:
            arguments["mask"] = more.pop("mask")  # type: ignore[assignment]
        weights = random_weights(generator, shapes(Encoder(*sizes, norm_first=norm_first)), dtype)
        return module_probe(name, build, weights, **more, **arguments)  # type: ignore[arg-type]

    two = _layered(_adding(4, 0, 0, 0), _adding(0, 4, 0, 0))
    turned = _without_norm(_layered(_adding(4, 4, 0, 0), _adding(0, 0, 4, 4)))
    return [
        shown("two layers", two),
        shown("two layers, post-norm", turned, norm_first=False),
        asked("pre-norm", 2, 5, 6, layers=3),
        asked("post-norm", 2, 5, 6, norm_first=False),
        asked("one layer", 2, 5, 6, layers=1),
        asked("square", 4, 4, 4),
        asked("float32", 2, 5, 6, training=True),
        shown("masked, small", _layered(attending(), attending()), _HEARD, _MASK),
        asked("padding", 2, 5, 6, mask=masks(generator, 2, 1, 1, 5)),
        asked("a mask for each head", 2, 5, 6, norm_first=False, mask=masks(generator, 2, 3, 5, 5)),
        shown("eps of 3", _layered(attending()), _HEARD[:, :1], num_layers=1, eps=3.0),
        asked("another eps", 2, 5, 6, build={"eps": 0.1}),
        asked("another eps, post-norm", 2, 5, 6, norm_first=False, build={"eps": 0.1}),
        shown("all dropped", two, dropout=1.0, training=True),
        shown("evaluation", two, dropout=1.0),
        asked(
            "gradient", 2, 5, 6, mask=masks(generator, 5, 5), backward=("output", normal(generator, 2, 5, 6))
        ),
    ]


_PARAMETERS = tuple(f"grad_{name}" for name in shapes(Encoder(2, 6, 3, 7)))

STACK = Exercise(
    name="Encoder",
    signature="Encoder(num_layers, embed_dim, num_heads, hidden_dim, dropout=0.0, norm_first=True, eps=1e-5); "
    "forward(x, mask=None) -> output",
    page=PAGE,
    outputs=("output",),
    probes=stack_probes,
    reference=Encoder,
    properties=(
        Property(
            "pre-norm layers one after another, and a norm at the end",
            3,
            ("two layers", "pre-norm", "one layer", "square", "float32"),
            ("output",),
        ),
        Property(
            "post-norm layers, and nothing after the last",
            2,
            ("two layers, post-norm", "post-norm"),
            ("output",),
        ),
        Property(
            "the mask reaches every layer",
            2,
            ("masked, small", "padding", "a mask for each head"),
            ("output",),
        ),
        Property(
            "eps reaches every norm", 1, ("eps of 3", "another eps", "another eps, post-norm"), ("output",)
        ),
        Property("dropout reaches every layer", 1, ("all dropped", "evaluation"), ("output",)),
        Property(
            "gradients of the input and the parameters",
            1,
            ("gradient",),
            ("output", "grad_x", *_PARAMETERS),
        ),
    ),
    misconceptions=STACK_MISTAKES,
    correct=correct_layers.STACK,
    borrowed=("torch.nn.TransformerEncoder", "torch.nn.TransformerEncoderLayer"),
)
