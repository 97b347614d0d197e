"""The backward pass in its steps, so that a mistake can stand in one of them and everything else be right."""

import math
from collections.abc import Callable

from torch import Tensor

from plenary.checks.exercise import Function

Gradients = tuple[Tensor, Tensor, Tensor]
Weigh = Callable[[Tensor, Tensor, Tensor | None], Tensor]
Through = Callable[[Tensor, Tensor], Tensor]
Finish = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
OfValue = Callable[[Tensor, Tensor], Tensor]
OfWeights = Callable[[Tensor, Tensor], Tensor]


def scaled(query: Tensor, key: Tensor) -> Tensor:
    """Score every query against every key."""
    return query @ key.mT / math.sqrt(query.shape[-1])


def shares(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Turn scores into weights, zero where nothing is permitted."""
    if mask is None:
        return scores.softmax(-1)
    empty = ~mask.any(-1, keepdim=True)
    return scores.masked_fill(~(mask | empty), -math.inf).softmax(-1).masked_fill(empty, 0)


def right_weights(query: Tensor, key: Tensor, mask: Tensor | None = None) -> Tensor:
    """Weigh as the forward pass does."""
    return shares(scaled(query, key), mask)


def right_through(weights: Tensor, grad_weights: Tensor) -> Tensor:
    """Go back through the softmax."""
    return weights * (grad_weights - (weights * grad_weights).sum(-1, keepdim=True))


def right_finish(grad_scores: Tensor, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """Go from the scores to queries and keys."""
    root = math.sqrt(query.shape[-1])
    return grad_scores @ key / root, grad_scores.mT @ query / root


def backward(
    weigh: Weigh = right_weights,
    through: Through = right_through,
    finish: Finish = right_finish,
    of_value: OfValue = lambda weights, grad_output: weights.mT @ grad_output,
    of_weights: OfWeights = lambda grad_output, value: grad_output @ value.mT,
) -> Function:
    """Build a backward pass from its steps."""

    def go_back(
        grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> Gradients:
        weights = weigh(query, key, mask)
        grad_value = of_value(weights, grad_output)
        grad_scores = through(weights, of_weights(grad_output, value))
        return (*finish(grad_scores, query, key), grad_value)

    return go_back


def wrong(*functions: Function) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of writing the whole function."""
    return {"attention_backward": functions}


def through(*ways: Through) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of going back through the softmax."""
    return wrong(*(backward(through=way) for way in ways))


def finish(*ways: Finish) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of going from the scores to queries and keys."""
    return wrong(*(backward(finish=way) for way in ways))


def weigh(*ways: Weigh) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of finding the weights again."""
    return wrong(*(backward(weigh=way) for way in ways))
