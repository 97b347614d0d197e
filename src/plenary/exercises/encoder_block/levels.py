"""Where dropout acts, read from its traces: with a share of one half a number is dropped, or comes out doubled.

A module is asked twice, in evaluation and in training. What dropout does to a number then shows as a factor between
the two, and the factors do not depend on the order in which anybody draws random numbers.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.probe import Call, Construct, Load, Mode, Plain, Probe, plain

FACTORS = (0, 2, 4)


def levels_probe(name: str, build: Mapping[str, Plain], weights: Mapping[str, Tensor], x: Tensor) -> Probe:
    """Make a probe that calls a module in evaluation mode and then in training mode, with half of it dropped."""
    return Probe(
        name,
        (
            Construct({**build, "dropout": 0.5}),
            Load({n: w.numpy() for n, w in weights.items()}),
            Mode(False),
            Call(plain({"x": x}), label="_eval"),
            Mode(True),
            Call(plain({"x": x}), label="_train"),
        ),
    )


def levels_of(answer: Answer, base: np.ndarray | float) -> Answer:
    """Say which factors (0, 2, 4, others) lie between what is added to the base in evaluation and in training."""
    kept, noisy = answer.arrays["output_eval"], answer.arrays["output_train"]
    if kept.shape != noisy.shape or (isinstance(base, np.ndarray) and base.shape != kept.shape):
        return answer
    kept, noisy = kept - base, noisy - base
    large = np.abs(kept) > 0.05
    kept, noisy = kept[large], noisy[large]
    matches = [np.isclose(noisy, factor * kept, rtol=1e-6, atol=1e-6) for factor in FACTORS]
    found = [match.any() for match in matches] + [not np.any(matches, axis=0).all()]
    return replace(answer, arrays={"factors": np.array(found, dtype=float)})


def said(answer: Answer) -> str:
    """Write the factors that occurred in words."""
    factors = answer.arrays["factors"]
    names = [f"{factor} times" for factor, found in zip(FACTORS, factors[:-1], strict=True) if found]
    names += ["other multiples of"] if factors[-1] else []
    return " and ".join(names) if names else "nothing like"
