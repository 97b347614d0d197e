"""Mistakes with the decoder layer's norms: where they stand, which is which, and what is normed."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.encoder_decoder.layer_build import Forward, Mask, Reference, in_layer, layer, rebuilt


def _normed_memory(self: Reference, x: Tensor, memory: Tensor, *masks: Mask) -> Tensor:
    x = x + self.listened(self.norm1(x), memory, *masks)  # type: ignore[arg-type]
    x = x + self.consulted(self.norm2(x), self.norm2(memory), *masks)  # type: ignore[arg-type]
    return x + self.thought(self.norm3(x))


def _plainly_normed_memory(self: Reference, x: Tensor, memory: Tensor, own: Mask, other: Mask) -> Tensor:
    memory = F.layer_norm(memory, memory.shape[-1:])
    return self.dropout(self.cross_attention(x, memory, memory, other)[0])


def _not_normed(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x = x + self.listened(x, *rest)  # type: ignore[arg-type]
    x = x + self.consulted(x, *rest)  # type: ignore[arg-type]
    return x + self.thought(x)


def _query_not_normed(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x = x + self.listened(self.norm1(x), *rest)  # type: ignore[arg-type]
    x = x + self.consulted(x, *rest)  # type: ignore[arg-type]
    return x + self.thought(self.norm3(x))


def _swapped(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x = x + self.listened(self.norm1(x), *rest)  # type: ignore[arg-type]
    x = x + self.consulted(self.norm3(x), *rest)  # type: ignore[arg-type]
    return x + self.thought(self.norm2(x))


def _swapped_after(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x = self.norm1(x + self.listened(x, *rest))  # type: ignore[arg-type]
    x = self.norm3(x + self.consulted(x, *rest))  # type: ignore[arg-type]
    return self.norm2(x + self.thought(x))


def _keys_and_values(keys: bool, values: bool) -> Forward:
    """Norm the self-attention's query, and the keys or the values, as asked for."""

    def before(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
        y = self.norm1(x)
        x = x + self.dropout(self.self_attention(y, y if keys else x, y if values else x, rest[1])[0])
        x = x + self.consulted(self.norm2(x), *rest)  # type: ignore[arg-type]
        return x + self.thought(self.norm3(x))

    return before


def _one_part_not_normed(which: str) -> Forward:
    """Leave out norm1 or norm3."""

    def before(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
        x = x + self.listened(x if which == "norm1" else self.norm1(x), *rest)  # type: ignore[arg-type]
        x = x + self.consulted(self.norm2(x), *rest)  # type: ignore[arg-type]
        return x + self.thought(x if which == "norm3" else self.norm3(x))

    return before


def _mixed(rule: str) -> Forward:
    """Build each of the three parts pre-norm or post-norm, as three letters b (before) and a (after) say."""

    def way(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
        parts = (self.listened, self.consulted, lambda y, *_: self.thought(y))
        for where, part, norm in zip(rule, parts, (self.norm1, self.norm2, self.norm3), strict=True):
            x = x + part(norm(x), *rest) if where == "b" else norm(x + part(x, *rest))  # type: ignore[arg-type, operator]
        return x

    return way


def _shared(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x = x + self.listened(self.norm1(x), *rest)  # type: ignore[arg-type]
    x = x + self.consulted(self.norm1(x), *rest)  # type: ignore[arg-type]
    return x + self.thought(self.norm1(x))


def _shared_after(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x = self.norm1(x + self.listened(x, *rest))  # type: ignore[arg-type]
    x = self.norm1(x + self.consulted(x, *rest))  # type: ignore[arg-type]
    return self.norm1(x + self.thought(x))


def _one_norm(self: Reference) -> None:
    self.norm2 = self.norm3 = self.norm1


def _part_normed(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x = x + self.norm1(self.listened(x, *rest))  # type: ignore[arg-type]
    x = x + self.norm2(self.consulted(x, *rest))  # type: ignore[arg-type]
    return x + self.norm3(self.thought(x))


def _last_norm_missing(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x = self.norm1(x + self.listened(x, *rest))  # type: ignore[arg-type]
    x = self.norm2(x + self.consulted(x, *rest))  # type: ignore[arg-type]
    return x + self.thought(x)


def _before_and_after(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x = self.norm1(x + self.listened(self.norm1(x), *rest))  # type: ignore[arg-type]
    x = self.norm2(x + self.consulted(self.norm2(x), *rest))  # type: ignore[arg-type]
    return self.norm3(x + self.thought(self.norm3(x)))


def _default_eps(*names: str) -> Callable[[Reference], None]:
    """Build these norms with the default."""

    def change(self: Reference) -> None:
        for name in names:
            getattr(self, name).eps = 1e-5

    return change


NORM_MISTAKES = (
    Misconception(
        id="decoder-norm-first-ignored",
        title="Your layer is always pre-norm; norm_first=False makes no difference.",
        belief="Pre-norm trains more easily, so the other may seem to be history. The layer of the "
        "paper is post-norm, and a layer that takes the argument has to heed it.",
        hint="Keep norm_first in __init__ and let forward branch on it.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(layer(after=Reference.before)),
    ),
    Misconception(
        id="decoder-always-post-norm",
        title="Your layer is always post-norm; norm_first=True makes no difference.",
        belief="That is the layer as the paper drew it, with every norm after the sum. With "
        "norm_first=True each norm moves to the entrance of its part, and nothing is normed on the "
        "straight way.",
        hint="Keep norm_first in __init__ and let forward branch on it.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(layer(before=Reference.after)),
    ),
    Misconception(
        id="decoder-pre-and-post-exchanged",
        title="Your layer does post-norm for norm_first=True, and pre-norm for False.",
        belief="First can be heard as before the sum is passed on. It means: the norm comes first, then "
        "the attention or the feed-forward network, then the sum.",
        hint="Exchange the two branches.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(layer(before=Reference.after, after=Reference.before)),
    ),
    Misconception(
        id="decoder-no-norm",
        title="Your layer builds its norms and does not use them.",
        belief="With weights at their start a norm changes little on tokens that are near mean 0 and "
        "variance 1, so its absence hardly shows. After several layers of sums it does.",
        hint="Each of the three parts has one norm.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(layer(before=_not_normed, after=_not_normed)),
        evidence="https://github.com/tensorflow/text/issues/1104",
    ),
    Misconception(
        id="decoder-cross-query-not-normed",
        title="Your attention to the memory reads x without a norm.",
        belief="The memory is used as it comes, so x may seem to be treated alike. The memory left the "
        "encoder through a norm; x on its straight way has not been normed at all.",
        hint="norm2 stands in front of the second attention, for the query.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(layer(before=_query_not_normed)),
    ),
    Misconception(
        id="decoder-memory-normed",
        title="Your layer norms the memory as well.",
        belief="Pre-norm says: norm what an attention reads, and the second one reads the memory too. "
        "But the memory has left the encoder through its last norm, and it is the same for all layers.",
        hint="Only the query goes through norm2.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(layer(before=_normed_memory), layer(consulted=_plainly_normed_memory)),
        evidence="https://github.com/lucidrains/recurrent-interface-network-pytorch/issues/17",
    ),
    Misconception(
        id="decoder-only-query-normed",
        title="Your self-attention takes its keys or values from x as it is; all three should be normed.",
        belief="In the second attention the norm is for the query alone, and that looks like a rule. In "
        "the first one query, key and value are the same tokens, and all three are normed.",
        hint="Norm x once, and hand the normed tokens over three times.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(
            layer(before=_keys_and_values(False, False)),
            layer(before=_keys_and_values(True, False)),
            layer(before=_keys_and_values(False, True)),
        ),
    ),
    Misconception(
        id="decoder-part-not-normed",
        title="One part of your pre-norm layer reads x as it is, without a norm.",
        belief="x has been through a norm somewhere, so it may seem to be on one scale. A norm in pre-norm acts "
        "on a branch only: x on its straight way is never normed, and each part needs a norm in front.",
        hint="norm1 stands in front of the self-attention, norm3 in front of the feed-forward network.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(
            layer(before=_one_part_not_normed("norm1")), layer(before=_one_part_not_normed("norm3"))
        ),
    ),
    Misconception(
        id="decoder-pre-and-post-mixed",
        title="Your layer mixes pre-norm and post-norm: some parts are built the one way, some the other.",
        belief="Each part looks right by itself. Together they are neither: a norm stands on the straight way, "
        "and another is missing where it is needed.",
        hint="With norm_first=True no norm is around a sum; with False every norm is.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(
            *(layer(before=_mixed(rule)) for rule in ("baa", "bba", "abb", "aab", "bab", "aba")),
            *(layer(after=_mixed(rule)) for rule in ("abb", "aab", "baa", "bba")),
        ),
    ),
    Misconception(
        id="decoder-norm-shared",
        title="Your layer uses one norm in three places.",
        belief="At the start all norms are equal, weight 1 and bias 0, so one seems enough. Training "
        "pulls them apart: each has a weight and a bias of its own, fit for the part that follows.",
        hint="norm1 goes with the self-attention, norm2 with the memory, norm3 with the feed-forward "
        "network.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(layer(before=_shared, after=_shared_after), rebuilt(_one_norm)),
    ),
    Misconception(
        id="decoder-norms-exchanged",
        title="Your norm2 and norm3 are exchanged.",
        belief="A layer made from an encoder layer has norm2 at the feed-forward network, and norm3 "
        "comes in as the new one. Here the numbers follow the way of the tokens: 1 listening, 2 asking, "
        "3 thinking.",
        hint="norm2 belongs to the attention to the memory, norm3 to the feed-forward network.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(layer(before=_swapped, after=_swapped_after)),
    ),
    Misconception(
        id="decoder-part-normed",
        title="Your post-norm norms what a part returns; it should norm the sum.",
        belief="The norm does come after the part, but then the sum is never normed and grows from "
        "layer to layer. In post-norm it stands after the sum.",
        hint="Add first, then norm.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(layer(after=_part_normed)),
    ),
    Misconception(
        id="decoder-last-norm-missing",
        title="Your post-norm layer ends without norm3.",
        belief="A pre-norm layer ends in a sum, and a norm for the whole stack follows. A post-norm "
        "stack has none at its end, because its last layer ends in a norm.",
        hint="In post-norm every sum is followed by its norm, the third one too.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(layer(after=_last_norm_missing)),
    ),
    Misconception(
        id="decoder-norm-before-and-after",
        title="Your pre-norm layer norms once more after each sum.",
        belief="Twice may seem safer than once. A norm on the straight way is what pre-norm does away "
        "with: there the tokens, and the gradients, pass unchanged.",
        hint="With norm_first=True a norm stands only at the entrance of a part.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(layer(before=_before_and_after)),
    ),
    Misconception(
        id="decoder-eps-not-passed",
        title="Your norms, or some of them, do not get the eps that the layer was built with.",
        belief="eps is so small that it seems not to matter. It matters where a token's features are "
        "nearly equal, and where weights come from a model that was trained with another one (1e-6 in "
        "many).",
        hint="Hand eps on to all three norms.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(
            rebuilt(_default_eps("norm1", "norm2", "norm3")),
            rebuilt(_default_eps("norm1")),
            rebuilt(_default_eps("norm2")),
            rebuilt(_default_eps("norm3")),
        ),
    ),
)
