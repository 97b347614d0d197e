"""Mistakes with the other parts of the encoder layer: the mask, dropout, heads and sizes."""

import torch.nn.functional as F
from torch import Tensor

from plenary.checks.exercise import Function, Misconception
from plenary.exercises._references import FeedForward
from plenary.exercises.encoder_block.build import Heads, Layer, Mask, layer_with


def _with(attended: object) -> Function:
    return layer_with(attended=attended)


def _dropped_sum(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = self.dropout(x + self.attention(*[self.norm1(x)] * 3, mask)[0])
    return self.dropout(x + self.feed_forward(self.norm2(x)))


def _dropped_sum_post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = self.norm1(self.dropout(x + self.attention(x, x, x, mask)[0]))
    return self.norm2(self.dropout(x + self.feed_forward(x)))


def _dropped_norm_post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = self.dropout(self.norm1(x + self.attention(x, x, x, mask)[0]))
    return self.dropout(self.norm2(x + self.feed_forward(x)))


def _always_dropped(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    return F.dropout(self.attention(x, x, x, mask)[0], self.dropout.p)


def _always_dropped_thought(self: Layer, x: Tensor) -> Tensor:
    return F.dropout(self.feed_forward(x), self.dropout.p)


def _heard(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    return self.attention(x, x, x, mask)[0]


def _thought(self: Layer, x: Tensor) -> Tensor:
    return self.feed_forward(x)


def _inside(attention: bool, network: bool) -> Function:
    """Leave dropout out where attention is made, the network, or both."""

    def alter(self: Layer, embed_dim: int, eps: float) -> None:
        if attention:
            self.attention.dropout = 0.0
        if network:
            self.feed_forward.dropout.p = 0.0

    return layer_with(alter=alter)


def _nothing_dropped(self: Layer, embed_dim: int, eps: float) -> None:
    self.attention.dropout = self.feed_forward.dropout.p = self.dropout.p = 0.0


def _one_head(self: Layer, embed_dim: int, eps: float) -> None:
    self.attention = Heads(embed_dim, 1, dropout=self.dropout.p)


def _hidden_four_times(self: Layer, embed_dim: int, eps: float) -> None:
    self.feed_forward = FeedForward(embed_dim, 4 * embed_dim, self.dropout.p)


def _over_batch(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    turned = x.transpose(0, 1)
    return self.dropout(self.attention(turned, turned, turned, mask)[0].transpose(0, 1))


PART_MISTAKES = (
    Misconception(
        id="enc-mask-not-passed",
        title="Your layer does not pass the mask to attention.",
        belief="The mask is an argument of the layer, and it looks as if it were on duty by being there. "
        "Attention sees only what it is handed; without a mask everyone listens to everyone, padding "
        "included.",
        hint="Attention takes the mask as its fourth argument.",
        anchor="enc-mask",
        section="The mask goes all the way down",
        wrong={"EncoderLayer": (_with(lambda self, x, mask: self.dropout(self.attention(x, x, x)[0])),)},
        evidence="https://github.com/facebookresearch/fairseq/issues/1339",
    ),
    Misconception(
        id="enc-mask-inverted",
        title="Your layer inverts the mask on the way to attention.",
        belief="torch.nn.MultiheadAttention reads its masks the other way round, and code written for it often"
        " translates. The attention used here reads True as may attend, as this layer does.",
        hint="Pass the mask as it is.",
        anchor="enc-mask",
        section="The mask goes all the way down",
        wrong={
            "EncoderLayer": (
                _with(
                    lambda self, x, mask: self.dropout(
                        self.attention(x, x, x, None if mask is None else ~mask)[0]
                    )
                ),
            )
        },
    ),
    Misconception(
        id="enc-attends-over-batch",
        title="Your tokens attend across the batch, not along the sequence.",
        belief="Some modules of torch want (T, B, D) unless they are told otherwise, so a transpose looks due."
        " The attention used here is batch first, as everything in this course: transposed, sentence 1 "
        "would listen to sentence 2.",
        hint="Hand x to attention as it comes, (B, T, D).",
        anchor="enc-mask",
        section="The mask goes all the way down",
        wrong={"EncoderLayer": (_with(_over_batch),)},
    ),
    Misconception(
        id="enc-dropout-not-on-branch",
        title="Your layer does not apply dropout to what a sublayer adds.",
        belief="Attention and network have dropout inside already. Theirs acts on the weights and on the "
        "hidden features; that on what is added lets a whole contribution be missed, and it is a third "
        "and a fourth place.",
        hint="With dropout = 1 in training nothing is added: a pre-norm layer gives back x.",
        anchor="enc-dropout",
        section="Where dropout acts",
        wrong={
            "EncoderLayer": (
                layer_with(attended=_heard, thought=_thought),
                layer_with(attended=_heard),
                layer_with(thought=_thought),
            )
        },
    ),
    Misconception(
        id="enc-dropout-on-sum",
        title="Your dropout acts on the sum, and drops parts of x itself.",
        belief="After the sum is after the sublayer, so the place looks the same. But there the residual path "
        "is dropped too, once in every sublayer: after a few layers little of a token would be left.",
        hint="Drop from what is added, before it is added.",
        anchor="enc-dropout",
        section="Where dropout acts",
        wrong={
            "EncoderLayer": (
                layer_with(_dropped_sum, _dropped_sum_post),
                layer_with(_dropped_sum, _dropped_norm_post),
            )
        },
        evidence="https://github.com/hyunwoongko/transformer/issues/8",
    ),
    Misconception(
        id="enc-dropout-not-passed",
        title="Your layer does not pass dropout on to attention or to the network.",
        belief="The layer's own dropout seems to cover everything inside it. It acts on what comes out; the "
        "one inside attention drops single weights, and the one inside the network single hidden "
        "features.",
        hint="MultiHeadAttention and FeedForward both take an argument dropout; pass it by name, since "
        "attention's third argument is bias.",
        anchor="enc-handed-on",
        section="Everything is handed on",
        wrong={"EncoderLayer": (_inside(True, True), _inside(True, False), _inside(False, True))},
    ),
    Misconception(
        id="enc-no-dropout",
        title="Your layer has no dropout at all.",
        belief="With the default share of 0 dropout does nothing, and in evaluation never, so nothing seems to"
        " be missing. Whoever trains with dropout=0.1 would get none.",
        hint="It acts in four places: inside attention, inside the network, and on what each of them adds.",
        anchor="enc-dropout",
        section="Where dropout acts",
        wrong={"EncoderLayer": (layer_with(alter=_nothing_dropped),)},
    ),
    Misconception(
        id="enc-always-dropping",
        title="Your layer drops in evaluation too.",
        belief="F.dropout looks like the function for it, but it does not know in which mode your module is: "
        "unless it is told, it takes training for granted.",
        hint="Make an nn.Dropout in __init__, or pass training=self.training.",
        anchor="enc-dropout",
        section="Where dropout acts",
        wrong={"EncoderLayer": (layer_with(attended=_always_dropped, thought=_always_dropped_thought),)},
        evidence="https://github.com/pytorch/vision/issues/7103",
    ),
    Misconception(
        id="enc-one-head",
        title="Your attention has one head, whatever num_heads says.",
        belief="The parameters are the same for any number of heads, so nothing complains. One head computes "
        "one table of weights; several heads compute several, each from queries and keys of its own.",
        hint="Pass num_heads on to MultiHeadAttention.",
        anchor="enc-handed-on",
        section="Everything is handed on",
        wrong={"EncoderLayer": (layer_with(alter=_one_head),)},
    ),
    Misconception(
        id="enc-hidden-four-times",
        title="Your network's hidden width is four times embed_dim; it should be hidden_dim.",
        belief="Four times is the custom, and most models keep to it. The width is an argument of the layer "
        "all the same.",
        hint="Pass hidden_dim on to FeedForward.",
        anchor="enc-handed-on",
        section="Everything is handed on",
        wrong={"EncoderLayer": (layer_with(alter=_hidden_four_times),)},
    ),
)
