"""The softmax along any axis: how to ask for it, and what has to hold."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, gradient_probe, normal, shown_probe
from plenary.exercises.soft_lookup import correct
from plenary.exercises.soft_lookup.softmax_mistakes import SOFTMAX_MISTAKES

PAGE = "attention/soft_lookup"
ALL = ("shares",)

# Logarithms, so that the exponentials are whole numbers: 1, 3, 4 and 1, 1, 2.
_LOGARITHMS = torch.tensor([[0, math.log(3), math.log(4)], [0, 0, math.log(2)]], dtype=torch.float64)
_SQUARE = torch.tensor([[0, math.log(3)], [math.log(2), 0]], dtype=torch.float64)
_EXTREME = torch.tensor([[1000, 1000], [0, 0], [-1000, -1000], [2000, 0]], dtype=torch.float64)
_SMALL = ("small, along rows", "small, along columns", "small, square")


def probes(seed: int) -> list[Probe]:
    """Ask along every axis, from both ends; then for numbers far from zero, float32, and gradients."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape: int, scale: float = 1.0) -> Tensor:
        return normal(generator, *shape, scale=scale)

    # Whole rows far below and above the others: one maximum for all of them will not do.
    apart = numbers(4, 7, scale=3.0) + torch.tensor(
        [[-2000.0], [0.0], [900.0], [2500.0]], dtype=torch.float64
    )
    return [
        shown_probe("small, along rows", x=_LOGARITHMS, dim=1),
        shown_probe("small, along columns", x=_LOGARITHMS, dim=0),
        shown_probe("small, square", x=_SQUARE, dim=1),
        call_probe("vector", x=numbers(7), dim=0),
        call_probe("table, rows", x=numbers(5, 7), dim=-1),
        call_probe("table, columns", x=numbers(5, 7), dim=-2),
        call_probe("square, rows", x=numbers(5, 5), dim=1),
        call_probe("square, columns", x=numbers(5, 5), dim=0),
        call_probe("four axes, the second", x=numbers(2, 3, 5, 7), dim=1),
        call_probe("four axes, the third", x=numbers(2, 3, 5, 7), dim=-2),
        call_probe("float32", x=numbers(3, 5).float(), dim=-1),
        shown_probe("small, far from zero", x=_EXTREME, dim=1),
        call_probe("rows far apart", x=apart, dim=-1),
        call_probe("numbers of 300", x=numbers(3, 7, scale=300.0).float(), dim=1),
        call_probe("numbers of 1000", x=numbers(3, 7, scale=1000.0), dim=0),
        gradient_probe("gradient", "shares", numbers(2, 5, 7), x=numbers(2, 5, 7), dim=1),
    ]


def reference(x: Tensor, dim: int) -> Tensor:
    """Take torch's own softmax."""
    return torch.nn.functional.softmax(x, dim=dim)


def _sums(probe: Probe, answer: Answer) -> np.ndarray | None:
    """Add up the shares along the axis that was asked for; None if the shape does not allow it."""
    shares, x, dim = answer.arrays["shares"], probe.arguments["x"], probe.arguments["dim"]
    return shares.sum(dim) if isinstance(x, np.ndarray) and shares.shape == x.shape else None  # type: ignore[arg-type]


def shares_sum_to_one(probe: Probe, answer: Answer) -> str | None:
    """Along the axis asked for the shares add up to one, and none is negative."""
    sums = _sums(probe, answer)
    if sums is None:
        return None
    off = np.abs(sums - 1)
    if not (off < 1e-4).all():
        worst = sums.flat[int(np.where(np.isnan(off), np.inf, off).argmax())]
        return f"the shares along axis {probe.arguments['dim']} sum to {worst:.3f} in one place, expected 1"
    return "a share is negative" if answer.arrays["shares"].min() < 0 else None


def nothing_is_lost(probe: Probe, answer: Answer) -> str | None:
    """The shares add up to one as exactly as float64 can: no epsilon has taken a part."""
    sums = _sums(probe, answer)
    if sums is None:
        return f"the shares have shape {answer.arrays['shares'].shape}"
    if not np.isfinite(sums).all():
        return "a sum is not a finite number"
    worst = sums.flat[int(np.abs(sums - 1).argmax())]
    return f"a sum is {worst:.12g}" if abs(worst - 1) > 1e-12 else None


def with_precision(probe: Probe, answer: Answer) -> Answer:
    """Add whether an answer in float64 has no more digits than float32: an epsilon leaves it its digits."""
    if probe.name not in ("vector", "table, rows", "table, columns"):
        return answer
    shares = answer.arrays["shares"]
    single = np.array(float((shares.astype(np.float32) == shares).all()))
    return replace(answer, arrays={**answer.arrays, "in float32": single})


SOFTMAX = Exercise(
    name="softmax",
    signature="softmax(x, dim) -> shares",
    page=PAGE,
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property("exponentials, divided by their sum", 3, (*_SMALL, "vector"), ALL),
        Property(
            "along the axis that dim names",
            3,
            (
                "table, rows",
                "table, columns",
                "square, rows",
                "square, columns",
                "four axes, the second",
                "four axes, the third",
                "float32",
            ),
            ALL,
        ),
        Property(
            "numbers far from zero",
            3,
            ("small, far from zero", "rows far apart", "numbers of 300", "numbers of 1000"),
            ALL,
        ),
        Property(
            "shares that sum to one, to the last digit",
            1,
            ("small, along rows", "small, along columns", "vector", "table, rows", "table, columns"),
            law=nothing_is_lost,
        ),
        Property("gradients", 1, ("gradient",), ("shares", "grad_x")),
    ),
    laws=(shares_sum_to_one,),
    misconceptions=SOFTMAX_MISTAKES,
    correct=correct.SOFTMAX,
    derive=with_precision,
    borrowed=(
        "torch.softmax",
        "torch.nn.functional.softmax",
        "torch.nn.functional.softmin",
        "torch.nn.functional.log_softmax",
        "torch.nn.Softmax",
        "torch.special.softmax",
        "torch.log_softmax",
        ".softmax",
        ".log_softmax",
        "scipy.special.softmax",
    ),
)
