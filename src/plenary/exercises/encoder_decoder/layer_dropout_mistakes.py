"""Mistakes with the decoder layer's dropout: where it acts, and when."""

import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises.encoder_decoder.layer_build import Mask, Reference, in_layer, layer, rebuilt


def _nothing_dropped(self: Reference) -> None:
    self.dropout = nn.Dropout(0.0)
    _only_outside(self)


def _only_inside(self: Reference) -> None:
    self.dropout = nn.Dropout(0.0)


def _only_outside(self: Reference) -> None:
    self.self_attention.dropout = self.cross_attention.dropout = 0.0
    self.feed_forward.dropout = nn.Dropout(0.0)


def _listened_kept(self: Reference, x: Tensor, memory: Tensor, own: Mask, other: Mask) -> Tensor:
    return self.self_attention(x, x, x, own)[0]


def _consulted_kept(self: Reference, x: Tensor, memory: Tensor, own: Mask, other: Mask) -> Tensor:
    return self.cross_attention(x, memory, memory, other)[0]


def _thought_kept(self: Reference, x: Tensor) -> Tensor:
    return self.feed_forward(x)


def _sum_dropped(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x = self.dropout(x + _listened_kept(self, self.norm1(x), *rest))  # type: ignore[arg-type]
    x = self.dropout(x + _consulted_kept(self, self.norm2(x), *rest))  # type: ignore[arg-type]
    return self.dropout(x + _thought_kept(self, self.norm3(x)))


def _sum_dropped_after(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x = self.norm1(self.dropout(x + _listened_kept(self, x, *rest)))  # type: ignore[arg-type]
    x = self.norm2(self.dropout(x + _consulted_kept(self, x, *rest)))  # type: ignore[arg-type]
    return self.norm3(self.dropout(x + _thought_kept(self, x)))


class _Always(nn.Dropout):
    """Dropout by the functional, whose default is to drop."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p)


def _also_in_evaluation(self: Reference) -> None:
    self.dropout = _Always(self.dropout.p)


DROPOUT_MISTAKES = (
    Misconception(
        id="decoder-no-dropout",
        title="Your layer drops nothing, whatever dropout is.",
        belief="Dropout has no weights, and in evaluation it does nothing, so it is easily left for "
        "later. In training it keeps the layer from leaning on single features.",
        hint="Drop from what each part returns before it is added, and hand dropout on to the parts.",
        anchor="dec-dropout",
        section="Where dropout acts",
        wrong=in_layer(rebuilt(_nothing_dropped)),
    ),
    Misconception(
        id="decoder-sums-not-dropped",
        title="Dropout does not act on what your parts add.",
        belief="The attentions and the feed-forward network have dropout inside, which may seem to be "
        "all of it. The paper drops once more, from what each part returns, before the sum.",
        hint="There are three sums, and a dropout in front of each.",
        anchor="dec-dropout",
        section="Where dropout acts",
        wrong=in_layer(
            rebuilt(_only_inside),
            layer(listened=_listened_kept),
            layer(consulted=_consulted_kept),
            layer(thought=_thought_kept),
        ),
    ),
    Misconception(
        id="decoder-dropout-not-passed",
        title="Your attentions or your feed-forward network are built without dropout.",
        belief="They work without the argument, since its default is 0. Then nothing is dropped inside "
        "of them, neither attention weights nor hidden features.",
        hint="Look at the signatures of the parts: all three take dropout.",
        anchor="dec-dropout",
        section="Where dropout acts",
        wrong=in_layer(rebuilt(_only_outside)),
    ),
    Misconception(
        id="decoder-dropout-on-the-sum",
        title="Your dropout acts on the sum; it should act on what is added.",
        belief="Dropping after the sum drops from x as well, so the straight way through the layer is "
        "torn in every step of training. What came in has to arrive.",
        hint="Close the dropout's bracket before the plus.",
        anchor="dec-dropout",
        section="Where dropout acts",
        wrong=in_layer(layer(before=_sum_dropped, after=_sum_dropped_after)),
    ),
    Misconception(
        id="decoder-dropout-in-evaluation",
        title="Your layer drops in evaluation mode too.",
        belief="F.dropout does not know in which mode the module is: its argument training is True by "
        "default. An evaluation that rolls dice gives another answer at each call.",
        hint="Use nn.Dropout, or tell F.dropout the mode.",
        anchor="dec-dropout",
        section="Where dropout acts",
        wrong=in_layer(rebuilt(_also_in_evaluation)),
    ),
)
