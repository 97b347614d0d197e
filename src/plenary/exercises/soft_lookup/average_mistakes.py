"""Mistakes in the lookup after the scores: in the shares, and in what is averaged."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from plenary.checks.exercise import Function, Misconception

Score = Callable[[Tensor, Tensor, float], Tensor]


def _squared(query: Tensor, keys: Tensor) -> Tensor:
    return (keys - query).square().sum(-1)


def _right_weights(query: Tensor, keys: Tensor, temperature: float) -> Tensor:
    return (-_squared(query, keys) / (2 * temperature)).softmax(-1)


def _in_lookup(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    return {"soft_lookup": wrong}


def _weighed(*wrong: Score) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong weights, in a lookup that averages as it should."""

    def lookup(weigh: Score) -> Function:
        return lambda query, keys, values, temperature: weigh(query, keys, temperature) @ values

    return _in_lookup(*map(lookup, wrong))


def _by_hand(query: Tensor, keys: Tensor, temperature: float) -> Tensor:
    exponentials = (-_squared(query, keys) / (2 * temperature)).exp()
    return exponentials / exponentials.sum()


def _by_hand_with_epsilon(query: Tensor, keys: Tensor, temperature: float) -> Tensor:
    exponentials = (-_squared(query, keys) / (2 * temperature)).exp()
    return exponentials / (exponentials.sum() + 1e-9)


def _density(query: Tensor, keys: Tensor, temperature: float) -> Tensor:
    return (-_squared(query, keys) / (2 * temperature)).exp() / math.sqrt(2 * math.pi * temperature)


def _one_over(epsilon: float) -> Score:
    def weigh(query: Tensor, keys: Tensor, temperature: float) -> Tensor:
        nearness = 1 / (_squared(query, keys) + epsilon)
        return nearness / nearness.sum()

    return weigh


