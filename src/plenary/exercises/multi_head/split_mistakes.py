"""Mistakes in splitting the width into heads. Some are made inside the module as well."""

import torch
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.multi_head.build import MODULE, SPLIT, Stepwise


def _straight(x: Tensor, num_heads: int) -> Tensor:
    batch, length, width = x.shape
    return x.reshape(batch, num_heads, length, width // num_heads)


def _interleaved(x: Tensor, num_heads: int) -> Tensor:
    batch, length, width = x.shape
    return x.reshape(batch, length, width // num_heads, num_heads).permute(0, 3, 1, 2)


def _every_nth(x: Tensor, num_heads: int) -> Tensor:
    return torch.stack([x[..., h::num_heads] for h in range(num_heads)], dim=1)


def _cut(x: Tensor, num_heads: int) -> Tensor:
    return x.reshape(*x.shape[:2], num_heads, -1)


def _folded(x: Tensor, num_heads: int) -> Tensor:
    return _cut(x, num_heads).transpose(1, 2).flatten(0, 1)


def _folded_heads_first(x: Tensor, num_heads: int) -> Tensor:
    return torch.cat(x.chunk(num_heads, dim=-1), dim=0)


def _folded_straight(x: Tensor, num_heads: int) -> Tensor:
    return x.reshape(x.shape[0] * num_heads, x.shape[1], -1)


class _Straight(Stepwise):
    def split(self, x: Tensor) -> Tensor:
        return _straight(x, self.num_heads)


class _StraightBothWays(_Straight):
    def merge(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[2], -1)


class _Interleaved(Stepwise):
    def split(self, x: Tensor) -> Tensor:
        return _interleaved(x, self.num_heads)


class _InterleavedBothWays(_Interleaved):
    def merge(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(2)


SPLIT_MISTAKES = (
    Misconception(
        id="mh-view-straight",
        title="You reshape straight to (B, H, T, d); the heads have to be cut out of each token first.",
        belief="The shape is the one that is asked for, so it looks done. But view and reshape never move a "
        "number: they walk through memory row by row, and memory holds token after token. The first "
        "head then gets all features of the first tokens, instead of the first features of all tokens.",
        hint="Give each token's features two axes, (B, T, H, d), and only then let T and H change places.",
        anchor="mh-split",
        section="Cut each token, then exchange the axes",
        wrong={SPLIT: (_straight,), MODULE: (_Straight, _StraightBothWays)},
        evidence="https://github.com/hyunwoongko/transformer/issues/15",
    ),
    Misconception(
        id="mh-heads-behind-tokens",
        title="Your heads stand behind the tokens, (B, T, H, d); asked for is (B, H, T, d).",
        belief="The cut is right. What is missing is the exchange: attention looks at the last two axes, and "
        "they have to be tokens and features, not heads and features.",
        hint="Exchange axes 1 and 2.",
        anchor="mh-axes",
        section="A head is one more batch axis",
        wrong={SPLIT: (_cut,)},
        evidence="https://github.com/reczoo/FuxiCTR/issues/30",
    ),
    Misconception(
        id="mh-interleaved-heads",
        title="Your head h takes every H-th feature; it should take a stretch of neighbours.",
        belief="Cutting D into (d, H) instead of (H, d) also gives H heads of width d, and a model trained "
        "from scratch would not mind. Weights that are copied from elsewhere would: the last axis of a "
        "reshape counts fastest, so with H there, neighbours go to different heads.",
        hint="In the cut, the head's number comes before the place inside the head.",
        anchor="mh-order",
        section="Which features belong to head h",
        wrong={SPLIT: (_interleaved, _every_nth), MODULE: (_Interleaved, _InterleavedBothWays)},
    ),
    Misconception(
        id="mh-heads-of-width-h",
        title="Your heads are num_heads wide; they should be D / num_heads wide.",
        belief="num_heads counts the heads. torch.split takes the size of a piece, where torch.chunk takes the "
        "number of pieces, and a -1 in a view goes to whichever axis it stands on.",
        hint="Work out the width of one head, D / num_heads, and check that there are num_heads of them.",
        anchor="mh-split",
        section="Cut each token, then exchange the axes",
        wrong={
            SPLIT: (
                lambda x, num_heads: torch.stack(x.split(num_heads, dim=-1), dim=1),
                lambda x, num_heads: x.reshape(*x.shape[:2], num_heads, -1).permute(0, 3, 1, 2),
            )
        },
    ),
    Misconception(
        id="mh-heads-before-batch",
        title="Your heads come before the batch, (H, B, T, d); asked for is (B, H, T, d).",
        belief="A list of heads is a natural thing, and torch.stack puts the new axis in front unless it is "
        "told otherwise. In this course the batch is always first.",
        hint="Tell torch.stack where the new axis goes.",
        anchor="mh-axes",
        section="A head is one more batch axis",
        wrong={SPLIT: (lambda x, num_heads: torch.stack(x.chunk(num_heads, dim=-1)),)},
    ),
    Misconception(
        id="mh-heads-in-batch",
        title="Your heads are folded into the batch, (B * H, T, d); asked for is (B, H, T, d).",
        belief="A head is indeed handled like one more sample, and older code folds the two axes for the sake "
        "of functions that take three. Here matrix products take any number of axes in front, and an "
        "axis of their own lets one mask serve all heads.",
        hint="Keep batch and heads apart.",
        anchor="mh-axes",
        section="A head is one more batch axis",
        wrong={SPLIT: (_folded, _folded_heads_first, _folded_straight)},
        evidence="https://github.com/lsdefine/attention-is-all-you-need-keras/issues/36",
    ),
    Misconception(
        id="mh-tokens-last",
        title="Your heads are transposed, (B, H, d, T); asked for is (B, H, T, d).",
        belief="For the product of queries and keys, the keys are needed on their side, and some code prepares "
        "that here. But queries and values are split by the same function, and they need the tokens as "
        "rows.",
        hint="Leave the transposing of the keys to the attention.",
        anchor="mh-axes",
        section="A head is one more batch axis",
        wrong={SPLIT: (lambda x, num_heads: _cut(x, num_heads).permute(0, 2, 3, 1),)},
    ),
)
