"""The encoder layer: how to ask for it, and what has to hold."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Plain, Probe, module_probe, normal, random_weights
from plenary.exercises._references import EncoderLayer, shapes
from plenary.exercises.encoder_block import correct_layers
from plenary.exercises.encoder_block.build import PAGE
from plenary.exercises.encoder_block.feed_forward_mistakes import FEED_FORWARD_MISTAKES
from plenary.exercises.encoder_block.levels import levels_of, levels_probe, said
from plenary.exercises.encoder_block.norm_mistakes import NORM_MISTAKES
from plenary.exercises.encoder_block.norm_place_mistakes import NORM_PLACE_MISTAKES
from plenary.exercises.encoder_block.part_mistakes import PART_MISTAKES
from plenary.exercises.encoder_block.residual_mistakes import RESIDUAL_MISTAKES
from plenary.exercises.encoder_block.two_norms_mistakes import TWO_NORMS_MISTAKES

_HALF = {"half of the attention dropped": "attention", "half of the network dropped": "the network"}

# Normalised they are (-1, -1, 1, 1) and (-1, 1, 1, -1).
_X = torch.tensor([[[2.0, 2, 4, 4], [2, 6, 6, 2]]], dtype=torch.float64)
# Normalised (-1, -1, 1, 1) and (1, 1, -1, -1): their mean is 0, so attention adds norm1's bias and nothing else.
_OPPOSITE = torch.tensor([[[1.0, 1, 3, 3], [3, 3, 1, 1]]], dtype=torch.float64)
_MASK = torch.tensor([[False, True], [True, True]])
_SMALL: dict[str, Plain] = {"embed_dim": 4, "num_heads": 2, "hidden_dim": 5}


def attending() -> dict[str, Tensor]:
    """Weights with which everyone listens to everyone alike, and the network adds nothing."""
    weights = {name: torch.zeros(shape) for name, shape in shapes(EncoderLayer(4, 2, 5)).items()}
    weights |= {"norm1.weight": torch.ones(4), "norm2.weight": torch.ones(4)}
    weights |= {"attention.v_proj.weight": torch.eye(4), "attention.out_proj.weight": torch.eye(4)}
    return {name: weight.double() for name, weight in weights.items()}


def thinking() -> dict[str, Tensor]:
    """Weights with which attention adds nothing, and the network what is positive: GELU(10 x) / 10."""
    still = {"attention.v_proj.weight": torch.zeros(4, 4), "attention.out_proj.weight": torch.zeros(4, 4)}
    linear = {"linear1.weight": 10 * torch.eye(5)[:, :4], "linear2.weight": torch.eye(5)[:4] / 10}
    moved = {**still, **{f"feed_forward.{name}": weight for name, weight in linear.items()}}
    return {**attending(), **{name: weight.double() for name, weight in moved.items()}}


def both() -> dict[str, Tensor]:
    """Weights with which attention and the network both add something."""
    attention = {name: weight for name, weight in attending().items() if name.startswith("attention.")}
    return {**thinking(), **attention}


def apart() -> dict[str, Tensor]:
    """Weights that tell the norms apart: norm1 shifts by 5, norm2 doubles."""
    moved = {"norm1.bias": torch.full((4,), 5.0), "norm2.weight": torch.full((4,), 2.0)}
    return {**both(), **{name: weight.double() for name, weight in moved.items()}}


def masks(generator: torch.Generator, *shape: int) -> Tensor:
    """Draw a mask that is neither causal nor symmetric, with both kinds of entries in every row."""
    drawn = torch.rand(*shape, generator=generator) < 0.5
    first = torch.randint(shape[-1], (*shape[:-1], 1), generator=generator)
    drawn.scatter_(-1, first, True)
    return drawn.scatter_(-1, (first + 1) % shape[-1], False)


@lru_cache(maxsize=8)
def layer_probes(seed: int) -> list[Probe]:
    """Ask on paper, then pre-norm and post-norm, masked, with another eps, with dropout, and for gradients."""
    generator = torch.Generator().manual_seed(seed)

    def shown(
        name: str, weights: dict[str, Tensor], x: Tensor = _X, mask: Tensor | None = None, **build: Plain
    ) -> Probe:
        arguments: dict[str, Any] = {"x": x} if mask is None else {"x": x, "mask": mask}
        arguments |= {"training": build.pop("training", False), "shown": True}
        return module_probe(name, {**_SMALL, **build}, weights, **arguments)

    def asked(name: str, *shape: int, heads: int = 3, hidden: int = 7, **more: object) -> Probe:
        dtype = torch.float32 if name.startswith("float32") else torch.float64
        sizes: dict[str, Plain] = {"embed_dim": shape[-1], "num_heads": heads, "hidden_dim": hidden}
        build = {**sizes, **more.pop("build", {})}  # type: ignore[dict-item]
        arguments = {"x": normal(generator, *shape).to(dtype)}
        if "mask" in more:
            arguments["mask"] = more.pop("mask")  # type: ignore[assignment]
        weights = random_weights(generator, shapes(EncoderLayer(shape[-1], heads, hidden)), dtype)
        return module_probe(name, build, weights, **more, **arguments)  # type: ignore[arg-type]

    post: dict[str, Plain] = {"norm_first": False}
    return [
        shown("attention alone", attending()),
        shown("network alone", thinking()),
        shown("small, post-norm", both(), norm_first=False),
        shown("two norms", apart(), _OPPOSITE),
        asked("pre-norm", 2, 5, 6),
        asked("post-norm", 2, 5, 6, build=post),
        asked("square", 4, 4, 4, heads=2, hidden=4, build={"norm_first": True}),
        asked("float32, post-norm", 2, 5, 6, build=post, training=True),
        shown("masked, small", attending(), mask=_MASK),
        asked("padding", 2, 5, 6, mask=masks(generator, 2, 1, 1, 5)),
        asked("a mask for each head", 2, 5, 6, build=post, mask=masks(generator, 2, 3, 5, 5)),
        shown("eps of 3", both(), _X[:, :1], eps=3.0),
        asked("another eps, post-norm", 2, 5, 6, build={**post, "eps": 0.1}),
        shown("all dropped", _stirred(), dropout=1.0, training=True),
        shown("all dropped, post-norm", _stirred(), dropout=1.0, training=True, norm_first=False),
        shown("evaluation", attending(), dropout=1.0),
        *_half_dropped(generator),
        asked(
            "gradient", 2, 5, 6, mask=masks(generator, 5, 5), backward=("output", normal(generator, 2, 5, 6))
        ),
        asked("gradient, post-norm", 2, 5, 6, build=post, backward=("output", normal(generator, 2, 5, 6))),
    ]


def _stirred() -> dict[str, Tensor]:
    """Weights with which both sublayers add something even when all that goes into them is dropped."""
    biases = {"attention.out_proj.bias": [1.0, 2, 0, 0], "feed_forward.linear2.bias": [0.0, 0, 3, 1]}
    return {**attending(), **{name: torch.tensor(bias).double() for name, bias in biases.items()}}


def _half_dropped(generator: torch.Generator) -> list[Probe]:
    """Ask with half dropped, where one sublayer adds nothing and the other leaves its features unmixed.

    One token alone gives itself a weight of 1, which is dropped or doubled; so is a hidden feature; and so is, once
    more, what the sublayer adds.
    """
    drawn = random_weights(generator, shapes(EncoderLayer(4, 2, 5)))
    quiet = {
        f"feed_forward.linear2.{part}": torch.zeros_like(drawn[f"feed_forward.linear2.{part}"])
        for part in ("weight", "bias")
    }
    still = {
        f"attention.out_proj.{part}": torch.zeros_like(drawn[f"attention.out_proj.{part}"])
        for part in ("weight", "bias")
    }
    heard = {**drawn, **quiet, **still, "attention.out_proj.weight": torch.eye(4, dtype=torch.float64)}
    thought = {
        **drawn,
        **quiet,
        **still,
        "feed_forward.linear2.weight": torch.eye(5, dtype=torch.float64)[:4],
    }
    x = normal(generator, 40, 1, 4)
    return [
        levels_probe(name, _SMALL, weights, x) for name, weights in zip(_HALF, (heard, thought), strict=True)
    ]


def derive(probe: Probe, answer: Answer) -> Answer:
    """Turn what half a dropout leaves of what a sublayer adds into the factors that it leaves."""
    return levels_of(answer, probe.arguments["x"]) if probe.name in _HALF else answer  # type: ignore[arg-type]


def dropped_inside_and_outside(probe: Probe, answer: Answer) -> str | None:
    """With half dropped inside and half of what is added, every number counts four times or not at all."""
    if probe.name not in _HALF:
        return None
    if "factors" not in answer.arrays:
        return "its shape is not that of its input"
    if answer.arrays["factors"].tolist() == [1, 0, 1, 0]:
        return None
    return (
        f"with dropout 0.5 in training, what {_HALF[probe.name]} adds came out {said(answer)} its value; expected "
        "0 times and 4 times (doubled inside, and doubled as what is added)"
    )


_PARAMETERS = tuple(f"grad_{name}" for name in shapes(EncoderLayer(4, 2, 5)))

LAYER = Exercise(
    name="EncoderLayer",
    signature="EncoderLayer(embed_dim, num_heads, hidden_dim, dropout=0.0, norm_first=True, eps=1e-5); "
    "forward(x, mask=None) -> output",
    page=PAGE,
    outputs=("output",),
    probes=layer_probes,
    reference=EncoderLayer,
    properties=(
        Property(
            "pre-norm: what attention adds, then what the network adds",
            3,
            ("attention alone", "network alone", "two norms", "pre-norm", "square"),
            ("output",),
        ),
        Property(
            "post-norm",
            3,
            ("small, post-norm", "post-norm", "float32, post-norm"),
            ("output",),
        ),
        Property("the mask", 2, ("masked, small", "padding"), ("output",)),
        Property("a mask for each head, in post-norm", 1, ("a mask for each head",), ("output",)),
        Property("eps in both norms", 1, ("eps of 3", "another eps, post-norm"), ("output",)),
        Property(
            "dropout on what each sublayer adds", 1, ("all dropped", "all dropped, post-norm"), ("output",)
        ),
        Property("dropout inside both sublayers", 1, tuple(_HALF), law=dropped_inside_and_outside),
        Property("no dropout in evaluation", 1, ("evaluation",), ("output",)),
        Property(
            "gradients of the input and the parameters",
            1,
            ("gradient", "gradient, post-norm"),
            ("output", "grad_x", *_PARAMETERS),
        ),
    ),
    laws=(dropped_inside_and_outside,),
    misconceptions=(
        *RESIDUAL_MISTAKES,
        *NORM_PLACE_MISTAKES,
        *TWO_NORMS_MISTAKES,
        *PART_MISTAKES,
        *FEED_FORWARD_MISTAKES,
        *NORM_MISTAKES,
    ),
    correct=correct_layers.LAYER,
    derive=derive,
    borrowed=("torch.nn.TransformerEncoderLayer", "torch.nn.MultiheadAttention"),
)
