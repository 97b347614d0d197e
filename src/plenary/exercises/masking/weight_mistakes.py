"""Mistakes in how a mask and a softmax go together: which way round, in which order, along which axis."""

import math

import torch
from torch import Tensor

from plenary.checks.exercise import Function, Misconception


def _in_weights(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    return {"masked_softmax": wrong}


def _right(scores: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
    """Weigh along an axis, with care for what is empty along it."""
    mask = mask.expand_as(scores)
    empty = ~mask.any(dim, keepdim=True)
    return scores.masked_fill(~(mask | empty), -math.inf).softmax(dim).masked_fill(empty, 0)


def _renormalised(scores: Tensor, mask: Tensor) -> Tensor:
    weights = scores.softmax(-1) * mask
    return weights / weights.sum(-1, keepdim=True)


def _renormalised_with_care(scores: Tensor, mask: Tensor) -> Tensor:
    weights = scores.softmax(-1) * mask
    return weights / weights.sum(-1, keepdim=True).clamp_min(1e-12)


def _renormalised_with_epsilon(scores: Tensor, mask: Tensor) -> Tensor:
    weights = scores.softmax(-1) * mask
    return weights / (weights.sum(-1, keepdim=True) + 1e-9)


def _highest_of_all(scores: Tensor, mask: Tensor) -> Tensor:
    exponentials = (scores - scores.amax(-1, keepdim=True)).exp() * mask
    return torch.nan_to_num(exponentials / exponentials.sum(-1, keepdim=True))


def _overflowing(scores: Tensor, mask: Tensor) -> Tensor:
    exponentials = scores.exp() * mask
    return exponentials / exponentials.sum(-1, keepdim=True)


def _overflowing_with_care(scores: Tensor, mask: Tensor) -> Tensor:
    exponentials = scores.exp().masked_fill(~mask, 0)
    total = exponentials.sum(-1, keepdim=True)
    return exponentials / total.masked_fill(total == 0, 1)


def _only_full_rows(scores: Tensor, mask: Tensor) -> Tensor:
    weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
    return weights.masked_fill(~mask.all(-1, keepdim=True), 0.0)


def _all_rows_at_once(scores: Tensor, mask: Tensor) -> Tensor:
    allowed = mask.expand_as(scores)
    weights = torch.zeros_like(scores)
    weights[allowed] = scores[allowed].softmax(-1)
    return weights


WEIGHT_MISTAKES = (
    Misconception(
        id="masked-softmax-mask-unused",
        title="Your weights do not depend on the mask.",
        belief="This is the softmax over all the keys, and a right one. The forbidden keys still have to "
        "leave the room before the shares are given out.",
        hint="Change the scores where the mask is False, then take the softmax.",
        anchor="mask-conditioning",
        section="Minus infinity is conditioning",
        wrong=_in_weights(lambda scores, mask: scores.softmax(-1)),
    ),
    Misconception(
        id="masked-softmax-zeroed-afterwards",
        title="You clear the forbidden weights after the softmax; the rest no longer adds up to one.",
        belief="The forbidden weights do end up at zero. But those keys had their part in the sum below "
        "the fraction bar (a score that was set to 0 before has one as well: e^0 is 1), and what they took "
        "is missing from the row.",
        hint="Give the forbidden scores the value whose exponential is zero, then take the softmax.",
        anchor="mask-afterwards",
        section="Zeroing afterwards is not",
        wrong=_in_weights(
            lambda scores, mask: scores.softmax(-1) * mask,
            lambda scores, mask: scores.masked_fill(~mask, 0).softmax(-1) * mask,
            lambda scores, mask: scores.softmax(-1).masked_fill(~mask, -math.inf),
        ),
        evidence="https://github.com/lucidrains/memory-compressed-attention/issues/2",
    ),
    Misconception(
        id="masked-softmax-renormalised",
        title="You clear the forbidden entries after the exponential and divide by what is left; that can "
        "be nothing.",
        belief="On paper this is the same as masking the scores. In floating point it is not: if a "
        "forbidden score is far above the rest, the permitted exponentials are all zero by the time you "
        "divide.",
        hint="Mask the scores; then neither the maximum nor the sum ever sees a forbidden key.",
        anchor="mask-afterwards",
        section="Zeroing afterwards is not",
        wrong=_in_weights(
            _renormalised, _renormalised_with_care, _renormalised_with_epsilon, _highest_of_all
        ),
    ),
    Misconception(
        id="masked-softmax-inverted",
        title="Your mask is the wrong way round: you keep the keys that are forbidden.",
        belief="masked_fill(mask, -inf) reads well: fill where the mask is. It fills where the mask is "
        "True, and True means may attend.",
        hint="Fill where the mask is False.",
        anchor="mask-true",
        section='True means "may attend"',
        wrong=_in_weights(
            lambda scores, mask: _right(scores, ~mask),
            lambda scores, mask: scores.masked_fill(mask, -math.inf).softmax(-1),
            lambda scores, mask: scores.masked_fill(mask, -1e9).softmax(-1),
        ),
        evidence="https://github.com/lucidrains/halonet-pytorch/issues/4",
    ),
    Misconception(
        id="masked-softmax-over-queries",
        title="Your softmax runs over the queries; it should run over the keys.",
        belief="Your columns add up to one. But it is the query that has one unit of attention to spend, "
        "so its row has to.",
        hint="The keys are the last axis of the scores.",
        anchor="mask-conditioning",
        section="Minus infinity is conditioning",
        wrong=_in_weights(
            lambda scores, mask: _right(scores, mask, -2),
            lambda scores, mask: scores.masked_fill(~mask, -math.inf).softmax(-2),
        ),
    ),
    Misconception(
        id="masked-softmax-all-rows-at-once",
        title="Your softmax runs over the permitted scores of all rows at once; each row needs its own.",
        belief="scores[mask] picks the permitted scores, which is what a softmax over the permitted keys needs. "
        "But it lays them all in one long vector, in which the rows are no longer apart.",
        hint="Keep the table as it is, and let the forbidden scores stay in it with a value that does not count.",
        anchor="mask-conditioning",
        section="Minus infinity is conditioning",
        wrong=_in_weights(_all_rows_at_once),
    ),
    Misconception(
        id="masked-softmax-only-full-rows",
        title="Every row in which something is forbidden gets zero; only a row in which everything is should.",
        belief="mask.all asks whether everything is permitted, and where it is not, something may still be. A "
        "row is empty where not even one key is permitted.",
        hint="Ask of each row whether it has any True.",
        anchor="mask-empty",
        section="The empty row",
        wrong=_in_weights(_only_full_rows),
    ),
    Misconception(
        id="masked-softmax-axis-from-the-front",
        title="Your softmax runs over axis 1, counted from the front; the keys are the last axis.",
        belief="For one table (T, S) axis 1 is the keys. With a batch in front it is the queries, with "
        "heads the heads.",
        hint="Count from the back: whatever stands in front, the keys stay the last axis.",
        anchor="mask-conditioning",
        section="Minus infinity is conditioning",
        wrong=_in_weights(
            lambda scores, mask: _right(scores, mask, 1),
            lambda scores, mask: scores.masked_fill(~mask, -math.inf).softmax(1),
        ),
    ),
    Misconception(
        id="masked-softmax-overflow",
        title="Your exponentials overflow or vanish: no maximum is subtracted.",
        belief="Exponentiate, clear what is forbidden, divide by the sum: that is the definition. In "
        "floating point exp(1000) is infinite and exp(-1000) is 0, and both end in NaN.",
        hint="torch.softmax on the masked scores subtracts the maximum for you.",
        anchor="mask-afterwards",
        section="Zeroing afterwards is not",
        wrong=_in_weights(_overflowing, _overflowing_with_care),
    ),
)
