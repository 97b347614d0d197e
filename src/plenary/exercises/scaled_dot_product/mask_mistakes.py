"""Mistakes with the mask: what it means, where it goes in, and the query that may attend to nothing."""

import math

from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.scaled_dot_product.build import Weigh, in_weights, right_weights


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


def _inverted(scores: Tensor, mask: Tensor | None) -> Tensor:
    return right_weights(scores, None if mask is None else ~mask)


def _repaired(scores: Tensor, mask: Tensor | None) -> Tensor:
    return (scores if mask is None else scores + mask.to(scores.dtype).log()).softmax(-1).nan_to_num(0.0)


MASK_MISTAKES = (
    Misconception(
        id="mask-ignored",
        title="Your function takes a mask and does not use it.",
        belief="Without a mask everything is right. With one, your queries still attend to keys that they "
        "may not see.",
        hint="Between the scores and the softmax, take out the scores where the mask is False.",
        anchor="sdp-mask-before",
        section="The mask goes in before the softmax",
        wrong=in_weights(lambda scores, mask: scores.softmax(-1)),
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
        wrong=in_weights(_zeroed_afterwards, _minus_infinity_afterwards),
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
        wrong=in_weights(_renormalised, _renormalised_blindly),
    ),
    Misconception(
        id="mask-inverted",
        title="Your mask is the wrong way round: True means may attend.",
        belief="PyTorch has both conventions: for nn.MultiheadAttention True means may not, for "
        "F.scaled_dot_product_attention and in this course True means may.",
        hint="Fill the scores where the mask is False.",
        anchor="sdp-mask-meaning",
        section="True means may attend",
        wrong=in_weights(_inverted),
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
        wrong=in_weights(_filled(0.0), _filled(-1e-9), _filled(1e-9), _multiplied_scores),
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
        wrong=in_weights(_filled(-10.0), _filled(-20.0), _filled(-100.0)),
        evidence="https://github.com/TransformerLensOrg/TransformerLens/pull/319",
    ),
    Misconception(
        id="mask-added",
        title="You add the boolean mask to the scores; that raises permitted scores by 1 and forbids nothing.",
        belief="A mask of floats, 0 and minus infinity, can be added. A boolean mask is added as 1 and 0.",
        hint="Turn it into 0 and minus infinity first, or fill the scores where it is False.",
        anchor="sdp-mask-before",
        section="The mask goes in before the softmax",
        wrong=in_weights(_added),
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
        wrong=in_weights(_filled(-math.inf)),
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
        wrong=in_weights(_filled(-1e9), _filled(-1e30), _lowered),
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
        wrong=in_weights(_repaired),
        harmless=True,
    ),
)
