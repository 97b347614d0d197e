"""Mistakes with what a forbidden score becomes, and with what is then left of an empty row."""

import math

import torch
from torch import Tensor

from plenary.checks.exercise import Function, Misconception


def _in_weights(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    return {"masked_softmax": wrong}


def _filled(fill: float) -> Function:
    return lambda scores, mask: scores.masked_fill(~mask, fill).softmax(-1)


def _filled_with_lowest(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1)


def _lowered(by: float) -> Function:
    return lambda scores, mask: (scores + ~mask * by).softmax(-1)


def _filled_and_cleared(fill: float) -> Function:
    return lambda scores, mask: scores.masked_fill(~mask, fill).softmax(-1) * mask


def _in_single(scores: Tensor, mask: Tensor) -> Tensor:
    empty = ~mask.any(-1, keepdim=True)
    return scores.float().masked_fill(~(mask | empty), -math.inf).softmax(-1).masked_fill(empty, 0.0)


def _rows_by_index(scores: Tensor, mask: Tensor) -> Tensor:
    weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
    weights[~mask.any(-1)] = 0
    return weights


def _entries_by_index(scores: Tensor, mask: Tensor) -> Tensor:
    filled = scores.clone()
    filled[~mask] = -math.inf
    return filled.softmax(-1).nan_to_num(0.0)


def _in_place(scores: Tensor, mask: Tensor) -> Tensor:
    scores.masked_fill_(~mask, -math.inf)
    return torch.nan_to_num(scores.softmax(-1))


def _in_place_by_index(scores: Tensor, mask: Tensor) -> Tensor:
    scores[~mask.expand_as(scores)] = -math.inf
    return torch.nan_to_num(scores.softmax(-1))


FILL_MISTAKES = (
    Misconception(
        id="masked-softmax-filled-with-zero",
        title="You set forbidden scores to 0 (or next to it); they still get weight.",
        belief="Zero is a score like any other, and e^0 is 1. Where the permitted scores are negative the "
        "forbidden key even gets the most. (-1e-9, with a minus in the exponent, is next to zero, too.)",
        hint="The score whose exponential is zero is minus infinity.",
        anchor="mask-fill",
        section="Zero, minus ten, minus a billion",
        wrong=_in_weights(
            _filled(0.0),
            _filled(-1e-9),
            _filled(1e-9),
            lambda scores, mask: (scores * mask).softmax(-1),
        ),
        evidence="https://github.com/hyunwoongko/transformer/issues/10",
    ),
    Misconception(
        id="masked-softmax-weak-fill",
        title="You set forbidden scores to a moderately negative number; they still count in the sum.",
        belief="e^-10 is small, not zero. And small is a matter of company: where the permitted scores are "
        "lower than your fill, the forbidden key wins the row; clearing its weight afterwards does not give "
        "the others theirs. Trained models do reach scores below -100000.",
        hint="Minus infinity is below every score, whatever the scores are.",
        anchor="mask-fill",
        section="Zero, minus ten, minus a billion",
        wrong=_in_weights(
            _filled(-10.0),
            _filled(-20.0),
            _filled(-100.0),
            _filled(-1e3),
            _filled(-1e4),
            _lowered(-10.0),
            _lowered(-100.0),
            _filled_and_cleared(-10.0),
            _filled_and_cleared(-20.0),
            _filled_and_cleared(-100.0),
            _filled_and_cleared(-1e3),
            _filled_and_cleared(-1e4),
        ),
        evidence="https://github.com/TransformerLensOrg/TransformerLens/pull/366",
    ),
    Misconception(
        id="masked-softmax-mask-added",
        title="You add the boolean mask to the scores; that raises permitted scores by 1 and forbids "
        "nothing.",
        belief="Masks that are added hold 0 and minus infinity. True and False are added as 1 and 0.",
        hint="Turn the mask into 0 and minus infinity first, or fill the scores where it is False.",
        anchor="mask-fill",
        section="Zero, minus ten, minus a billion",
        wrong=_in_weights(lambda scores, mask: (scores + mask).softmax(-1)),
        evidence="https://github.com/pytorch/pytorch/issues/21518",
    ),
    Misconception(
        id="masked-softmax-zero-times-infinity",
        title="You multiply the mask by minus infinity: at permitted keys that is 0 times infinity, which "
        "is NaN.",
        belief="(1 - mask) * -1e9 is a well-known line, and minus infinity is the better number. But 0 "
        "times infinity is not 0 in floating point, so every permitted score becomes NaN.",
        hint="Choose between the score and minus infinity, with where or masked_fill, in place of "
        "multiplying.",
        anchor="mask-fill",
        section="Zero, minus ten, minus a billion",
        wrong=_in_weights(
            lambda scores, mask: (scores + ~mask * -math.inf).softmax(-1),
            lambda scores, mask: (scores * mask + ~mask * -math.inf).softmax(-1),
        ),
        evidence="https://github.com/onnx/onnx/pull/8068",
    ),
    Misconception(
        id="masked-softmax-empty-row-nan",
        title="A row where nothing is permitted gets NaN; it should get zero.",
        belief="With every score at minus infinity the softmax is 0 / 0. Such rows do occur, and one NaN "
        "spreads to everything that is computed from it.",
        hint="Find the rows of the mask without a True, and see to it that their weights are zero.",
        anchor="mask-empty",
        section="The empty row",
        wrong=_in_weights(_filled(-math.inf)),
        evidence="https://github.com/pytorch/pytorch/issues/103963",
    ),
    Misconception(
        id="masked-softmax-finite-fill",
        title="A row where nothing is permitted attends to everything; it should get zero.",
        belief="A number such as -1e9, or the lowest that the dtype has, hides a key beside a permitted "
        "one. In a row where all are equally low none is: the softmax sees differences only, and shares "
        "out one unit as ever. Nothing crashes, so nobody notices.",
        hint="Find the rows of the mask without a True, and see to it that their weights are zero.",
        anchor="mask-empty",
        section="The empty row",
        wrong=_in_weights(_filled(-1e9), _filled_with_lowest, _lowered(-1e9), _lowered(-1e30), _filled(-1e5)),
        evidence="https://github.com/lsdefine/attention-is-all-you-need-keras/issues/16",
    ),
    Misconception(
        id="masked-softmax-in-place",
        title="The weights are right, but your function changes the scores.",
        belief="masked_fill_, with a _ at the end, and scores[...] = ... write into the tensor that was "
        "passed in. The caller may need it, and backpropagation refuses.",
        hint="Use masked_fill or torch.where, which return a new tensor.",
        anchor="mask-inputs",
        section="Leave the scores alone",
        wrong=_in_weights(_in_place, _in_place_by_index),
    ),
    Misconception(
        id="masked-softmax-needs-a-full-mask",
        title="Your function is right for a mask in the shape of the scores, and fails where it has to broadcast.",
        belief="Indexing with a mask, as in weights[~mask] = 0, takes it as it is: it does not broadcast. A "
        "mask that is the same for all heads or all queries has an axis of size 1, or none, in their place.",
        hint="Choose with masked_fill or torch.where, which broadcast, or expand the mask first.",
        anchor="mask-shapes",
        section="Four axes",
        wrong=_in_weights(_rows_by_index, _entries_by_index),
    ),
    Misconception(
        id="masked-softmax-in-float32",
        title="You compute in float32 or shorter, whatever dtype the scores have.",
        belief="float32 is torch's default, and seven digits are plenty for most of learning. But whoever "
        "passes float64 asks for sixteen: the rest is lost on the way in, and no conversion brings it back.",
        hint="Let the dtype of the scores be the dtype of everything that is made from them.",
        anchor="mask-inputs",
        section="Leave the scores alone",
        wrong=_in_weights(_in_single),
    ),
    Misconception(
        id="masked-softmax-nan-gradient",
        title="The weights are right, but an empty row makes the gradient NaN.",
        belief="Replacing NaN by zero afterwards mends the value. Backpropagation goes through the softmax "
        "of that row all the same, and 0 times NaN is NaN.",
        hint="Keep NaN from arising: leave the scores of empty rows unmasked, and zero their weights at "
        "the end.",
        anchor="mask-empty-gradient",
        section="The empty row's gradient",
        wrong=_in_weights(
            lambda scores, mask: (scores + mask.to(scores.dtype).log()).softmax(-1).nan_to_num(0.0),
        ),
        harmless=True,
        evidence="https://github.com/pytorch/pytorch/issues/41508",
    ),
)
