"""Mistakes with the norm at the end of the encoder."""

from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises.encoder_block.build import Mask, Stack, in_stack, layers_only


def _never(self: Stack, norm_first: bool, embed_dim: int, eps: float) -> nn.Module:
    return nn.Identity()


def _always(self: Stack, norm_first: bool, embed_dim: int, eps: float) -> nn.Module:
    return nn.LayerNorm(embed_dim, eps)


def _exchanged(self: Stack, norm_first: bool, embed_dim: int, eps: float) -> nn.Module:
    return nn.Identity() if norm_first else nn.LayerNorm(embed_dim, eps)


def _norm_in_front(self: Stack, x: Tensor, mask: Mask = None) -> Tensor:
    return layers_only(self, self.norm(x), mask)


def _norm_every_time(self: Stack, x: Tensor, mask: Mask = None) -> Tensor:
    for layer in self.layers:  # type: ignore[union-attr]
        x = self.norm(layer(x, mask))
    return x


FINAL_NORM_MISTAKES = (
    Misconception(
        id="stack-no-final-norm",
        title="Your pre-norm encoder ends without a norm.",
        belief="Every layer has two norms, so the output seems to be normalised. In pre-norm they stand in "
        "front of the sublayers: the sum that leaves the last layer has grown with every addition and "
        "has not passed through any of them.",
        hint="When norm_first is True, one more LayerNorm follows the last layer.",
        anchor="enc-final-norm",
        section="One more norm at the end",
        wrong=in_stack({"forward": layers_only}, {"last": _never}),
        evidence="https://github.com/NVIDIA-NeMo/Speech/pull/2197",
    ),
    Misconception(
        id="stack-final-norm-in-post",
        title="Your post-norm encoder ends with two norms in a row.",
        belief="A norm at the end is right for pre-norm. A post-norm layer ends with norm2 already, and a "
        "second one straight behind it only adds parameters.",
        hint="When norm_first is False, the encoder's norm is an nn.Identity.",
        anchor="enc-final-norm",
        section="One more norm at the end",
        wrong=in_stack({"last": _always}),
        evidence="https://github.com/pytorch/pytorch/issues/50086",
    ),
    Misconception(
        id="stack-final-norm-exchanged",
        title="Your encoder has its last norm in post-norm and none in pre-norm; it should be the other way "
        "round.",
        belief="norm_first is taken to say that the norm has been and gone. But first means in front of each "
        "sublayer, and so it is the pre-norm stack whose end no norm has seen.",
        hint="A LayerNorm when norm_first is True, an nn.Identity when it is False.",
        anchor="enc-final-norm",
        section="One more norm at the end",
        wrong=in_stack({"last": _exchanged}),
    ),
    Misconception(
        id="stack-norm-in-front",
        title="Your encoder normalises before the first layer; it should do so after the last one.",
        belief="norm_first sounds like a norm in front of everything. Each pre-norm layer takes care of that "
        "by itself; what nobody takes care of is the end.",
        hint="First all layers, then the norm.",
        anchor="enc-final-norm",
        section="One more norm at the end",
        wrong=in_stack({"forward": _norm_in_front}),
    ),
    Misconception(
        id="stack-norm-every-time",
        title="Your encoder's norm acts after every layer; it should act once, after the last.",
        belief="In the loop it keeps the numbers tame all the way up. It also stands on the residual path "
        "between any two layers, so that the way past them is gone: that is half of post-norm.",
        hint="The norm comes after the loop.",
        anchor="enc-final-norm",
        section="One more norm at the end",
        wrong=in_stack({"forward": _norm_every_time}),
    ),
)
