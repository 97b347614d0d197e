"""Mistakes in putting the heads side by side again."""

import torch
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.multi_head.build import MERGE, MODULE, Stepwise


def _straight(x: Tensor) -> Tensor:
    batch, heads, length, width = x.shape
    return x.reshape(batch, length, heads * width)


def _interleaved(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).flatten(2)


def _wrong_pair(x: Tensor) -> Tensor:
    batch, heads, length, width = x.shape
    return x.transpose(-2, -1).reshape(batch, length, heads * width)


def _viewed(x: Tensor) -> Tensor:
    batch, heads, length, width = x.shape
    return x.transpose(1, 2).view(batch, length, heads * width)


def _wrong_other_pair(x: Tensor) -> Tensor:
    batch, heads, length, width = x.shape
    return x.transpose(1, 3).reshape(batch, length, heads * width)


class _Straight(Stepwise):
    def merge(self, x: Tensor) -> Tensor:
        return _straight(x)


class _Interleaved(Stepwise):
    def merge(self, x: Tensor) -> Tensor:
        return _interleaved(x)


class _Viewed(Stepwise):
    def merge(self, x: Tensor) -> Tensor:
        return _viewed(x)


MERGE_MISTAKES = (
    Misconception(
        id="mh-merge-without-transpose",
        title="You merge the heads without moving their axis back behind the tokens.",
        belief="A reshape to (B, T, D) gives the right shape from (B, H, T, d) too. But memory holds all "
        "tokens of head 0 first, so the first token gets what head 0 says of several tokens, and never "
        "hears the other heads. Training hides it: many a task can be learned all the same.",
        hint="Undo the split in the opposite order: exchange the axes first, then let two axes become one.",
        anchor="mh-merge",
        section="Merge: the same steps backwards",
        wrong={MERGE: (_straight,), MODULE: (_Straight,)},
        evidence="https://github.com/jsbaan/transformer-from-scratch/pull/6",
    ),
    Misconception(
        id="mh-merge-interleaved",
        title="You merge in the order (d, H): the heads' features alternate instead of standing side by side.",
        belief="All of a token's numbers are there, but dealt out like cards. The output projection expects "
        "the first d features from head 0, the next d from head 1.",
        hint="Before two axes become one, the head's axis comes first, its features after it.",
        anchor="mh-order",
        section="Which features belong to head h",
        wrong={MERGE: (_interleaved,), MODULE: (_Interleaved,)},
    ),
    Misconception(
        id="mh-merge-wrong-pair",
        title="You exchange the features with another axis; heads and tokens are the two that change places.",
        belief="A transpose is needed, and the features, as the last axis, are the usual partner. Here they are in "
        "the right place already; it is the heads that have to come between the tokens and them.",
        hint="Name the axes you have, (B, H, T, d), and those you need before flattening, (B, T, H, d).",
        anchor="mh-merge",
        section="Merge: the same steps backwards",
        wrong={MERGE: (_wrong_pair, _wrong_other_pair)},
    ),
    Misconception(
        id="mh-merge-view",
        title="You call view on a transposed tensor, which raises an error.",
        belief="view promises not to copy. After a transpose the numbers of one token lie apart in memory, and "
        "no choice of strides joins them into one axis, so view refuses.",
        hint="reshape and flatten copy where they have to; contiguous() copies beforehand.",
        anchor="mh-contiguous",
        section="When view refuses",
        wrong={
            MERGE: (_viewed, lambda x: x.permute(0, 2, 1, 3).view(x.shape[0], x.shape[2], -1)),
            MODULE: (_Viewed,),
        },
        evidence="https://github.com/pytorch/pytorch/issues/764",
    ),
    Misconception(
        id="mh-heads-added",
        title="You add the heads up, or average them; they should stand side by side.",
        belief="The book says that multi-head attention is a sum over heads, and so it is, after each head has "
        "gone through its own rows of the output projection. Before that, every head keeps its d "
        "features to itself.",
        hint="Nothing is computed here: all H * d numbers of a token are still there afterwards.",
        anchor="mh-output",
        section="The output projection is a sum over heads",
        wrong={MERGE: (lambda x: x.sum(1), lambda x: x.mean(1))},
        evidence="https://github.com/awf/functional-transformer/issues/8",
    ),
    Misconception(
        id="mh-heads-along-tokens",
        title="You join the heads along the tokens, (B, H * T, d); they should be joined along the features.",
        belief="flatten(1, 2) and a cat along axis 1 join neighbouring axes, and heads and tokens are "
        "neighbours. The result is a longer room of narrower people. A token's heads are parts of one "
        "vector.",
        hint="The number of tokens stays T; it is the width that grows from d to D.",
        anchor="mh-merge",
        section="Merge: the same steps backwards",
        wrong={MERGE: (lambda x: x.flatten(1, 2), lambda x: torch.cat(x.transpose(1, 2).unbind(2), dim=1))},
    ),
)
