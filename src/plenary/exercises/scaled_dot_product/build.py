"""Attention in two steps, so that a mistake can stand in one of them and everything else be right."""

import math
from collections.abc import Callable

from torch import Tensor

from plenary.checks.exercise import Function

Score = Callable[[Tensor, Tensor], Tensor]
Weigh = Callable[[Tensor, Tensor | None], Tensor]


def right_scores(query: Tensor, key: Tensor) -> Tensor:
    """Score as it should be done, for mistakes that are made elsewhere."""
    return query @ key.mT / math.sqrt(query.shape[-1])


def right_weights(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Weigh as it should be done, for mistakes that are made elsewhere."""
    if mask is None:
        return scores.softmax(-1)
    empty = ~mask.any(-1, keepdim=True)
    return scores.masked_fill(~(mask | empty), -math.inf).softmax(-1).masked_fill(empty, 0)


def attention(score: Score = right_scores, weigh: Weigh = right_weights) -> Function:
    """Build an attention function from its two steps."""

    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
        weights = weigh(score(query, key), mask)
        return weights @ value, weights

    return attend


def in_attention(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of writing attention as a whole."""
    return {"scaled_dot_product_attention": wrong}


def in_weights(*wrong: Weigh) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of turning scores into weights."""
    return in_attention(*(attention(weigh=weigh) for weigh in wrong))


def in_scores(*wrong: Score) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of scoring; it is the same mistake in both functions."""
    return {"attention_scores": wrong, **in_attention(*(attention(score=score) for score in wrong))}
