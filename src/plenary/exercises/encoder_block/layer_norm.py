"""Layer norm: how to ask for it, and what has to hold."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Construct, Load, Probe, Read, module_probe, normal, random_weights
from plenary.exercises.encoder_block import correct
from plenary.exercises.encoder_block.build import PAGE
from plenary.exercises.encoder_block.norm_mistakes import NORM_MISTAKES

# The first row has variance 1, so with eps = 3 the root is 2; the second has variance 4, and its root is 2.646.
_ROWS = torch.tensor([[1.0, 1, 3, 3], [9, 5, 5, 9]], dtype=torch.float64)
# As many rows as features: here a mean that has lost its axis does no more than meet the wrong numbers.
_TWO_BY_TWO = torch.tensor([[1.0, 3], [8, 6]], dtype=torch.float64)
_TINY = torch.tensor([[-0.003, -0.003, 0.003, 0.003]], dtype=torch.float64)


class Reference(nn.LayerNorm):
    """torch's own layer norm, under the names of the course."""

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__(dim, eps)


@lru_cache(maxsize=8)
def norm_probes(seed: int) -> list[Probe]:
    """Ask on paper, then with every number of axes, with rows for which eps matters, and for gradients."""
    generator = torch.Generator().manual_seed(seed)

    def shown(name: str, x: Tensor, weight: Tensor | None = None, bias: float = 0.0, **build: float) -> Probe:
        dim = x.shape[-1]
        weight = torch.ones(dim) if weight is None else weight
        weights = {"weight": weight.double(), "bias": torch.full((dim,), bias, dtype=torch.float64)}
        return module_probe(name, {"dim": dim, **build}, weights, shown=True, x=x)

    def asked(name: str, *shape: int, scale: float = 1.0, x: Tensor | None = None, **more: object) -> Probe:
        eps = more.pop("eps", None)
        build = {"dim": shape[-1]} if eps is None else {"dim": shape[-1], "eps": eps}
        x = normal(generator, *shape, scale=scale) if x is None else x
        weights = random_weights(generator, {"weight": shape[-1:], "bias": shape[-1:]}, x.dtype)
        return module_probe(name, build, weights, **more, x=x)  # type: ignore[arg-type]

    constant = normal(generator, 2, 5, 1).expand(2, 5, 7).clone()
    start = (Construct({"dim": 5}), Read(("weight", "bias")))
    return [
        shown("two rows", _ROWS, eps=3.0),
        shown("a batch of one", _ROWS.unsqueeze(0), eps=3.0),
        shown("two by two", _TWO_BY_TWO, eps=3.0),
        shown("two rows, scaled and shifted", _ROWS, torch.tensor([1, 2, 3, 4]), 10.0, eps=3.0),
        asked("rows", 5, 7),
        asked("square", 4, 4),
        asked("batch", 2, 5, 12),
        asked("square batch", 4, 4, 4),
        asked("one vector", 7),
        asked("four axes", 2, 3, 5, 7),
        asked("float32", 2, 5, 7, x=normal(generator, 2, 5, 7).float(), training=True),
        shown("tiny row", _TINY),
        asked("tiny rows", 2, 5, 7, scale=0.002),
        asked("another eps", 2, 5, 7, eps=0.1),
        asked("constant rows", 2, 5, 7, x=constant),
        asked("gradient", 2, 5, 7, backward=("output", normal(generator, 2, 5, 7))),
        Probe("start", start, shown=True),
    ]


def rows_are_centred(probe: Probe, answer: Answer) -> str | None:
    """Once weight and bias are taken out again, every row has mean 0 and a variance of at most 1."""
    load = next((step for step in probe.steps if isinstance(step, Load)), None)
    if load is None:
        return None
    rows = (answer.arrays["output"] - load.weights["bias"]) / load.weights["weight"]
    means, variances = rows.mean(-1), rows.var(-1)
    if (off := np.nan_to_num(np.abs(means), nan=np.inf)).max() > 1e-3:
        return f"a row has mean {means.flat[off.argmax()]:.3f} before weight and bias, expected 0"
    if variances.max() > 1.001:
        return f"a row has variance {variances.max():.3f} before weight and bias, expected at most 1"
    return None


NORM = Exercise(
    name="LayerNorm",
    signature="LayerNorm(dim, eps=1e-5); forward(x) -> output",
    page=PAGE,
    outputs=("output",),
    probes=norm_probes,
    reference=Reference,
    properties=(
        Property(
            "mean 0 and variance 1 along each row",
            3,
            ("two rows", "a batch of one", "two by two"),
            ("output",),
        ),
        Property(
            "weight and bias", 2, ("two rows, scaled and shifted", "rows", "square", "batch"), ("output",)
        ),
        Property(
            "any number of axes in front",
            2,
            ("square batch", "one vector", "four axes", "float32"),
            ("output",),
        ),
        Property(
            "eps under the root", 2, ("tiny row", "tiny rows", "another eps", "constant rows"), ("output",)
        ),
        Property(
            "gradients of the input, weight and bias",
            1,
            ("gradient",),
            ("output", "grad_x", "grad_weight", "grad_bias"),
        ),
        Property("starts with weight 1 and bias 0", 1, ("start",), ("weight", "bias")),
    ),
    laws=(rows_are_centred,),
    misconceptions=NORM_MISTAKES,
    correct=correct.NORM,
    borrowed=("torch.nn.LayerNorm", "torch.nn.functional.layer_norm", "torch.layer_norm"),
)
