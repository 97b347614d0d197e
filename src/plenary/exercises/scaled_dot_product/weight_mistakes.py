"""Mistakes between the scores and the output: the softmax, the values, and what is returned."""

import math

import torch
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.scaled_dot_product.build import (
    Weigh,
    in_attention,
    in_weights,
    right_scores,
    right_weights,
)


def _softmax_over(dim: int) -> Weigh:
    """Run the softmax over the wrong axis, with care for what is empty along that axis."""

    def weigh(scores: Tensor, mask: Tensor | None) -> Tensor:
        if mask is None:
            return scores.softmax(dim)
        mask = mask.expand_as(scores)
        empty = ~mask.any(dim, keepdim=True)
        return scores.masked_fill(~(mask | empty), -math.inf).softmax(dim).masked_fill(empty, 0)

    return weigh


def _exponentials(scores: Tensor, mask: Tensor | None) -> Tensor:
    weights = scores.exp() if mask is None else scores.exp() * mask
    total = weights.sum(-1, keepdim=True)
    return torch.where(total == 0, torch.zeros_like(weights), weights / total)


def _scale_last(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    weights = right_weights(query @ key.mT, mask) / math.sqrt(query.shape[-1])
    return weights @ value, weights


def _root_of_value_width(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    weights = right_weights(query @ key.mT / math.sqrt(value.shape[-1]), mask)
    return weights @ value, weights


def _keys_as_values(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    weights = right_weights(right_scores(query, key), mask)
    return weights @ key, weights


def _transposed_weights(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    weights = right_weights(right_scores(query, key), mask)
    return weights.mT @ value, weights


def _scores_returned(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    scores = right_scores(query, key)
    return right_weights(scores, mask) @ value, scores


def _swapped(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    weights = right_weights(right_scores(query, key), mask)
    return weights, weights @ value


WEIGHT_MISTAKES = (
    Misconception(
        id="scale-after-softmax",
        title="You divide by the root of d_k after the softmax; it belongs before.",
        belief="Inside the softmax the factor sets how sharp the choice is. Outside it makes every weight "
        "smaller, and a row adds up to 1 / sqrt(d_k) instead of one.",
        hint="Scale the scores, take the softmax, and leave the weights alone from there on.",
        anchor="sdp-before-softmax",
        section="The scale goes in before the softmax",
        wrong=in_attention(_scale_last),
        evidence="https://github.com/FrancescoSaverioZuppichini/ViT/issues/2",
    ),
    Misconception(
        id="root-of-value-width",
        title="Your scores are divided by the root of the values' width d_v, not of d_k.",
        belief="In most models d_v equals d_k, and nothing shows. But the values take no part in the scores: "
        "the sum that grows with the width runs over the features of query and key.",
        hint="Take the last axis of the query or of the key.",
        anchor="sdp-root-not-length",
        section="The width, not the length",
        wrong=in_attention(_root_of_value_width),
        evidence="https://github.com/juho-lee/set_transformer/issues/18",
    ),
    Misconception(
        id="softmax-over-queries",
        title="Your softmax runs over the queries; it should run over the keys.",
        belief="Your columns add up to one: each key hands out its attention among the queries. It is the "
        "query that has one unit of attention to spend, on all the keys, so each row has to add up to "
        "one.",
        hint="The keys are the last axis of the scores.",
        anchor="sdp-softmax-axis",
        section="The softmax runs over the keys",
        wrong=in_weights(_softmax_over(-2)),
        evidence="https://github.com/labmlai/annotated_deep_learning_paper_implementations/issues/146",
    ),
    Misconception(
        id="axis-counted-from-the-front",
        title="Your softmax runs over axis 1, counted from the front; the keys are the last axis.",
        belief="For a single table (T, S) axis 1 is the keys. With a batch in front it is the queries, and "
        "with heads as well it is the heads.",
        hint="Count from the back: whatever stands in front, the keys stay the last axis.",
        anchor="sdp-softmax-axis",
        section="The softmax runs over the keys",
        wrong=in_weights(_softmax_over(1)),
        evidence="https://github.com/FudanNLP/fastNLP/issues/254",
    ),
    Misconception(
        id="no-maximum-subtracted",
        title="Your softmax overflows: it exponentiates the scores as they are.",
        belief="On paper exp(x) / sum exp(x) is the softmax. In float32 exp(89) is infinity already, and "
        "infinity over infinity is NaN. Subtracting the row's maximum first changes no weight and "
        "keeps every exponential at most 1.",
        hint="Use torch.softmax, which does this, or subtract the maximum over the keys yourself.",
        anchor="sdp-overflow",
        section="Large scores, finite weights",
        wrong=in_weights(_exponentials),
        evidence="https://github.com/pytorch/executorch/pull/18407",
    ),
    Misconception(
        id="keys-as-values",
        title="Your output mixes the keys; it should mix the values.",
        belief="The weights are right, and they say how much to listen to each token. What is heard is the "
        "token's value; its key has done its work once the scores are known.",
        hint="Look at the last product: its right-hand factor.",
        anchor="sdp-three-roles",
        section="Query, key and value are three things",
        wrong=in_attention(_keys_as_values),
        evidence="https://github.com/ruvnet/agentic-flow/issues/191",
    ),
    Misconception(
        id="weights-transposed",
        title="Your output uses the weights transposed.",
        belief="Row t of the weights belongs to query t, and row t of the output is that row times the "
        "values. Transposed, each key would collect from the queries; it only runs where T = S.",
        hint="(T, S) times (S, d_v) is (T, d_v): no transpose is needed.",
        anchor="sdp-output",
        section="The output is a weighted mean of values",
        wrong=in_attention(_transposed_weights),
    ),
    Misconception(
        id="returns-scores",
        title="The second thing you return is the scores; it should be the weights.",
        belief="Scores and weights are tables of the same shape. The weights are what is left after mask and "
        "softmax: not negative, every row adding up to one.",
        hint="Return the table that you multiply the values with.",
        anchor="sdp-output",
        section="The output is a weighted mean of values",
        wrong=in_attention(_scores_returned),
    ),
    Misconception(
        id="returns-swapped",
        title="You return (weights, output); asked for is (output, weights).",
        belief="Both orders are found in libraries, so it pays to look. Here, as in "
        "torch.nn.MultiheadAttention, the output comes first.",
        hint="Exchange the two in the return line.",
        anchor="sdp-output",
        section="The output is a weighted mean of values",
        wrong=in_attention(_swapped),
    ),
)
