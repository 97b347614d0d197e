"""Mistakes in the weights that the way back starts from: the mask, the empty row, the overflow, the scale."""

import math

import torch
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.attention_gradients.build import (
    Gradients,
    Weigh,
    backward,
    right_finish,
    right_through,
    right_weights,
    scaled,
    shares,
    weigh,
    wrong,
)


def _filled(fill: float) -> Weigh:
    def weights(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
        scores = scaled(query, key)
        return (scores if mask is None else scores.masked_fill(~mask, fill)).softmax(-1)

    return weights


def _zeroed_afterwards(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
    weights = scaled(query, key).softmax(-1)
    return weights if mask is None else weights * mask


def _exponentials(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
    exponentials = scaled(query, key).exp() if mask is None else scaled(query, key).exp() * mask
    total = exponentials.sum(-1, keepdim=True)
    return torch.where(total == 0, torch.zeros_like(exponentials), exponentials / total)


def _inverted(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
    return right_weights(query, key, None if mask is None else ~mask)


def _unscaled(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
    return shares(query @ key.mT, mask)


def _scores_as_weights(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
    return scaled(query, key) if mask is None else scaled(query, key).masked_fill(~mask, 0)


def _over_queries(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return scaled(query, key).softmax(-2)
    return shares(scaled(query, key).mT, mask.expand_as(scaled(query, key)).mT).mT


def _mask_on_gradient(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> Gradients:
    weights = scaled(query, key).softmax(-1)
    grad_scores = right_through(weights, grad_output @ value.mT)
    if mask is not None:
        grad_scores = grad_scores * mask
    return (*right_finish(grad_scores, query, key), weights.mT @ grad_output)


def _mask_on_value_only(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> Gradients:
    weights = scaled(query, key).softmax(-1)
    grad_scores = right_through(weights, grad_output @ value.mT)
    return (*right_finish(grad_scores, query, key), right_weights(query, key, mask).mT @ grad_output)


def _nan_replaced(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> Gradients:
    weights = _filled(-math.inf)(query, key, mask)
    gradients = backward(weigh=lambda *_: weights)(grad_output, query, key, value)
    grad_query, grad_key, grad_value = map(torch.nan_to_num, gradients)  # type: ignore[call-overload]
    return grad_query, grad_key, grad_value


WEIGHT_MISTAKES = (
    Misconception(
        id="grad-mask-ignored",
        title="Your gradients are those of attention without the mask.",
        belief="The mask shaped the weights on the way forward. If they are computed again without it, "
        "forbidden keys have weight again, and with it a gradient.",
        hint="Find the weights as the forward pass did, mask included; after that nothing more is needed "
        "for it.",
        anchor="grad-mask",
        section="The mask, and the row that is empty",
        wrong=weigh(lambda query, key, mask: right_weights(query, key)),
    ),
    Misconception(
        id="grad-mask-on-gradient-only",
        title="You apply the mask to the gradient of the scores, and not to the weights that it is made "
        "from.",
        belief="Zeroing the forbidden entries of dE looks like the mirror image of masking. But the "
        "permitted entries are wrong by then: without the mask their weights are too small, and the row "
        "sum counts keys that were not in the room.",
        hint="Mask on the way forward. A forbidden key then has weight zero, and its gradient is zero by "
        "itself.",
        anchor="grad-mask",
        section="The mask, and the row that is empty",
        wrong=wrong(_mask_on_gradient),
    ),
    Misconception(
        id="grad-mask-on-value-only",
        title="Your gradient of the value knows the mask; those of query and key do not.",
        belief="The gradient of the value is the one in which the weights are seen at once. They stand in "
        "the gradient of the scores as well, in front of the bracket and in the row sum: the same "
        "weights, masked.",
        hint="Use one table of weights, the masked one, everywhere.",
        anchor="grad-mask",
        section="The mask, and the row that is empty",
        wrong=wrong(_mask_on_value_only),
    ),
    Misconception(
        id="grad-mask-inverted",
        title="You read the mask the wrong way round: True means may attend.",
        belief="In torch.nn.MultiheadAttention True means may not, in F.scaled_dot_product_attention and "
        "in this course it means may.",
        hint="The scores to take out are those where the mask is False.",
        anchor="grad-mask",
        section="The mask, and the row that is empty",
        wrong=weigh(_inverted),
    ),
    Misconception(
        id="grad-mask-after-softmax",
        title="Your weights are masked after the softmax, so they no longer add up to one.",
        belief="Zeroing a weight leaves its share missing: the others had been made smaller on its "
        "account. The output of the forward pass was made with weights that add up to one, and its "
        "gradient needs the same ones.",
        hint="Take forbidden scores out before the softmax.",
        anchor="grad-mask",
        section="The mask, and the row that is empty",
        wrong=weigh(_zeroed_afterwards),
    ),
    Misconception(
        id="grad-mask-filled-with-zero",
        title="You set forbidden scores to 0; they still get weight, and a gradient.",
        belief="Zero is a score like any other: e^0 = 1. The score whose exponential is zero is minus "
        "infinity.",
        hint="Fill with minus infinity, and look after rows that are empty.",
        anchor="grad-mask",
        section="The mask, and the row that is empty",
        wrong=weigh(_filled(0.0), _filled(-1e-9)),
    ),
    Misconception(
        id="grad-nan-on-empty-row",
        title="A query that may attend to nothing makes your gradients NaN; it should add nothing to them.",
        belief="Its weights are 0 / 0, and its NaN does not stay with it: keys and values collect from "
        "all queries, and one NaN in a sum is enough.",
        hint="Give the weights of such a row the value zero; everything that follows is a product with them.",
        anchor="grad-mask",
        section="The mask, and the row that is empty",
        wrong=weigh(_filled(-math.inf)),
        evidence="https://github.com/pytorch/pytorch/issues/41508",
    ),
    Misconception(
        id="grad-nan-replaced",
        title="You replace the NaN of an empty row in the finished gradients; by then it has spread.",
        belief="In the gradient of the query a zero in place of NaN is right. But every key and every value "
        "collects from all queries: where one of these adds NaN, what the others had added is lost, and a "
        "zero does not bring it back.",
        hint="Let the zero come in where the NaN does: in the weights.",
        anchor="grad-mask",
        section="The mask, and the row that is empty",
        wrong=wrong(_nan_replaced),
    ),
    Misconception(
        id="grad-empty-row-uniform",
        title="A query that may attend to nothing sends gradients to every value; it should send none.",
        belief="A large finite number such as -1e9 makes all scores of an empty row equal, and the "
        "softmax of equal scores is uniform. Such a query was given zero on the way forward, so it "
        "depends on nobody.",
        hint="Find the rows of the mask without a True, and set their weights to zero.",
        anchor="grad-mask",
        section="The mask, and the row that is empty",
        wrong=weigh(_filled(-1e9), _filled(-1e30)),
    ),
    Misconception(
        id="grad-weights-overflow",
        title="Your weights overflow: you exponentiate the scores as they are.",
        belief="exp(x) / sum exp(x) is the softmax on paper. In float32 exp(89) is infinity already, and "
        "infinity over infinity is NaN, in the weights and in all three gradients.",
        hint="Use torch's softmax, or subtract the row's maximum first.",
        anchor="grad-chain",
        section="What comes in and what goes out",
        wrong=weigh(_exponentials),
    ),
    Misconception(
        id="grad-weights-unscaled",
        title="You find the weights without dividing the scores by the root of d_k.",
        belief="The steps back are taken at the point where the forward pass stood. Other scores are "
        "another point: all three gradients are then those of a different function.",
        hint="Compute the weights exactly as the forward pass does, scale included.",
        anchor="grad-chain",
        section="What comes in and what goes out",
        wrong=weigh(_unscaled),
    ),
    Misconception(
        id="grad-scores-as-weights",
        title="You use the scores where the weights belong: the softmax is missing on the way forward.",
        belief="Q K^T / sqrt(d_k) is called the attention matrix in many texts, before and after the "
        "softmax alike. In these formulas A is what multiplies the values: positive, each row adding up "
        "to one.",
        hint="Take the softmax of the scores first; that table is A.",
        anchor="grad-chain",
        section="What comes in and what goes out",
        wrong=weigh(_scores_as_weights),
    ),
    Misconception(
        id="grad-softmax-over-queries",
        title="Your weights come from a softmax over the queries; it should run over the keys.",
        belief="Each query has one unit of attention to share out among the keys, so each row adds up to "
        "one. Over the other axis it is the columns that do.",
        hint="The keys are the last axis of the scores.",
        anchor="grad-chain",
        section="What comes in and what goes out",
        wrong=weigh(_over_queries),
    ),
)
