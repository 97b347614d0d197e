"""The feed-forward network: how to ask for it, and what has to hold."""

from functools import lru_cache

import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, module_probe, normal, random_weights
from plenary.exercises._references import FeedForward, shapes
from plenary.exercises.encoder_block import correct
from plenary.exercises.encoder_block.build import PAGE
from plenary.exercises.encoder_block.feed_forward_mistakes import FEED_FORWARD_MISTAKES
from plenary.exercises.encoder_block.levels import levels_of, levels_probe, said

_HALF = "half dropped"

_X = torch.tensor([[1.0, -1], [0, 2]], dtype=torch.float64)
# The first two hidden features are those of x, the third is their sum; linear2 gives the first two back, times 100.
_SMALL = {
    "linear1.weight": torch.tensor([[1.0, 0], [0, 1], [1, 1]], dtype=torch.float64),
    "linear1.bias": torch.zeros(3, dtype=torch.float64),
    "linear2.weight": torch.tensor([[100.0, 0, 0], [0, 100, 0]], dtype=torch.float64),
    "linear2.bias": torch.zeros(2, dtype=torch.float64),
}


@lru_cache(maxsize=8)
def feed_forward_probes(seed: int) -> list[Probe]:
    """Ask on paper, then with every number of axes, with everything or half of it dropped, and for gradients."""
    generator = torch.Generator().manual_seed(seed)

    def weights(embed_dim: int, hidden_dim: int, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
        return random_weights(generator, shapes(FeedForward(embed_dim, hidden_dim)), dtype)

    def asked(
        name: str, *shape: int, hidden: int = 11, dtype: torch.dtype = torch.float64, **more: object
    ) -> Probe:
        build = {"embed_dim": shape[-1], "hidden_dim": hidden}
        if "dropout" in more:
            build["dropout"] = more.pop("dropout")  # type: ignore[assignment]
        x = normal(generator, *shape).to(dtype)
        return module_probe(name, build, weights(shape[-1], hidden, dtype), **more, x=x)  # type: ignore[arg-type]

    small = {"embed_dim": 2, "hidden_dim": 3}
    biases = {"linear1.bias": torch.tensor([1.0, 0, 0], dtype=torch.float64)}
    shifted = {**_SMALL, **biases, "linear2.bias": torch.tensor([5.0, 7.0], dtype=torch.float64)}
    selecting = {**weights(3, 5), "linear2.weight": torch.eye(5, dtype=torch.float64)[:3]}
    selecting["linear2.bias"] = torch.zeros(3, dtype=torch.float64)
    return [
        module_probe("two tokens", small, _SMALL, shown=True, x=_X),
        asked("tokens", 5, 6),
        asked("batch", 2, 5, 6),
        asked("square", 4, 4, 4, hidden=4),
        asked("narrow", 2, 5, 7, hidden=3),
        asked("one vector", 6),
        asked("four axes", 2, 3, 5, 6),
        asked("float32", 2, 5, 6, dtype=torch.float32, training=True),
        module_probe(
            "all dropped, small", {**small, "dropout": 1.0}, shifted, training=True, shown=True, x=_X
        ),
        module_probe("evaluation, small", {**small, "dropout": 1.0}, _SMALL, shown=True, x=_X),
        asked("all dropped", 2, 5, 6, dropout=1.0, training=True),
        asked("evaluation", 2, 5, 6, dropout=1.0),
        levels_probe(_HALF, {"embed_dim": 3, "hidden_dim": 5}, selecting, normal(generator, 40, 3)),
        asked("gradient", 2, 5, 6, backward=("output", normal(generator, 2, 5, 6))),
    ]


def derive(probe: Probe, answer: Answer) -> Answer:
    """Turn what half a dropout leaves into the factors that it leaves."""
    return levels_of(answer, 0.0) if probe.name == _HALF else answer


def hidden_features_dropped(probe: Probe, answer: Answer) -> str | None:
    """With half of it dropped, each hidden feature counts double or not at all."""
    if probe.name != _HALF:
        return None
    if "factors" not in answer.arrays:
        return "its shape is not that of its input"
    if answer.arrays["factors"].tolist() == [1, 1, 0, 0]:
        return None
    factors = said(answer)
    return (
        f"with dropout 0.5 in training, features came out {factors} their value; expected 0 times and 2 times"
    )


_SHAPES = shapes(FeedForward(2, 3))

FEED_FORWARD = Exercise(
    name="FeedForward",
    signature="FeedForward(embed_dim, hidden_dim, dropout=0.0); forward(x) -> output",
    page=PAGE,
    outputs=("output",),
    probes=feed_forward_probes,
    reference=FeedForward,
    properties=(
        Property("linear1, GELU, linear2", 4, ("two tokens", "tokens", "square"), ("output",)),
        Property(
            "any number of axes in front, any hidden width",
            2,
            ("batch", "narrow", "one vector", "four axes", "float32"),
            ("output",),
        ),
        Property("dropout in training", 1, ("all dropped, small", "all dropped"), ("output",)),
        Property("dropout between the activation and linear2", 1, (_HALF,), law=hidden_features_dropped),
        Property("no dropout in evaluation", 1, ("evaluation, small", "evaluation"), ("output",)),
        Property(
            "gradients of the input and the parameters",
            1,
            ("gradient",),
            ("output", "grad_x", *(f"grad_{name}" for name in _SHAPES)),
        ),
    ),
    laws=(hidden_features_dropped,),
    misconceptions=FEED_FORWARD_MISTAKES,
    correct=correct.FEED_FORWARD,
    derive=derive,
)
