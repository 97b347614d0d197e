"""Mistakes in testing whether a layer sees order."""

from collections.abc import Callable

import torch
from torch import Tensor

from plenary.checks.exercise import Function, Misconception

Layer = Callable[[Tensor], Tensor]
Compare = Callable[[Tensor, Tensor], object]
NAME = "is_permutation_equivariant"


def _compared(compare: Compare) -> Function:
    """Permute before and after as it should be done, and compare in some way."""

    def test(layer: Layer, x: Tensor, permutation: Tensor) -> object:
        return compare(layer(x[:, permutation]), layer(x)[:, permutation])

    return test


def _inverse_on_one_side(layer: Layer, x: Tensor, permutation: Tensor) -> object:
    return torch.allclose(layer(x[:, permutation]), layer(x)[:, permutation.argsort()])


def _permuted_twice(layer: Layer, x: Tensor, permutation: Tensor) -> object:
    return torch.allclose(layer(x[:, permutation])[:, permutation], layer(x))


def _inputs_only(layer: Layer, x: Tensor, permutation: Tensor) -> object:
    return torch.allclose(layer(x[:, permutation]), layer(x))


def _outputs_only(layer: Layer, x: Tensor, permutation: Tensor) -> object:
    return torch.allclose(layer(x)[:, permutation], layer(x))


def _batch(layer: Layer, x: Tensor, permutation: Tensor) -> object:
    return torch.allclose(layer(x[permutation]), layer(x)[permutation])


def _features(layer: Layer, x: Tensor, permutation: Tensor) -> object:
    return torch.allclose(layer(x[..., permutation]), layer(x)[..., permutation])


def _drawn(layer: Layer, x: Tensor, permutation: Tensor) -> object:
    own = torch.randperm(x.shape[1])
    return torch.allclose(layer(x[:, own]), layer(x)[:, own])


def _reversed(layer: Layer, x: Tensor, permutation: Tensor) -> object:
    return torch.allclose(layer(x.flip(1)), layer(x).flip(1))


