"""Mistakes in the lookup's scores: in the distance, and in the temperature."""

import math
from collections.abc import Callable

from torch import Tensor

from plenary.checks.exercise import Function, Misconception

Score = Callable[[Tensor, Tensor, float], Tensor]


def _squared(query: Tensor, keys: Tensor) -> Tensor:
    return (keys - query).square().sum(-1)


def _in_lookup(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    return {"soft_lookup": wrong}


def _scored(*wrong: Score) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong scores, in a lookup that is right from there on."""

    def lookup(score: Score) -> Function:
        def look(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
            return score(query, keys, temperature).softmax(-1) @ values

        return look

    return _in_lookup(*map(lookup, wrong))


DISTANCE_MISTAKES = (
    Misconception(
        id="lookup-sign",
        title="Your weights grow with the distance; they should fall with it.",
        belief="A large number in the softmax means a large share. A distance is large when key and query "
        "are far apart, so a softmax of distances listens to the stranger.",
        hint="A minus turns a distance into a closeness.",
        anchor="sl-kernel",
        section="Weights that fall with the distance",
        wrong=_scored(lambda query, keys, temperature: _squared(query, keys) / (2 * temperature)),
        evidence="https://github.com/christophM/interpretable-ml-book/pull/160",
    ),
    Misconception(
        id="lookup-distance-not-squared",
        title="You use the distance itself; asked for is its square.",
        belief="Both fall as the key moves away. Under the exponential they make different shapes: the "
        "distance gives a peak with a sharp tip, the square a bell, smooth where query and key meet, and "
        "only the square turns into a dot product.",
        hint="Sum the squared differences, and take no root afterwards.",
        anchor="sl-kernel",
        section="Weights that fall with the distance",
        wrong=_scored(
            lambda query, keys, temperature: -(keys - query).norm(dim=-1) / (2 * temperature),
            lambda query, keys, temperature: -(keys - query).abs().sum(-1) / (2 * temperature),
            lambda query, keys, temperature: -(keys - query).norm(dim=-1) / temperature,
            lambda query, keys, temperature: -(keys - query).abs().sum(-1) / temperature,
        ),
        evidence="https://github.com/hoxo-m/densratio/issues/6",
    ),
    Misconception(
        id="lookup-added-before-squared",
        title="You add up the differences first and square the sum; each difference is to be squared first.",
        belief="With one feature the order makes no difference. With more, differences of either sign cancel "
        "in the sum: a key may be far away in two directions and seem to be at distance zero.",
        hint="A squared distance is a sum of squares, not the square of a sum.",
        anchor="sl-kernel",
        section="Weights that fall with the distance",
        wrong=_scored(
            lambda query, keys, temperature: -(keys - query).sum(-1).square() / (2 * temperature),
        ),
    ),
    Misconception(
        id="lookup-distance-averaged",
        title="You average the squared differences over the features; a squared distance adds them up.",
        belief="A mean squared error is a squared distance divided by d. The factor does not cancel: it "
        "acts as a temperature d times as high.",
        hint="Take the sum over the last axis, not the mean.",
        anchor="sl-kernel",
        section="Weights that fall with the distance",
        wrong=_scored(
            lambda query, keys, temperature: -(keys - query).square().mean(-1) / (2 * temperature),
        ),
    ),
    Misconception(
        id="lookup-distance-over-keys",
        title="You add up the squared differences over the keys; each key needs a distance of its own.",
        belief="Both axes of the differences can be summed over. Summing over the first mixes all keys "
        "into one number for each feature; where there are as many keys as features it even runs.",
        hint="There have to be n distances: sum over the axis of the features.",
        anchor="sl-kernel",
        section="Weights that fall with the distance",
        wrong=_scored(lambda query, keys, temperature: -(keys - query).square().sum(0) / (2 * temperature)),
    ),
    Misconception(
        id="lookup-dot-product",
        title="You compare by the dot product; this lookup compares by the squared distance.",
        belief="Chapter 3 does compare by a dot product, and for keys of equal length the two agree. For "
        "keys of different lengths they do not: a long key wins a dot product without being near.",
        hint="Start from the differences between the query and each key.",
        anchor="sl-dot-product",
        section="On the way to the dot product",
        wrong=_scored(
            lambda query, keys, temperature: keys @ query / temperature,
            lambda query, keys, temperature: keys @ query / (2 * temperature),
            lambda query, keys, temperature: keys @ query / query.shape[-1] ** 0.5,
        ),
    ),
    Misconception(
        id="lookup-temperature-multiplies",
        title="Your distances are multiplied by the temperature; they should be divided by it.",
        belief="Hot means undecided: the higher the temperature, the more alike the weights. Multiplying "
        "does the opposite. It also happens by accident: x / 2 * t is read from the left, (x / 2) * t.",
        hint="Both the 2 and the temperature belong under the fraction bar; put them in brackets.",
        anchor="sl-temperature",
        section="The temperature divides",
        wrong=_scored(
            lambda query, keys, temperature: -_squared(query, keys) / 2 * temperature,
            lambda query, keys, temperature: -_squared(query, keys) * 2 * temperature,
            lambda query, keys, temperature: -_squared(query, keys) * temperature,
        ),
        evidence="https://github.com/mdbartos/graph-signals/issues/1",
    ),
    Misconception(
        id="lookup-half-missing",
        title="You divide by the temperature; asked for is twice the temperature.",
        belief="The 2 looks like a detail, and another temperature would make up for it. It is there so "
        "that the temperature is the variance of a bell curve, and so that the dot product comes out "
        "without a factor.",
        hint="Look at the formula's fraction bar once more.",
        anchor="sl-kernel",
        section="Weights that fall with the distance",
        wrong=_scored(lambda query, keys, temperature: -_squared(query, keys) / temperature),
        evidence="https://github.com/mattnedrich/MeanShift_cpp/issues/4",
    ),
    Misconception(
        id="lookup-temperature-squared",
        title="You divide by the square of the temperature.",
        belief="In a bell curve it is the width that is squared: 2 sigma^2. The temperature stands for "
        "sigma^2 already.",
        hint="Use the temperature as it comes.",
        anchor="sl-temperature",
        section="The temperature divides",
        wrong=_scored(lambda query, keys, temperature: -_squared(query, keys) / (2 * temperature**2)),
        evidence="https://github.com/d2l-ai/d2l-en/pull/2665",
    ),
    Misconception(
        id="lookup-temperature-ignored",
        title="Your weights do not depend on the temperature.",
        belief="At temperature 1 nothing is missing, and 1 is what most examples use. At any other the "
        "sharpness of the choice is what the temperature is there to set.",
        hint="Divide the squared distances by it before the softmax.",
        anchor="sl-temperature",
        section="The temperature divides",
        wrong=_scored(
            lambda query, keys, temperature: -_squared(query, keys) / 2,
            lambda query, keys, temperature: -_squared(query, keys),
        ),
    ),
    Misconception(
        id="lookup-temperature-rooted",
        title="You divide by the root of the temperature.",
        belief="A bell curve has a width, and its width is the root of its variance. The exponent asks for "
        "the variance, and the temperature stands for that.",
        hint="Use the temperature as it comes.",
        anchor="sl-temperature",
        section="The temperature divides",
        wrong=_scored(
            lambda query, keys, temperature: -_squared(query, keys) / (2 * math.sqrt(temperature)),
            lambda query, keys, temperature: -_squared(query, keys) / math.sqrt(2 * temperature),
            lambda query, keys, temperature: -_squared(query, keys) / math.sqrt(temperature),
        ),
    ),
)
