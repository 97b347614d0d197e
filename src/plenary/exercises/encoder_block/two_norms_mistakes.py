"""Mistakes in having two norms in the encoder layer: one for both, the wrong one, or none of their own."""

import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.exercise import Function, Misconception
from plenary.exercises.encoder_block.build import Layer, Mask, in_layer, layer_with


def _one_norm(which: str) -> Function:
    def pre(self: Layer, x: Tensor, mask: Mask) -> Tensor:
        norm = getattr(self, which)
        x = x + self.attended(norm(x), mask)
        return x + self.thought(norm(x))

    def post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
        norm = getattr(self, which)
        x = norm(x + self.attended(x, mask))
        return norm(x + self.thought(x))

    return layer_with(pre, post)


def _shared(self: Layer, embed_dim: int, eps: float) -> None:
    self.norm2 = self.norm1


def _under_one_name(self: Layer, embed_dim: int, eps: float) -> None:
    self.norm = self.norm1
    del self.norm1, self.norm2


def _exchanged(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = x + self.attended(self.norm2(x), mask)
    return x + self.thought(self.norm1(x))


def _exchanged_post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = self.norm2(x + self.attended(x, mask))
    return self.norm1(x + self.thought(x))


def _no_norms_made(self: Layer, embed_dim: int, eps: float) -> None:
    del self.norm1, self.norm2


def _fresh(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:])


def _fresh_pre(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = x + self.attended(_fresh(x), mask)
    return x + self.thought(_fresh(x))


def _fresh_post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = _fresh(x + self.attended(x, mask))
    return _fresh(x + self.thought(x))


def _eps(first: bool, second: bool) -> Function:
    """Leave eps out where one norm is made, or both."""

    def alter(self: Layer, embed_dim: int, eps: float) -> None:
        if first:
            self.norm1 = nn.LayerNorm(embed_dim)
        if second:
            self.norm2 = nn.LayerNorm(embed_dim)

    return layer_with(alter=alter)


TWO_NORMS_MISTAKES = (
    Misconception(
        id="enc-norm-shared",
        title="Your two norms are one: the same weight and bias in both places.",
        belief="A norm looks like a fixed step, and at the start all norms are alike. Its weight and bias are "
        "learned, and attention and network need not want the same.",
        hint="Make two norms, and use each in one place.",
        anchor="enc-two-norms",
        section="Two norms, not one",
        wrong={
            "EncoderLayer": (
                layer_with(alter=_shared),
                _one_norm("norm1"),
                _one_norm("norm2"),
                layer_with(alter=_under_one_name),
            )
        },
        evidence="https://github.com/lsdefine/attention-is-all-you-need-keras/issues/33",
    ),
    Misconception(
        id="enc-norms-exchanged",
        title="Your norm1 stands at the network and your norm2 at attention.",
        belief="With weights that nobody has trained yet the two are alike, and the numbers in their names "
        "look like a matter of taste. Copied weights would end up in the wrong places.",
        hint="They are numbered in the order in which x meets them.",
        anchor="enc-two-norms",
        section="Two norms, not one",
        wrong=in_layer((_exchanged, _exchanged_post)),
    ),
    Misconception(
        id="enc-norms-made-in-forward",
        title="Your layer has no norms of its own: they are made anew in forward, or have no weights.",
        belief="A norm looks like a fixed step that can be called wherever it is needed. Made in forward it "
        "starts at weight 1 and bias 0 each time, and whatever it might have learned is gone.",
        hint="Make norm1 and norm2 in __init__; forward only uses them.",
        anchor="enc-two-norms",
        section="Two norms, not one",
        wrong={
            "EncoderLayer": (
                layer_with(_fresh_pre, _fresh_post, alter=_no_norms_made),
                layer_with(_fresh_pre, _fresh_post),
            )
        },
    ),
    Misconception(
        id="enc-eps-not-passed",
        title="Your norms are built without the eps that the layer was given.",
        belief="The norm has a default, so nothing complains. Whoever builds the layer with another eps, as "
        "the Vision Transformer does, then gets the default without a word.",
        hint="Both norms take eps as their second argument.",
        anchor="enc-handed-on",
        section="Everything is handed on",
        wrong={"EncoderLayer": (_eps(True, True), _eps(True, False), _eps(False, True))},
        evidence="https://github.com/keras-team/keras-hub/pull/133",
    ),
)
