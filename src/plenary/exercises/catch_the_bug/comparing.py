"""Mistakes in the comparison: what is measured, against what, and how near is near enough."""

from typing import Any

import torch
from torch import Tensor

from plenary.checks.exercise import Function, Misconception
from plenary.exercises.catch_the_bug.testing import Test, inverted, near, wrong


def _equal(found: Tensor, expected: Tensor) -> bool:
    return torch.equal(found, expected)


def _all_equal(found: Tensor, expected: Tensor) -> bool:
    return found.dtype == expected.dtype and found.shape == expected.shape and bool((found == expected).all())


def _hairsbreadth(found: Tensor, expected: Tensor) -> bool:
    return near(found, expected) and bool(((found - expected).abs() <= 1e-12).all())


def _generous(found: Tensor, expected: Tensor) -> bool:
    return (
        found.shape == expected.shape
        and found.dtype == expected.dtype
        and torch.allclose(found, expected, atol=0.05)
    )


def _nan_slips(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    return not bool(((found - expected).abs() > 1e-5 * (1 + expected.abs())).any())


def _nan_slips_in_maximum(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    return not bool((found - expected).abs().max() > 1e-4)


def _same_shape(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape


def _same_numbers(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    allowed = 1e-5 * (1 + expected.abs())
    return bool(((found.double() - expected.double()).abs() <= allowed.double()).all())


def _rows_sum_to_one(candidate: Any) -> bool:
    for inputs, _ in Test(masks=("none",)).cases():
        try:
            weights = candidate(*inputs)[1]
        except Exception:
            return True
        one = torch.ones(weights.shape[:-1], dtype=weights.dtype)
        if not torch.allclose(weights.sum(-1), one, atol=1e-5):
            return True
    return False


def _output_is_the_mixture(*, catches: bool, masks: tuple[str, ...]) -> Function:
    def find_bug(candidate: Any) -> bool:
        for inputs, _ in Test(masks=masks, dtypes=(torch.float32,)).cases():
            try:
                output, weights = candidate(*inputs)
                mixed = torch.allclose(output, weights @ inputs[2], atol=1e-5)
            except Exception:
                if catches:
                    return True
                raise
            if not mixed:
                return True
        return False

    return find_bug


COMPARING = (
    Misconception(
        id="bug-exact-comparison",
        title="Your test asks for equal numbers, to the last bit or nearly; it accuses boxes that only "
        "round differently.",
        belief="The same formula in another order gives other last digits: floating-point addition is not "
        "associative. A loop, a matrix product and a fused kernel are all right, and no two of them "
        "equal.",
        hint="Allow for rounding: about 1e-5 in float32, where numbers carry seven digits.",
        anchor="bug-tolerance",
        section="How near is near enough",
        wrong=wrong(Test(agree=_equal), Test(agree=_all_equal), Test(agree=_hairsbreadth)),
        evidence="https://github.com/pytorch/pytorch/issues/86785",
    ),
    Misconception(
        id="bug-too-generous",
        title="Your test allows differences that are far larger than rounding, and small mistakes hide in "
        "them.",
        belief="A wide tolerance accuses nobody, which feels safe. But a mask that lets one part in ten "
        "thousand through is a mistake, and a weight of 0.0001 where zero belongs is a thousand times "
        "what rounding does.",
        hint="Find out how far two right attentions are apart, and stay within ten or a hundred times that.",
        anchor="bug-tolerance",
        section="How near is near enough",
        wrong=wrong(Test(agree=_generous)),
    ),
    Misconception(
        id="bug-nan-slips-through",
        title="Your test asks whether a difference is too large, and NaN is never larger than anything.",
        belief="Every comparison with NaN is false: neither NaN > 1e-5 nor NaN <= 1e-5 holds. A box that "
        "returns NaN passes a test for too large, and fails a test for small enough.",
        hint="Turn the question round: demand that the difference is small, and accuse otherwise.",
        anchor="bug-nan",
        section="NaN passes the wrong question",
        wrong=wrong(Test(agree=_nan_slips), Test(agree=_nan_slips_in_maximum)),
        evidence="https://github.com/ralna/RALFit/issues/138",
    ),
    Misconception(
        id="bug-measure-inverted",
        title="What you measure against reads the mask the wrong way round: it accuses the right boxes "
        "and acquits the one that does the same.",
        belief="A test is as right as its measure. In torch.nn.MultiheadAttention True means may not "
        "attend; in this course, as in F.scaled_dot_product_attention, True means may.",
        hint="Turn the mask of your measure round.",
        anchor="bug-measure",
        section="Against what?",
        wrong=wrong(Test(reference=inverted)),
    ),
    Misconception(
        id="bug-shapes-only",
        title="Your test tells boxes apart by their shapes, not by their numbers.",
        belief="A wrong shape is a sure sign of a bug, and it is the first thing one sees. Nearly all "
        "mistakes in attention have the right shape: a softmax over the wrong axis, a missing root, a "
        "mask that is ignored. (Zeros as inputs do the same: whatever a box mixes, zero comes back.)",
        hint="Compare the numbers with those of an attention that you trust, for inputs that are random.",
        anchor="bug-measure",
        section="Against what?",
        wrong=wrong(Test(agree=_same_shape)),
    ),
    Misconception(
        id="bug-rows-sum-only",
        title="Your test asks whether the rows of the weights add up to one, and little else.",
        belief="It is a true property, and a good one: it finds a softmax over the wrong axis without any "
        "reference. But every table that comes out of a softmax over the keys has it, whatever went in.",
        hint="Add what else has to hold: the ratio of two weights, the output as their blend, zero where "
        "the mask forbids.",
        anchor="bug-measure",
        section="Against what?",
        wrong=wrong(_rows_sum_to_one),
    ),
    Misconception(
        id="bug-mixture-only",
        title="Your test asks whether the output is the weights times the values, and nothing else.",
        belief="That has to hold, and needs no reference. But it takes the weights as they come: whatever "
        "they are, a box that mixes the values with them passes.",
        hint="Ask about the weights as well: how they follow from query, key and mask.",
        anchor="bug-measure",
        section="Against what?",
        wrong=wrong(
            *(
                _output_is_the_mixture(catches=catches, masks=masks)
                for catches in (True, False)
                for masks in (("none",), ("none", "some"))
            )
        ),
    ),
    Misconception(
        id="bug-dtype-not-compared",
        title="Your test passes a box that returns float32 where float64 went in.",
        belief="Brought to a common dtype the numbers agree, so nothing seems wrong; and if float64 never "
        "goes in, there is nothing to see. But float32 for float64 has lost nine digits, and the next "
        "product with a float64 tensor raises.",
        hint="Ask in float64 too, and see whether what comes back has the dtype of what went in.",
        anchor="bug-where-bugs-live",
        section="Where bugs live",
        wrong=wrong(Test(agree=_same_numbers)),
    ),
    Misconception(
        id="bug-output-only",
        title="Your test compares the output and not the weights.",
        belief="The output is what the next layer uses. The weights are returned too, people draw them "
        "and draw conclusions, and a function may return other ones than it used.",
        hint="Compare both things that come back.",
        anchor="bug-both",
        section="Two things come back",
        wrong=wrong(Test(parts=(0,))),
    ),
    Misconception(
        id="bug-weights-only",
        title="Your test compares the weights and not the output.",
        belief="If the weights are right, the output seems to follow. It is one product further on, and "
        "in that product the keys can stand for the values, or a dropout can be left on.",
        hint="Compare both things that come back.",
        anchor="bug-both",
        section="Two things come back",
        wrong=wrong(Test(parts=(1,))),
    ),
)