EQUIVARIANCE_MISTAKES = (
    Misconception(
        id="peq-one-side-only",
        title="You permute on one side only: that asks whether order makes no difference at all.",
        belief="A layer that does not care about order should give the same for any order, one might think. "
        "But if the tokens change places, so do their outputs. Giving the same table whatever the order "
        "is called invariance, and only something like a mean over all tokens does that.",
        hint="Permute before the layer, permute after the layer, and compare the two.",
        anchor="pos-test",
        section="What attention cannot see",
        wrong={NAME: (_inputs_only, _outputs_only)},
    ),
    Misconception(
        id="peq-inverse",
        title="You compare against the inverse permutation.",
        belief="Permuting the outputs is meant to follow the inputs, or to undo what was done to them, and it "
        "is easy to do the one with the index for the other. x[:, p] puts token p[t] at place t; using "
        "p once more does not put it back, unless p is a swap.",
        hint="Either permute both sides with p, or undo one side with argsort(p); not p on one and its "
        "inverse on the other.",
        anchor="pos-inverse",
        section="A permutation and its inverse",
        wrong={NAME: (_inverse_on_one_side, _permuted_twice)},
        evidence="https://github.com/lablup/mlxcel/issues/1600",
    ),
    Misconception(
        id="peq-permutes-batch",
        title="You permute the batch; the tokens are axis 1.",
        belief="x[permutation] reorders the first axis, and in (B, T, D) that is the samples. Nothing in a "
        "layer mixes samples, so every layer would pass.",
        hint="Index the axis of the tokens.",
        anchor="pos-test",
        section="What attention cannot see",
        wrong={NAME: (_batch,)},
    ),
    Misconception(
        id="peq-permutes-features",
        title="You permute the features; the tokens are axis 1.",
        belief="The last axis is the usual one to work on. But exchanging features changes what every token "
        "is, not where it stands.",
        hint="Index the axis of the tokens.",
        anchor="pos-test",
        section="What attention cannot see",
        wrong={NAME: (_features,)},
    ),
    Misconception(
        id="peq-exact",
        title="You ask for equality to the last digit.",
        belief="In mathematics the two sides are equal. In floating point, a sum in another order has other "
        "last digits, and attention sums over the tokens.",
        hint="Allow for rounding, as torch.allclose does.",
        anchor="pos-tolerance",
        section="Equal up to rounding",
        wrong={NAME: (_compared(torch.equal), _compared(lambda a, b: bool((a == b).all())))},
    ),
    Misconception(
        id="peq-too-lenient",
        title="Your tolerance is so wide that faint positions slip through.",
        belief="Some slack is needed for rounding, and 0.1 looks small. A learned table of positions starts at "
        "about 0.02, and rounding is below 0.00001: between the two there is plenty of room.",
        hint="Stay near the default tolerances of torch.allclose.",
        anchor="pos-tolerance",
        section="Equal up to rounding",
        wrong={
            NAME: (
                _compared(lambda a, b: torch.allclose(a, b, atol=0.1)),
                _compared(lambda a, b: bool((a - b).abs().mean() < 0.1)),
                _compared(lambda a, b: torch.allclose(a, b, atol=0.1, rtol=0.1)),
            )
        },
    ),
    Misconception(
        id="peq-looks-at-a-part",
        title="You compare a part of the outputs only: one token, one sample, or one feature.",
        belief="One token is quicker to look at than all of them, and for most layers it tells. But a layer "
        "may treat the first token like any other and the last one differently.",
        hint="Compare the whole tensors.",
        anchor="pos-test",
        section="What attention cannot see",
        wrong={
            NAME: (
                _compared(lambda a, b: torch.allclose(a[0], b[0])),
                _compared(lambda a, b: torch.allclose(a[:, 0], b[:, 0])),
                _compared(lambda a, b: torch.allclose(a[..., 0], b[..., 0])),
            )
        },
    ),
    Misconception(
        id="peq-compares-means",
        title="You compare something in which order no longer shows, such as a sum, a mean or a norm.",
        belief="If the outputs are permuted, their mean stays the same, so equal means look like a proof. They "
        "are equal for many a layer that does see the order: adding a table of positions changes "
        "nothing in the mean of the sum, and turning the sequence round nothing in norms or sorted "
        "values.",
        hint="Compare number by number.",
        anchor="pos-test",
        section="What attention cannot see",
        wrong={
            NAME: (
                _compared(lambda a, b: torch.allclose(a.mean(), b.mean())),
                _compared(lambda a, b: torch.allclose(a.sum(1), b.sum(1))),
                _compared(lambda a, b: torch.allclose(a.norm(), b.norm())),
                _compared(lambda a, b: torch.allclose(a.sort(1).values, b.sort(1).values)),
            )
        },
    ),
    Misconception(
        id="peq-sign",
        title="You compare differences with their sign: a negative one passes for a small one.",
        belief="Where the two sides agree, every difference is near 0, and so is the largest. But a largest "
        "difference of -3 is below any tolerance too, and differences of both signs can cancel in a "
        "mean.",
        hint="What counts is the size of a difference, not its direction.",
        anchor="pos-test",
        section="What attention cannot see",
        wrong={
            NAME: (
                _compared(lambda a, b: bool((a - b).max() < 1e-5)),
                _compared(lambda a, b: bool((b - a).max() < 1e-5)),
                _compared(lambda a, b: bool((a - b).mean() < 1e-5)),
                _compared(lambda a, b: bool((b - a).mean() < 1e-5)),
                _compared(lambda a, b: bool((a - b).sum() < 1e-5)),
            )
        },
    ),
    Misconception(
        id="peq-turned-over",
        title="Your answer is turned over: True where the layer sees the order, False where it does not.",
        belief="The test looks for a difference, and finding one feels like a yes. The question is whether the "
        "layer is equivariant, and a difference says that it is not.",
        hint="Read the function's name as a question, and answer that.",
        anchor="pos-test",
        section="What attention cannot see",
        wrong={NAME: (_compared(lambda a, b: not torch.allclose(a, b, atol=1e-6)),)},
    ),
    Misconception(
        id="peq-any-suffices",
        title="One number that agrees is enough for you; all of them have to.",
        belief="any and all both make one answer of many. Nearly always some number agrees, since one token or "
        "one feature may be untouched.",
        hint="The layer passes if every number agrees.",
        anchor="pos-test",
        section="What attention cannot see",
        wrong={NAME: (_compared(lambda a, b: bool(torch.isclose(a, b, atol=1e-6).any())),)},
    ),
    Misconception(
        id="peq-compares-with-input",
        title="You compare the layer's output with its input: only a layer that does nothing passes.",
        belief="x before and x after are at hand, and both can be permuted. The question is not whether the "
        "layer changes the tokens. It is whether it changes them in the same way wherever they stand.",
        hint="Both sides of the comparison have been through the layer.",
        anchor="pos-test",
        section="What attention cannot see",
        wrong={
            NAME: (
                lambda layer, x, permutation: torch.allclose(layer(x), x),
                lambda layer, x, permutation: torch.allclose(layer(x[:, permutation]), x[:, permutation]),
                lambda layer, x, permutation: torch.allclose(layer(x)[:, permutation], x[:, permutation]),
            )
        },
    ),
    Misconception(
        id="peq-always-true",
        title="Your answer is True for every layer.",
        belief="Two sides that are made in the same way agree, whatever the layer does: both from the permuted "
        "tokens, say, or both with the permutation after the layer.",
        hint="On one side the permutation comes before the layer, on the other after it.",
        anchor="pos-test",
        section="What attention cannot see",
        wrong={
            NAME: (
                lambda layer, x, permutation: True,
                lambda layer, x, permutation: torch.allclose(
                    layer(x)[:, permutation], layer(x)[:, permutation]
                ),
            )
        },
    ),
    Misconception(
        id="peq-own-permutation",
        title="You try a permutation of your own; the one that is given is not used.",
        belief="A layer that is blind to order is so for every permutation, so any will do to refute it. But "
        "the question here is about this layer, these tokens and this permutation, and a drawn one "
        "makes the answer a matter of luck.",
        hint="Use the argument.",
        anchor="pos-test",
        section="What attention cannot see",
        wrong={NAME: (_drawn, _reversed)},
    ),
    Misconception(
        id="peq-answer-for-each-number",
        title="You return an answer for each number; asked for is one, True or False.",
        belief="torch.isclose and == compare element by element, and print as tables of True. A caller wants "
        "to write *if*.",
        hint="The layer passes if all of them agree.",
        anchor="pos-test",
        section="What attention cannot see",
        wrong={NAME: (_compared(torch.isclose), _compared(lambda a, b: torch.isclose(a, b).all(-1)))},
    ),
)
