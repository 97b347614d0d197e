"""The soft lookup: how to ask for it, and what has to hold."""

import math

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, gradient_probe, normal, shown_probe
from plenary.exercises.soft_lookup import correct
from plenary.exercises.soft_lookup.average_mistakes import AVERAGE_MISTAKES
from plenary.exercises.soft_lookup.distance_mistakes import DISTANCE_MISTAKES

PAGE = "attention/soft_lookup"
ALL = ("output",)

# Keys at squared distances 0, 1 and 2. At this temperature each unit of it halves the weight: 4/7, 2/7, 1/7.
_QUERY = torch.tensor([1.0, 1.0], dtype=torch.float64)
_KEYS = torch.tensor([[1.0, 1], [0, 1], [0, 2]], dtype=torch.float64)
_VALUES = torch.tensor([[7.0, 0], [0, 7], [7, 7]], dtype=torch.float64)
_HALVING = 1 / (2 * math.log(2))
# As many keys as features: squared distances 1 and 2, shares 2/3 and 1/3.
_SQUARE_KEYS = torch.tensor([[1.0, 0], [1, 1]], dtype=torch.float64)
_SQUARE_VALUES = torch.tensor([[3.0, 3], [0, 6]], dtype=torch.float64)
# The nearest key is at squared distance 4; the farthest at 13.
_COLD_KEYS = torch.tensor([[3.0, 1], [4, 1], [3, 4]], dtype=torch.float64)


def probes(seed: int) -> list[Probe]:
    """Ask at one temperature, then at many; cold, hot, square, with one key, and for gradients."""
    generator = torch.Generator().manual_seed(seed)

    def data(n: int = 5, d: int = 3, v: int = 4) -> dict[str, Tensor]:
        return {
            "query": normal(generator, d),
            "keys": normal(generator, n, d),
            "values": normal(generator, n, v),
        }

    single = {name: tensor.float() for name, tensor in data().items()}
    small = {"query": _QUERY, "keys": _KEYS, "values": _VALUES}
    cold = {"query": _QUERY, "keys": _COLD_KEYS, "values": _VALUES}
    square = {"query": torch.zeros(2, dtype=torch.float64), "keys": _SQUARE_KEYS, "values": _SQUARE_VALUES}
    return [
        shown_probe("small", **small, temperature=_HALVING),
        shown_probe("small, square", **square, temperature=_HALVING),
        call_probe("plain", **data(), temperature=1.0),
        call_probe("warm", **data(), temperature=2.5),
        call_probe("cool", **data(), temperature=0.3),
        call_probe("square", **data(n=4, d=4, v=4), temperature=0.7),
        call_probe("one key", **data(n=1), temperature=0.7),
        call_probe("one feature", **data(n=7, d=1, v=2), temperature=0.7),
        call_probe("float32", **single, temperature=0.7),
        shown_probe("small, cold", **cold, temperature=0.001),
        call_probe("cold", **data(n=7), temperature=1e-5),
        call_probe("hot", **data(n=7), temperature=1e7),
        gradient_probe("gradient", "output", normal(generator, 4), **data(), temperature=0.7),
    ]


def reference(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    """Compare by torch's squared error, and weigh by torch's softmax."""
    squared = torch.nn.functional.mse_loss(keys, query.expand_as(keys), reduction="none").sum(1)
    weights = torch.nn.functional.softmax(squared / (-2.0 * temperature), dim=0)
    return torch.einsum("n,nv->v", weights, values)


def stays_among_the_values(probe: Probe, answer: Answer) -> str | None:
    """A weighted mean lies between the smallest and the largest value, in every coordinate."""
    output, values = answer.arrays["output"], probe.arguments["values"]
    assert isinstance(values, np.ndarray)
    if not np.isfinite(output).all():
        return "the output is not a finite number; a mean of finite values is one"
    low, high = values.min(0) - 1e-3, values.max(0) + 1e-3
    outside = np.argwhere((output < low) | (output > high))
    if not outside.size:
        return None
    i = int(outside[0, 0])
    return (
        f"output[{i}] is {output[i]:.3f}, outside the values, which run from {values[:, i].min():.3f} to "
        f"{values[:, i].max():.3f} there; a mean stays among them"
    )


LOOKUP = Exercise(
    name="soft_lookup",
    signature="soft_lookup(query, keys, values, temperature) -> output",
    page=PAGE,
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property(
            "the values, weighed by how near their keys are",
            4,
            ("small", "small, square", "plain", "one key", "square"),
            ALL,
        ),
        Property("every temperature", 3, ("warm", "cool", "hot", "one feature", "float32"), ALL),
        Property("low temperatures, where exponentials vanish", 1, ("small, cold", "cold"), ALL),
        Property("gradients", 1, ("gradient",), ("output", "grad_query", "grad_keys", "grad_values")),
    ),
    laws=(stays_among_the_values,),
    misconceptions=(*DISTANCE_MISTAKES, *AVERAGE_MISTAKES),
    correct=correct.LOOKUP,
)
