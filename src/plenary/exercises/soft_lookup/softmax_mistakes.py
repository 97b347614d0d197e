"""Mistakes in the softmax: in what is divided by what, along which axis, and how large the numbers may be."""

import torch
from torch import Tensor

from plenary.checks.exercise import Function, Misconception


def _in_softmax(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    return {"softmax": wrong}


def _along(x: Tensor, dim: int) -> Tensor:
    return (x - x.amax(dim, keepdim=True)).exp()


def _shared(exponentials: Tensor, dim: int) -> Tensor:
    return exponentials / exponentials.sum(dim, keepdim=True)


def _right(x: Tensor, dim: int) -> Tensor:
    return _shared(_along(x, dim), dim)


def _over_everything(x: Tensor, dim: int) -> Tensor:
    exponentials = (x - x.max()).exp()
    return exponentials / exponentials.sum()


def _lost_axis(x: Tensor, dim: int) -> Tensor:
    exponentials = _along(x, dim)
    return exponentials / exponentials.sum(dim)


def _lost_axis_twice(x: Tensor, dim: int) -> Tensor:
    exponentials = (x - x.amax(dim)).exp()
    return exponentials / exponentials.sum(dim)


def _lost_axis_of_maximum(x: Tensor, dim: int) -> Tensor:
    return _shared((x - x.amax(dim)).exp(), dim)


def _in_place(x: Tensor, dim: int) -> Tensor:
    x -= x.amax(dim, keepdim=True)
    return _shared(x.exp(), dim)


def _all_in_place(x: Tensor, dim: int) -> Tensor:
    x.sub_(x.amax(dim, keepdim=True)).exp_()
    return x.div_(x.sum(dim, keepdim=True))


def _epsilon(size: float) -> Function:
    def softmax(x: Tensor, dim: int) -> Tensor:
        exponentials = _along(x, dim)
        return exponentials / (exponentials.sum(dim, keepdim=True) + size)

    return softmax


def _vanishing(x: Tensor, dim: int) -> Tensor:
    exponentials = x.exp()
    return exponentials / (exponentials.sum(dim, keepdim=True) + 1e-8)


def _clipped(low: float | None, high: float) -> Function:
    return lambda x, dim: _shared(x.clamp(low, high).exp(), dim)


def _by_largest(x: Tensor, dim: int) -> Tensor:
    return _shared((x / x.amax(dim, keepdim=True)).exp(), dim)


def _largest_only(x: Tensor, dim: int) -> Tensor:
    return (0 * x).scatter(dim, x.argmax(dim, keepdim=True), 1)


def _in_single(x: Tensor, dim: int) -> Tensor:
    return _right(x.float(), dim)


def _sum_of_x(x: Tensor, dim: int) -> Tensor:
    return x.exp() / x.sum(dim, keepdim=True)


def _sum_of_shifted_x(x: Tensor, dim: int) -> Tensor:
    shifted = x - x.amax(dim, keepdim=True)
    return shifted.exp() / shifted.sum(dim, keepdim=True)


SOFTMAX_MISTAKES = (
    Misconception(
        id="softmax-without-exponential",
        title="You divide the numbers themselves by their sum; the softmax divides their exponentials.",
        belief="Dividing by the sum does make numbers add up to one. But numbers may be negative, and then "
        "so are the shares; they may even add up to zero. An exponential is positive, whatever goes in.",
        hint="Put exp around each number first, then divide by the sum of what came out.",
        anchor="sl-softmax",
        section="Exponentials, divided by their sum",
        wrong=_in_softmax(lambda x, dim: x / x.sum(dim, keepdim=True)),
    ),
    Misconception(
        id="softmax-not-normalised",
        title="You return the exponentials; they are not yet divided by their sum.",
        belief="The exponentials have the right proportions to each other. Shares need a whole as well: "
        "along the axis they have to add up to one.",
        hint="Add the exponentials up along the axis, and divide by what you get.",
        anchor="sl-softmax",
        section="Exponentials, divided by their sum",
        wrong=_in_softmax(lambda x, dim: x.exp(), _along),
    ),
    Misconception(
        id="softmax-sum-without-exponential",
        title="Above the fraction bar stands an exponential, below it the sum of the plain numbers.",
        belief="The sum is over the same things that stand above the bar. If exp is missing below, the "
        "shares add up to anything, and a sum of zero divides by zero.",
        hint="Keep the exponentials in a variable of their own, and use that one twice.",
        anchor="sl-softmax",
        section="Exponentials, divided by their sum",
        wrong=_in_softmax(_sum_of_x, _sum_of_shifted_x),
        evidence="https://github.com/p2irc/deepplantphenomics/pull/50",
    ),
    Misconception(
        id="softmax-logarithm-returned",
        title="You return the logarithms of the shares; asked for are the shares.",
        belief="log_softmax is what a loss function wants: x minus the logarithm of the sum is all that is "
        "left of the fraction. But a value cannot be weighed with a logarithm: none of these is positive.",
        hint="One exponential around your result is missing.",
        anchor="sl-softmax",
        section="Exponentials, divided by their sum",
        wrong=_in_softmax(
            lambda x, dim: x - x.logsumexp(dim, keepdim=True), lambda x, dim: _right(x, dim).log()
        ),
    ),
    Misconception(
        id="softmax-sign",
        title="Your shares go down where the numbers go up: the exponent has the wrong sign.",
        belief="Turning x - max round into max - x also bounds the exponential, though from the other "
        "side: now the largest number gets the smallest share. (torch has that too: softmin.)",
        hint="Subtract the maximum from x, not x from the maximum.",
        anchor="sl-maximum",
        section="Subtract the maximum first",
        wrong=_in_softmax(
            lambda x, dim: _right(-x, dim), lambda x, dim: _shared((x.amax(dim, keepdim=True) - x).exp(), dim)
        ),
    ),
    Misconception(
        id="softmax-sigmoid",
        title="You squash each number by itself, with the sigmoid; in a softmax the numbers compete.",
        belief="The sigmoid also gives numbers between 0 and 1, one for each input. It answers yes or no "
        "for each of them alone; shares of one whole have to look at all the numbers along the axis.",
        hint="Each exponential is divided by the sum over the axis, not by 1 plus itself.",
        anchor="sl-softmax",
        section="Exponentials, divided by their sum",
        wrong=_in_softmax(lambda x, dim: torch.sigmoid(x), lambda x, dim: x.exp() / (1 + x.exp())),
    ),
    Misconception(
        id="softmax-largest-only",
        title="You give everything to the largest number; a softmax gives a share to each.",
        belief="The largest number does get the largest share. How much larger is what the softmax says, "
        "and it says it smoothly: a choice of the largest alone has no slope to learn from.",
        hint="Build the shares from exponentials; no number is picked out.",
        anchor="sl-softmax",
        section="Exponentials, divided by their sum",
        wrong=_in_softmax(_largest_only),
    ),
    Misconception(
        id="softmax-over-everything",
        title="You divide by the sum over all the numbers; it should be the sum along one axis.",
        belief="sum() without an axis adds up everything there is, and for a single vector that is right. "
        "In a table every row (or every column) is a softmax of its own, and each has to add up to one.",
        hint="Tell the sum, and the maximum too, along which axis to run, and keep that axis so that it "
        "broadcasts.",
        anchor="sl-axis",
        section="Along one axis",
        wrong=_in_softmax(_over_everything, lambda x, dim: x.exp() / x.exp().sum()),
        evidence="https://github.com/nntrainer/nntrainer/pull/430",
    ),
    Misconception(
        id="softmax-dim-ignored",
        title="Your softmax runs along the same axis every time; which one is for dim to say.",
        belief="The last axis is the usual one in attention, so it is easily written into the code. But "
        "whoever calls softmax(x, dim=0) wants columns that add up to one.",
        hint="Hand dim on to the maximum and to the sum.",
        anchor="sl-axis",
        section="Along one axis",
        wrong=_in_softmax(
            lambda x, dim: _right(x, -1),
            lambda x, dim: _right(x, 0),
            lambda x, dim: _right(x, 1),
            lambda x, dim: _shared(x.exp(), -1),
            lambda x, dim: _shared(x.exp(), 0),
        ),
        evidence="https://github.com/paiml/aprender/pull/2152",
    ),
    Misconception(
        id="softmax-axis-lost",
        title="A sum or maximum has lost its axis, and broadcasts along the wrong one.",
        belief="After sum(dim) the axis is gone. When a table (5, 7) meets a vector, broadcasting lines "
        "them up from the right: the sums of the rows are then divided into the columns. In a square table "
        "nothing crashes, and the numbers are wrong.",
        hint="Ask for the axis to be kept, with size 1: keepdim=True.",
        anchor="sl-axis",
        section="Along one axis",
        wrong=_in_softmax(_lost_axis, _lost_axis_twice, _lost_axis_of_maximum),
        evidence="https://github.com/triton-lang/triton/pull/11409",
    ),
    Misconception(
        id="softmax-not-shifted",
        title="Your softmax overflows: nothing keeps the numbers that go into exp from being large.",
        belief="On paper nothing is wrong. In float64 exp(710) is infinite, in float32 exp(89), and "
        "infinity over infinity is NaN; far below zero all exponentials are 0, and 0 / 0 is NaN too.",
        hint="Shares do not notice a constant that is subtracted from all the numbers: find the one which "
        "makes every exponential at most 1, and one of them equal to 1.",
        anchor="sl-maximum",
        section="Subtract the maximum first",
        wrong=_in_softmax(
            lambda x, dim: _shared(x.exp(), dim),
            lambda x, dim: _shared((x - x.mean(dim, keepdim=True)).exp(), dim),
            lambda x, dim: _shared((x - x.amin(dim, keepdim=True)).exp(), dim),
            lambda x, dim: torch.nan_to_num(_shared(x.exp(), dim)),
            _vanishing,
        ),
        evidence="https://github.com/pyg-team/pytorch_geometric/issues/53",
    ),
    Misconception(
        id="softmax-one-maximum-for-all",
        title="You subtract one maximum from everything; each row along dim needs its own.",
        belief="The largest number of all does prevent overflow. But a row that lies far below it has only "
        "exponentials of 0 left, and 0 / 0 is NaN.",
        hint="Take the maximum along dim, with the axis kept, as for the sum.",
        anchor="sl-maximum",
        section="Subtract the maximum first",
        wrong=_in_softmax(lambda x, dim: _shared((x - x.max()).exp(), dim)),
    ),
    Misconception(
        id="softmax-maximum-at-least-zero",
        title="You never subtract less than 0, so numbers far below zero still vanish.",
        belief="Overflow needs large positive numbers, so a maximum that starts from 0 (or one of absolute "
        "values) seems safe. But where all numbers are around -1000, all exponentials are 0, and 0 / 0 is "
        "NaN.",
        hint="Let the maximum be negative when all the numbers are.",
        anchor="sl-maximum",
        section="Subtract the maximum first",
        wrong=_in_softmax(
            lambda x, dim: _shared((x - x.amax(dim, keepdim=True).clamp_min(0)).exp(), dim),
            lambda x, dim: _shared((x - x.abs().amax(dim, keepdim=True)).exp(), dim),
        ),
        evidence="https://github.com/FluxML/NNlib.jl/pull/43",
    ),
    Misconception(
        id="softmax-clipped",
        title="You clip the numbers before you exponentiate them: what lies beyond the clip gets equal shares.",
        belief="Clipping does keep exp within bounds. But 900 and 903 are then the same number, and their "
        "shares differ by a factor of 20: a softmax sees differences, wherever on the line they are.",
        hint="Shift all the numbers of a sum together, so that their differences stay.",
        anchor="sl-maximum",
        section="Subtract the maximum first",
        wrong=_in_softmax(_clipped(-50, 50), _clipped(-80, 80), _clipped(None, 80), _clipped(None, 700)),
    ),
    Misconception(
        id="softmax-divided-by-maximum",
        title="You divide by the maximum; it should be subtracted.",
        belief="Dividing by the largest number also brings all of them down to 1 and below. But it changes "
        "their differences, and with them the shares; and a maximum of zero or less turns them round or "
        "makes NaN.",
        hint="Which change of all the numbers is the one that no share notices?",
        anchor="sl-maximum",
        section="Subtract the maximum first",
        wrong=_in_softmax(_by_largest),
    ),
    Misconception(
        id="softmax-epsilon",
        title="You add an epsilon to the denominator; the shares no longer add up to one.",
        belief="An epsilon guards against dividing by zero. Once the maximum is subtracted the largest "
        "exponential is 1, so the denominator is at least 1 and needs no guard: the epsilon only takes a "
        "part of every share.",
        hint="Leave the denominator as it is, and see to the exponent.",
        anchor="sl-epsilon",
        section="No epsilon is needed",
        wrong=_in_softmax(_epsilon(1e-3), _epsilon(1e-5), _epsilon(1e-6), _epsilon(1e-8)),
        evidence="https://github.com/OpenNMT/CTranslate2/pull/1468",
    ),
    Misconception(
        id="softmax-in-place",
        title="The shares are right, but your function changes x.",
        belief="x -= ... reads like x = x - ..., and the caller's tensor is a different matter: -=, /= and "
        "every method whose name ends in _ write into the tensor that was passed in. The caller may still "
        "need it, and backpropagation refuses.",
        hint="Give the shifted numbers a name of their own.",
        anchor="sl-inputs",
        section="Leave x alone",
        wrong=_in_softmax(_in_place, _all_in_place),
    ),
    Misconception(
        id="softmax-in-float32",
        title="You compute in float32 or shorter, whatever dtype x has.",
        belief="float32 is torch's default, and seven digits are plenty for most of learning. But whoever "
        "passes float64 asks for sixteen: the rest is lost on the way in, and no conversion brings it back.",
        hint="Let the dtype of x be the dtype of everything that is made from it.",
        anchor="sl-inputs",
        section="Leave x alone",
        wrong=_in_softmax(_in_single),
    ),
)
