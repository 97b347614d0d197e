"""Mistakes between the scores and the output: the softmax, the mask, the values, and what is returned."""

import math

import torch
from torch import Tensor

from plenary.checks.exercise import Function, Misconception
from plenary.exercises.scaled_dot_product.build import Weigh, attention, right_scores, right_weights


def _whole(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    return {"scaled_dot_product_attention": wrong}


def _in_weights(*wrong: Weigh) -> dict[str, tuple[Function, ...]]:
    return _whole(*(attention(weigh=weigh) for weigh in wrong))


def _softmax_over(dim: int) -> Weigh:
    """Run the softmax over the wrong axis, with care for what is empty along that axis."""

    def weigh(scores: Tensor, mask: Tensor | None) -> Tensor:
        if mask is None:
            return scores.softmax(dim)
        mask = mask.expand_as(scores)
        empty = ~mask.any(dim, keepdim=True)
        return scores.masked_fill(~(mask | empty), -math.inf).softmax(dim).masked_fill(empty, 0)

    return weigh


def _filled(fill: float) -> Weigh:
    return lambda scores, mask: (scores if mask is None else scores.masked_fill(~mask, fill)).softmax(-1)


def _multiplied_scores(scores: Tensor, mask: Tensor | None) -> Tensor:
    return (scores if mask is None else scores * mask).softmax(-1)


def _added(scores: Tensor, mask: Tensor | None) -> Tensor:
    return (scores if mask is None else scores + mask).softmax(-1)


def _zeroed_afterwards(scores: Tensor, mask: Tensor | None) -> Tensor:
    return scores.softmax(-1) if mask is None else scores.softmax(-1) * mask


def _renormalised(scores: Tensor, mask: Tensor | None) -> Tensor:
    weights = _zeroed_afterwards(scores, mask)
    return weights / weights.sum(-1, keepdim=True).clamp_min(1e-12)


def _renormalised_blindly(scores: Tensor, mask: Tensor | None) -> Tensor:
    weights = _zeroed_afterwards(scores, mask)
    return weights / weights.sum(-1, keepdim=True)


def _minus_infinity_afterwards(scores: Tensor, mask: Tensor | None) -> Tensor:
    weights = scores.softmax(-1)
    return weights if mask is None else weights.masked_fill(~mask, -math.inf)


def _lowered(scores: Tensor, mask: Tensor | None) -> Tensor:
    return (scores if mask is None else scores - 1e9 * ~mask).softmax(-1)


def _exponentials(scores: Tensor, mask: Tensor | None) -> Tensor:
    weights = scores.exp() if mask is None else scores.exp() * mask
    total = weights.sum(-1, keepdim=True)
    return torch.where(total == 0, torch.zeros_like(weights), weights / total)


def _inverted(scores: Tensor, mask: Tensor | None) -> Tensor:
    return right_weights(scores, None if mask is None else ~mask)


def _repaired(scores: Tensor, mask: Tensor | None) -> Tensor:
    return (scores if mask is None else scores + mask.to(scores.dtype).log()).softmax(-1).nan_to_num(0.0)


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
        wrong=_whole(_scale_last),
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
        wrong=_whole(_root_of_value_width),
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
        wrong=_in_weights(_softmax_over(-2)),
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
        wrong=_in_weights(_softmax_over(1)),
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
        wrong=_in_weights(_exponentials),
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
        wrong=_whole(_keys_as_values),
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
        wrong=_whole(_transposed_weights),
    ),
    Misconception(
        id="returns-scores",
        title="The second thing you return is the scores; it should be the weights.",
        belief="Scores and weights are tables of the same shape. The weights are what is left after mask and "
        "softmax: not negative, every row adding up to one.",
        hint="Return the table that you multiply the values with.",
        anchor="sdp-output",
        section="The output is a weighted mean of values",
        wrong=_whole(_scores_returned),
    ),
    Misconception(
        id="returns-swapped",
        title="You return (weights, output); asked for is (output, weights).",
        belief="Both orders are found in libraries, so it pays to look. Here, as in "
        "torch.nn.MultiheadAttention, the output comes first.",
        hint="Exchange the two in the return line.",
        anchor="sdp-output",
        section="The output is a weighted mean of values",
        wrong=_whole(_swapped),
    ),
    Misconception(
        id="mask-ignored",
        title="Your function takes a mask and does not use it.",
        belief="Without a mask everything is right. With one, your queries still attend to keys that they "
        "may not see.",
        hint="Between the scores and the softmax, take out the scores where the mask is False.",
        anchor="sdp-mask-before",
        section="The mask goes in before the softmax",
        wrong=_in_weights(lambda scores, mask: scores.softmax(-1)),
    ),
    Misconception(
        id="mask-after-softmax",
        title="Your mask comes after the softmax; it belongs before.",
        belief="Zeroing weights afterwards throws away what the forbidden keys had already been given: the "
        "rest no longer adds up to one. Masking is conditioning: the forbidden keys must not have "
        "been in the sum at all.",
        hint="Give the forbidden scores the value whose exponential is zero, then take the softmax.",
        anchor="sdp-mask-before",
        section="The mask goes in before the softmax",
        wrong=_in_weights(_zeroed_afterwards, _minus_infinity_afterwards),
        evidence="https://github.com/lucidrains/memory-compressed-attention/issues/2",
    ),
    Misconception(
        id="mask-then-renormalise",
        title="Masking after the softmax and dividing by what is left breaks down when a forbidden key "
        "dominates.",
        belief="In exact arithmetic your way is right. But if a forbidden key has by far the largest score, "
        "the permitted weights round to zero before you divide, and nothing is left to divide.",
        hint="Mask the scores, not the weights; then the softmax never sees the forbidden key.",
        anchor="sdp-mask-before",
        section="The mask goes in before the softmax",
        wrong=_in_weights(_renormalised, _renormalised_blindly),
    ),
    Misconception(
        id="mask-inverted",
        title="Your mask is the wrong way round: True means may attend.",
        belief="PyTorch has both conventions: for nn.MultiheadAttention True means may not, for "
        "F.scaled_dot_product_attention and in this course True means may.",
        hint="Fill the scores where the mask is False.",
        anchor="sdp-mask-meaning",
        section="True means may attend",
        wrong=_in_weights(_inverted),
        evidence="https://github.com/rasbt/LLMs-from-scratch/issues/1061",
    ),
    Misconception(
        id="mask-filled-with-zero",
        title="You set forbidden scores to 0 (or next to it); they still get weight.",
        belief="Zero is a score like any other: e^0 = 1. A key with score 0 is heard more than every key "
        "with a negative score.",
        hint="The score whose exponential is zero is minus infinity.",
        anchor="sdp-mask-not-zero",
        section="Zero is not a mask",
        wrong=_in_weights(_filled(0.0), _filled(-1e-9), _filled(1e-9), _multiplied_scores),
        evidence="https://github.com/Shujun-He/RibonanzaNet/issues/5",
    ),
    Misconception(
        id="mask-too-weak",
        title="You set forbidden scores to a moderately negative number; they still get weight.",
        belief="e^-10 is small, not zero. And small compared with what? Where the permitted scores are "
        "themselves far below zero, the forbidden key wins the row.",
        hint="Minus infinity is below every score, whatever the scores are.",
        anchor="sdp-mask-not-zero",
        section="Zero is not a mask",
        wrong=_in_weights(_filled(-10.0), _filled(-20.0), _filled(-100.0)),
        evidence="https://github.com/TransformerLensOrg/TransformerLens/pull/319",
    ),
    Misconception(
        id="mask-added",
        title="You add the boolean mask to the scores; that raises permitted scores by 1 and forbids nothing.",
        belief="A mask of floats, 0 and minus infinity, can be added. A boolean mask is added as 1 and 0.",
        hint="Turn it into 0 and minus infinity first, or fill the scores where it is False.",
        anchor="sdp-mask-before",
        section="The mask goes in before the softmax",
        wrong=_in_weights(_added),
        evidence="https://github.com/pytorch/pytorch/issues/21518",
    ),
    Misconception(
        id="nan-on-empty-row",
        title="A query that may attend to nothing gets NaN; it should get zero.",
        belief="With every score at minus infinity the softmax is 0 / 0. Such rows do occur (a sentence that "
        "is all padding), and one NaN spreads through the whole model.",
        hint="Find the rows of the mask without a True, and set their weights to zero.",
        anchor="sdp-empty-row",
        section="The query that may attend to nothing",
        wrong=_in_weights(_filled(-math.inf)),
        evidence="https://github.com/pytorch/pytorch/issues/103963",
    ),
    Misconception(
        id="empty-row-uniform",
        title="A query that may attend to nothing attends to everything; it should get zero.",
        belief="A large finite number such as -1e9 hides forbidden keys as long as one key is permitted. If "
        "none is, all scores are equally low, and the softmax makes them equally likely.",
        hint="Find the rows of the mask without a True, and set their weights to zero.",
        anchor="sdp-empty-row",
        section="The query that may attend to nothing",
        wrong=_in_weights(_filled(-1e9), _filled(-1e30), _lowered),
        evidence="https://github.com/lsdefine/attention-is-all-you-need-keras/issues/16",
    ),
    Misconception(
        id="nan-gradient-on-empty-row",
        title="The numbers are right, but an empty row makes the gradient NaN.",
        belief="Replacing NaN by zero afterwards mends the value. Backpropagation goes through the softmax "
        "of that row all the same, and 0 times NaN is NaN.",
        hint="Keep NaN from arising: leave the scores of empty rows unmasked, and zero their weights at "
        "the end.",
        anchor="sdp-empty-row",
        section="The query that may attend to nothing",
        wrong=_in_weights(_repaired),
        harmless=True,
    ),
)