def _alone(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    return (torch.ones_like(keys[:, :1]) * values).sum(0)


def _in_single(query: Tensor, keys: Tensor, temperature: float) -> Tensor:
    return _right_weights(query.float(), keys.float(), temperature).to(keys.dtype)


def _nearest(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    return values[_squared(query, keys).argmin()]


def _keys_averaged(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    return _right_weights(query, keys, temperature) @ keys


def _one_row(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    return _right_weights(query, keys, temperature).unsqueeze(0) @ values


def _not_added(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    return _right_weights(query, keys, temperature).unsqueeze(-1) * values


AVERAGE_MISTAKES = (
    Misconception(
        id="lookup-temperature-after-softmax",
        title="The temperature comes after the softmax; it belongs inside.",
        belief="A factor inside sets how sharp the choice is. Outside it scales all weights alike: they "
        "keep their proportions and no longer add up to one.",
        hint="Finish the score, temperature included, and leave the weights alone from there on.",
        anchor="sl-temperature",
        section="The temperature divides",
        wrong=_weighed(
            lambda query, keys, temperature: (-_squared(query, keys)).softmax(-1) / (2 * temperature),
            lambda query, keys, temperature: (-_squared(query, keys) / 2).softmax(-1) / temperature,
            lambda query, keys, temperature: (-_squared(query, keys)).softmax(-1) / temperature,
        ),
        evidence="https://github.com/MoonshotAI/Kimi-Audio/pull/161",
    ),
    Misconception(
        id="lookup-nearest-only",
        title="You return the value of the nearest key alone; a soft lookup listens to all.",
        belief="That is what a dictionary does, and what is left of the soft lookup at temperature zero. "
        "It has no slope: nothing tells the query in which direction to move, so it cannot learn.",
        hint="Weigh all the values, and add them up.",
        anchor="sl-limits",
        section="Cold and hot",
        wrong=_in_lookup(_nearest),
    ),
    Misconception(
        id="lookup-not-normalised",
        title="Your weights are not divided by their sum.",
        belief="exp(-distance) does lie between 0 and 1 and does fall with the distance. But without the "
        "division the result shrinks to zero where no key is near, and counts twice where two keys are. A "
        "mean does not.",
        hint="Weights that add up to one are what your softmax makes.",
        anchor="sl-average",
        section="A mean stays among the values",
        wrong=_weighed(
            lambda query, keys, temperature: (-_squared(query, keys) / (2 * temperature)).exp(), _density
        ),
    ),
    Misconception(
        id="lookup-underflow",
        title="At low temperatures all your exponentials are zero, and so is the sum that you divide by.",
        belief="The formula is right as you wrote it. At temperature 0.001 a squared distance of 4 is a "
        "score of -2000, and exp(-2000) is 0 in floating point, for the nearest key too. 0 / 0 is NaN, and an "
        "epsilon under the bar makes it 0, which is no mean either.",
        hint="Your own softmax is safe from this: call it.",
        anchor="sl-maximum",
        section="Subtract the maximum first",
        wrong=_weighed(_by_hand, _by_hand_with_epsilon),
    ),
    Misconception(
        id="lookup-one-over-distance",
        title="You weigh by one over the distance; asked for is an exponential of it.",
        belief="One over the distance falls with the distance too, and divided by its sum it makes shares. "
        "But it is infinite where a key meets the query, and has no temperature: nothing sets how far away "
        "a key may be and still count.",
        hint="Turn the distances into scores, and the scores into shares with your softmax.",
        anchor="sl-kernel",
        section="Weights that fall with the distance",
        wrong=_weighed(_one_over(1e-9), _one_over(1e-6), _one_over(1.0)),
    ),
    Misconception(
        id="lookup-weights-all-one",
        title="Every key gets the weight 1: your softmax runs over an axis with a single entry.",
        belief="The scores stand in a column, so that they can multiply the values row by row, and then the "
        "last axis has size 1. A share of one thing alone is the whole of it.",
        hint="Let the softmax run over the axis of the keys.",
        anchor="sl-axis",
        section="Along one axis",
        wrong=_in_lookup(_alone),
    ),
    Misconception(
        id="lookup-in-float32",
        title="You compute in float32 or shorter, whatever dtype the query and the keys have.",
        belief="float32 is torch's default, and seven digits are plenty for most of learning. But whoever "
        "passes float64 asks for sixteen: the rest is lost on the way in, and no conversion brings it back.",
        hint="Let the dtype of the inputs be the dtype of everything that is made from them.",
        anchor="sl-inputs",
        section="Leave x alone",
        wrong=_weighed(_in_single),
    ),
    Misconception(
        id="lookup-keys-averaged",
        title="You average the keys; it should be the values.",
        belief="The keys say where, the values what. Once the weights are known the keys have done their "
        "work.",
        hint="Look at the last product: its right-hand factor.",
        anchor="sl-average",
        section="A mean stays among the values",
        wrong=_in_lookup(_keys_averaged),
    ),
    Misconception(
        id="lookup-weights-returned",
        title="You return the weights; asked for is the weighted mean of the values.",
        belief="The weights are the interesting part, and they are right. There are n of them; the output "
        "has as many numbers as one value.",
        hint="Multiply the weights with the values, and add up over the keys.",
        anchor="sl-average",
        section="A mean stays among the values",
        wrong=_in_lookup(lambda query, keys, values, temperature: _right_weights(query, keys, temperature)),
    ),
    Misconception(
        id="lookup-not-added-up",
        title="You weigh the values, and do not add them up.",
        belief="Each value times its weight is right. That is what each key contributes; the answer is the "
        "sum of the contributions, one vector as wide as a value.",
        hint="Sum over the axis of the keys, or let a matrix product do both at once.",
        anchor="sl-average",
        section="A mean stays among the values",
        wrong=_in_lookup(_not_added),
    ),
    Misconception(
        id="lookup-values-transposed",
        title="You multiply the values with the weights from the wrong side: each feature is summed over "
        "features.",
        belief="A vector may stand on either side of a matrix, and torch then sums over the axis that it "
        "meets. The weights count keys, and the keys are the first axis of the values. From the right they "
        "meet the features, which only fits where there are as many of these.",
        hint="The weights, a row of n, go in front of the (n, v) values.",
        anchor="sl-average",
        section="A mean stays among the values",
        wrong=_in_lookup(
            lambda query, keys, values, temperature: values @ _right_weights(query, keys, temperature)
        ),
    ),
    Misconception(
        id="lookup-keeps-an-axis",
        title="Your output has one axis too many: (1, v) in place of (v,).",
        belief="Giving the query an axis in front helps it to meet the keys, and a single query is then a "
        "batch of one. The numbers are right; the axis stays in the result.",
        hint="Take the extra axis off before you return.",
        anchor="sl-average",
        section="A mean stays among the values",
        wrong=_in_lookup(_one_row),
    ),
)
