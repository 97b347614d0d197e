"""Mistakes in the feed-forward network. Each is one belief, written out as code."""

import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises._references import FeedForward
from plenary.exercises.encoder_block.build import feed_forward_with, layer_with


def _activated(activation: object) -> type[FeedForward]:
    """Build a network with another activation."""
    return feed_forward_with(lambda self, x: self.linear2(self.dropout(activation(self.linear1(x)))))  # type: ignore[operator]


def _tanh_gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def _sigmoid_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


_RELU = _activated(F.relu)


class _FourTimes(FeedForward):
    def __init__(self, embed_dim: int, hidden_dim: int, dropout: float = 0.0) -> None:
        super().__init__(embed_dim, 4 * embed_dim, dropout)


class _Exchanged(FeedForward):
    def __init__(self, embed_dim: int, hidden_dim: int, dropout: float = 0.0) -> None:
        super().__init__(hidden_dim, embed_dim, dropout)


FEED_FORWARD_MISTAKES = (
    Misconception(
        id="ffn-no-activation",
        title="Your feed-forward network has no activation between its two linear layers.",
        belief="Two linear layers look like more than one. Without something bent between them they are one: "
        "the product of their matrices is a matrix, and the hidden width buys nothing.",
        hint="GELU acts on the hidden features, before linear2 mixes them.",
        anchor="enc-feed-forward",
        section="Each token by itself",
        wrong={"FeedForward": (_activated(lambda x: x),)},
        evidence="https://github.com/spring-media/TransformerTTS/issues/102",
    ),
    Misconception(
        id="ffn-relu",
        title="Your activation is ReLU; asked for is GELU.",
        belief="ReLU is what the first Transformer used, and it would work. GELU is its smooth relative, which"
        " BERT, GPT and the Vision Transformer use: slightly below zero it does not cut off at once.",
        hint="torch.nn.functional has it under its name.",
        anchor="enc-gelu",
        section="GELU, a bend without a corner",
        wrong={"FeedForward": (_RELU,), "EncoderLayer": (layer_with(network=_RELU),)},
    ),
    Misconception(
        id="ffn-approximate-gelu",
        title="Your GELU is an approximation; asked for is the exact one.",
        belief="The approximations by tanh or by a sigmoid were made when the exact function was slow, and "
        "some models were trained with one. They differ from it by up to 0.0005 and 0.02: nothing "
        "that training would notice, enough for copied weights to give other numbers.",
        hint="Leave out the argument approximate, or take the error function torch.erf where you write it "
        "yourself.",
        anchor="enc-gelu",
        section="GELU, a bend without a corner",
        wrong={"FeedForward": (_activated(_tanh_gelu), _activated(_sigmoid_gelu))},
        evidence="https://github.com/kyutai-labs/pocket-tts/pull/278",
    ),
    Misconception(
        id="ffn-silu",
        title="Your activation is SiLU; asked for is GELU.",
        belief="SiLU, also called Swish, is x times a sigmoid of x, and its curve looks much like GELU's. GELU"
        " is x times the normal distribution function of x, which rises more steeply.",
        hint="torch.nn.functional has it under its name.",
        anchor="enc-gelu",
        section="GELU, a bend without a corner",
        wrong={"FeedForward": (_activated(F.silu),)},
    ),
    Misconception(
        id="ffn-activation-last",
        title="Your activation comes after linear2.",
        belief="After each linear layer an activation, as in other networks? What this network returns is "
        "added to the residual path, and it should be able to take away as well as add: behind an "
        "activation it is hardly ever negative.",
        hint="One activation, between the two linear layers; linear2 has the last word.",
        anchor="enc-feed-forward",
        section="Each token by itself",
        wrong={
            "FeedForward": (
                feed_forward_with(lambda self, x: F.gelu(self.linear2(self.dropout(self.linear1(x))))),
                feed_forward_with(lambda self, x: F.gelu(self.linear2(self.linear1(x)))),
                feed_forward_with(
                    lambda self, x: F.gelu(self.linear2(self.dropout(F.gelu(self.linear1(x)))))
                ),
            )
        },
        evidence="https://github.com/goruck/nilm/issues/1",
    ),
    Misconception(
        id="ffn-residual-inside",
        title="Your feed-forward network adds its input to its output.",
        belief="The residual path belongs to the encoder layer, which you write next and which adds x itself. "
        "With one in here as well, x would be counted twice.",
        hint="Return what linear2 returns.",
        anchor="enc-feed-forward",
        section="Each token by itself",
        wrong={
            "FeedForward": (
                feed_forward_with(lambda self, x: x + self.linear2(self.dropout(F.gelu(self.linear1(x))))),
            )
        },
    ),
    Misconception(
        id="ffn-four-times",
        title="Your hidden width is always four times embed_dim; it should be hidden_dim.",
        belief="Four times is the custom, and most models keep to it. The width is an argument all the same: "
        "where memory is short or tokens are few, another one is better.",
        hint="Build both linear layers with hidden_dim.",
        anchor="enc-handed-on",
        section="Everything is handed on",
        wrong={"FeedForward": (_FourTimes,)},
    ),
    Misconception(
        id="ffn-exchanged",
        title="Your linear1 goes from hidden_dim to embed_dim; it should be the other way round.",
        belief="nn.Linear takes the width that comes in first and the width that goes out second, though its "
        "weight has the shape (out, in). What comes into linear1 are tokens, embed_dim wide.",
        hint="Wide in the middle: embed_dim, hidden_dim, embed_dim.",
        anchor="enc-feed-forward",
        section="Each token by itself",
        wrong={"FeedForward": (_Exchanged,)},
    ),
    Misconception(
        id="ffn-no-dropout",
        title="Your feed-forward network has no dropout.",
        belief="With the default share of 0 dropout does nothing, and in evaluation never. In training it "
        "keeps hidden features from relying on one another, and whoever passes dropout=0.1 counts on "
        "it.",
        hint="Dropout acts on the hidden features; nn.Dropout knows by itself whether it is training.",
        anchor="enc-dropout",
        section="Where dropout acts",
        wrong={"FeedForward": (feed_forward_with(lambda self, x: self.linear2(F.gelu(self.linear1(x)))),)},
        evidence="https://github.com/lucidrains/reformer-pytorch/issues/55",
    ),
    Misconception(
        id="ffn-dropout-last",
        title="Your dropout acts on the output of linear2; here it acts on the hidden features.",
        belief="Both places are found in published models. In this course the output's dropout belongs to the "
        "layer, which applies it to whatever a sublayer adds; the one in here is between the activation"
        " and linear2.",
        hint="With dropout = 1 in training the answer is linear2's bias, not zero.",
        anchor="enc-dropout",
        section="Where dropout acts",
        wrong={
            "FeedForward": (
                feed_forward_with(lambda self, x: self.dropout(self.linear2(F.gelu(self.linear1(x))))),
                feed_forward_with(
                    lambda self, x: self.dropout(self.linear2(self.dropout(F.gelu(self.linear1(x)))))
                ),
            )
        },
        evidence="https://github.com/tensorflow/swift-models/issues/104",
    ),
    Misconception(
        id="ffn-dropout-before-activation",
        title="Your dropout acts before the activation; it belongs behind it.",
        belief="For ReLU the order makes no difference. Dropout doubles what it keeps (at a share of one "
        "half), and GELU of a doubled number is not the double of its GELU: the mean that dropout is "
        "made to preserve is lost.",
        hint="First bend, then drop.",
        anchor="enc-dropout",
        section="Where dropout acts",
        wrong={
            "FeedForward": (
                feed_forward_with(lambda self, x: self.linear2(F.gelu(self.dropout(self.linear1(x))))),
            )
        },
    ),
    Misconception(
        id="ffn-dropout-on-input",
        title="Your dropout acts on the input of linear1; it should act on the hidden features.",
        belief="Dropping features of the input takes part of what the token has heard away from all hidden "
        "features at once. Dropped hidden features leave the input whole.",
        hint="With dropout = 1 in training the answer is linear2's bias.",
        anchor="enc-dropout",
        section="Where dropout acts",
        wrong={
            "FeedForward": (
                feed_forward_with(lambda self, x: self.linear2(F.gelu(self.linear1(self.dropout(x))))),
            )
        },
    ),
    Misconception(
        id="ffn-always-dropping",
        title="Your dropout acts in evaluation too.",
        belief="F.dropout looks like the function for it, but it does not know in which mode your module is: "
        "unless it is told, it takes training for granted.",
        hint="Make an nn.Dropout in __init__, or pass training=self.training.",
        anchor="enc-dropout",
        section="Where dropout acts",
        wrong={
            "FeedForward": (
                feed_forward_with(
                    lambda self, x: self.linear2(F.dropout(F.gelu(self.linear1(x)), self.dropout.p))
                ),
            )
        },
        evidence="https://github.com/pytorch/pytorch/issues/26338",
    ),
)
