"""Mistakes with the two norms of the encoder layer: where they stand, and which one."""

from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.encoder_block.build import Layer, Mask, in_layer


def _half_pre_half_post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = x + self.attended(self.norm1(x), mask)
    return self.norm2(x + self.thought(x))


def _half_post_half_pre(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = self.norm1(x + self.attended(x, mask))
    return x + self.thought(self.norm2(x))


def _on_the_branch(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = x + self.norm1(self.attended(x, mask))
    return x + self.norm2(self.thought(x))


def _keys_not_normed(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = x + self.dropout(self.attention(self.norm1(x), x, x, mask)[0])
    return x + self.thought(self.norm2(x))


def _values_not_normed(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    n = self.norm1(x)
    x = x + self.dropout(self.attention(n, n, x, mask)[0])
    return x + self.thought(self.norm2(x))


def _network_not_normed(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = x + self.attended(self.norm1(x), mask)
    return x + self.thought(x)


def _attention_not_normed(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = x + self.attended(x, mask)
    return x + self.thought(self.norm2(x))


def _no_norm(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = x + self.attended(x, mask)
    return x + self.thought(x)


NORM_PLACE_MISTAKES = (
    Misconception(
        id="enc-norm-first-inverted",
        title="Your layer is post-norm where norm_first is True, and pre-norm where it is False.",
        belief="norm_first is read from the sublayer: the norm comes first, then attention. It does not say "
        "that the first thing after attention is a norm.",
        hint="norm_first=True means pre-norm, and that is the default.",
        anchor="enc-pre-post",
        section="Two places for the norm",
        wrong=in_layer((Layer.post, Layer.pre)),
    ),
    Misconception(
        id="enc-always-pre",
        title="Your layer is pre-norm whatever norm_first says.",
        belief="Pre-norm is what most models use today, and the default here. The first Transformer was post-"
        "norm, and whoever passes norm_first=False wants that.",
        hint="Keep norm_first in __init__, and let forward choose.",
        anchor="enc-pre-post",
        section="Two places for the norm",
        wrong=in_layer((Layer.pre, Layer.pre)),
    ),
    Misconception(
        id="enc-always-post",
        title="Your layer is post-norm whatever norm_first says.",
        belief="In the figure of the first Transformer the norm comes after the sum. Models since then mostly "
        "put it before the sublayer, which is the default here.",
        hint="Keep norm_first in __init__, and let forward choose.",
        anchor="enc-pre-post",
        section="Two places for the norm",
        wrong=in_layer((Layer.post, Layer.post)),
        evidence="https://github.com/harvardnlp/annotated-transformer/issues/13",
    ),
    Misconception(
        id="enc-pre-and-post-mixed",
        title="Your layer mixes pre-norm and post-norm: one sublayer is built one way, the next the other.",
        belief="Each half looks right by itself. Together they are neither: a norm stands on the residual "
        "path, so the way past all layers is gone, and the other norm does not see what it was meant "
        "for.",
        hint="Pre-norm: both norms inside the brackets of a sublayer. Post-norm: both around a sum.",
        anchor="enc-pre-post",
        section="Two places for the norm",
        wrong=in_layer(
            (_half_pre_half_post, None),
            (_half_post_half_pre, None),
            (None, _half_pre_half_post),
            (None, _half_post_half_pre),
        ),
        evidence="https://github.com/SHI-Labs/Compact-Transformers/issues/25",
    ),
    Misconception(
        id="enc-norm-on-the-branch",
        title="You normalise what a sublayer gives, before it is added; that is neither pre-norm nor post-"
        "norm.",
        belief="Read quickly, add and norm may come in either order. Pre-norm normalises what goes into the "
        "sublayer; post-norm normalises the sum. (There are models with the norm here. Whatever "
        "attention says then has the same loudness, even when it has nothing to say.)",
        hint="In post-norm the plus sign is inside the brackets of the norm.",
        anchor="enc-pre-post",
        section="Two places for the norm",
        wrong=in_layer((None, _on_the_branch), (_on_the_branch, None), (_on_the_branch, _on_the_branch)),
        evidence="https://github.com/keras-team/keras-io/issues/1256",
    ),
    Misconception(
        id="enc-keys-not-normed",
        title="In pre-norm your keys or values are taken from the raw x, not from the normalised tokens.",
        belief="A norm in front of attention: one argument got it, and the shapes agree for the others too. In"
        " self-attention query, key and value all come from the same tokens, the normalised ones.",
        hint="Normalise once, and pass that three times.",
        anchor="enc-pre-post",
        section="Two places for the norm",
        wrong=in_layer((_keys_not_normed, None), (_values_not_normed, None)),
        evidence="https://github.com/facebookresearch/xformers/pull/233",
    ),
    Misconception(
        id="enc-norm-missing",
        title="In pre-norm one of your sublayers gets x as it is, without its norm.",
        belief="One norm at the start of the layer seems to be enough. But the first sum has changed x by "
        "then: each sublayer needs its input on a known scale, and that is what its own norm is for.",
        hint="norm1 in front of attention, norm2 in front of the network.",
        anchor="enc-pre-post",
        section="Two places for the norm",
        wrong=in_layer((_network_not_normed, None), (_attention_not_normed, None), (_no_norm, _no_norm)),
    ),
)
