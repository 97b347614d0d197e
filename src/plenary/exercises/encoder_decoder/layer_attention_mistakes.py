"""Mistakes in the decoder layer's two attentions: who asks, who answers, and under which mask."""

from collections.abc import Callable

import torch
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.encoder_decoder.layer_build import (
    Mask,
    Reference,
    Sublayer,
    causal,
    in_layer,
    layer,
    rebuilt,
)

MaskOf = Callable[[Reference, Tensor, Tensor, Mask, Mask], Mask]


def _listen(mask_of: MaskOf | None = None) -> Sublayer:
    """Build a self-attention under another mask."""

    def listened(self: Reference, x: Tensor, memory: Tensor, own: Mask, other: Mask) -> Tensor:
        mask = None if mask_of is None else mask_of(self, x, memory, own, other)
        return self.dropout(self.self_attention(x, x, x, mask)[0])

    return listened


def _consult(mask_of: MaskOf | None = None) -> Sublayer:
    """Build an attention to the memory under another mask."""

    def consulted(self: Reference, x: Tensor, memory: Tensor, own: Mask, other: Mask) -> Tensor:
        mask = None if mask_of is None else mask_of(self, x, memory, own, other)
        return self.dropout(self.cross_attention(x, memory, memory, mask)[0])

    return consulted


def _roles(pick: str) -> Sublayer:
    """Build an attention to the memory whose query, key and value are x or m, as three letters say."""

    def consulted(self: Reference, x: Tensor, memory: Tensor, own: Mask, other: Mask) -> Tensor:
        query, key, value = (memory if letter == "m" else x for letter in pick)
        return self.dropout(self.cross_attention(query, key, value, other)[0])

    return consulted


def _through_self_attention(self: Reference, x: Tensor, memory: Tensor, own: Mask, other: Mask) -> Tensor:
    return self.dropout(self.self_attention(x, memory, memory, other)[0])


def _one_attention(self: Reference) -> None:
    self.cross_attention = self.self_attention


def _joined(self: Reference, x: Tensor, memory: Tensor, own: Mask, other: Mask) -> Tensor:
    both = torch.cat([x, memory], dim=1)
    return self.dropout(self.self_attention(x, both, both)[0])


_OWN = lambda self, x, memory, own, other: own  # noqa: E731
_OTHER = lambda self, x, memory, own, other: other  # noqa: E731


def _own_inverted(self: Reference, x: Tensor, memory: Tensor, own: Mask, other: Mask) -> Mask:
    return None if own is None else ~own


def _other_inverted(self: Reference, x: Tensor, memory: Tensor, own: Mask, other: Mask) -> Mask:
    return None if other is None else ~other


ATTENTION_MISTAKES = (
    Misconception(
        id="decoder-no-self-mask",
        title="Your self-attention does not use self_mask.",
        belief="While one word is written at a time there is no future to hide, so no mask seems "
        "needed. In training all positions are there at once, and without the mask each reads the word "
        "that it should predict.",
        hint="The self-attention takes a mask as its fourth argument.",
        anchor="dec-which-mask",
        section="Each attention has its own mask",
        wrong=in_layer(layer(listened=_listen())),
        evidence="https://github.com/alex-matton/causal-transformer-decoder/issues/1",
    ),
    Misconception(
        id="decoder-no-memory-mask",
        title="Your attention to the memory does not use memory_mask.",
        belief="The memory is finished, so there is nothing to hide in it. But shorter sources were "
        "filled up with padding, and the encoder returns a vector for padding too.",
        hint="The second attention has a mask of its own.",
        anchor="dec-which-mask",
        section="Each attention has its own mask",
        wrong=in_layer(layer(consulted=_consult())),
        evidence="https://github.com/keras-team/keras-io/pull/1046",
    ),
    Misconception(
        id="decoder-no-masks",
        title="Your layer takes both masks and uses neither.",
        belief="Weights can be learned, and a model might learn by itself whom not to listen to. It "
        "will not: the future is the best clue there is in training, and it is gone when the model "
        "writes on its own.",
        hint="Hand each mask on to the attention that it belongs to.",
        anchor="dec-which-mask",
        section="Each attention has its own mask",
        wrong=in_layer(layer(listened=_listen(), consulted=_consult())),
    ),
    Misconception(
        id="decoder-self-mask-on-memory",
        title="Your attention to the memory works under self_mask.",
        belief="A decoder must not look ahead, so its mask seems to belong in both attentions. What "
        "lies ahead in the target is a secret; the source is known from its first word to its last, and "
        "only its padding is hidden.",
        hint="self_mask is T by T, the scores of the second attention are T by S: look at which mask "
        "fits them.",
        anchor="dec-which-mask",
        section="Each attention has its own mask",
        wrong=in_layer(layer(consulted=_consult(_OWN))),
        evidence="https://github.com/Kamichanw/SeekDeeper/issues/3",
    ),
    Misconception(
        id="decoder-memory-mask-on-self",
        title="Your self-attention works under memory_mask.",
        belief="Both masks hide padding, but not that of the same sequence: memory_mask counts the "
        "source's tokens, and among the target's it hides the wrong ones and leaves the future open.",
        hint="In the self-attention the keys are the target's tokens: take the mask made for them.",
        anchor="dec-which-mask",
        section="Each attention has its own mask",
        wrong=in_layer(layer(listened=_listen(_OTHER))),
    ),
    Misconception(
        id="decoder-masks-exchanged",
        title="Your two masks are exchanged: each attention has the other's.",
        belief="Where source and target happen to be equally long, both masks fit both attentions, and "
        "nothing crashes. The order of the arguments is that of the attentions: self_mask first.",
        hint="Go by the keys: which sequence is listened to, there the mask was made.",
        anchor="dec-which-mask",
        section="Each attention has its own mask",
        wrong=in_layer(layer(listened=_listen(_OTHER), consulted=_consult(_OWN))),
    ),
    Misconception(
        id="decoder-masks-inverted",
        title="Your layer turns a mask over: what may be heard is hidden, and the rest is heard.",
        belief="nn.MultiheadAttention reads True as hidden, and code written for it often translates with a ~. "
        "The attention used here reads True as may attend, as this layer does.",
        hint="Hand both masks on as they come.",
        anchor="dec-which-mask",
        section="Each attention has its own mask",
        wrong=in_layer(
            layer(listened=_listen(_own_inverted), consulted=_consult(_other_inverted)),
            layer(listened=_listen(_own_inverted)),
            layer(consulted=_consult(_other_inverted)),
        ),
    ),
    Misconception(
        id="decoder-causal-on-memory",
        title="Your attention to the memory is causal: token t hears only the source up to t.",
        belief="Translating from left to right looks as if word t needed only the source's words up to "
        "t. Languages order words differently, and the whole source is known before the first word is "
        "written.",
        hint="The second attention needs no triangle; the mask that it is given is all.",
        anchor="dec-which-mask",
        section="Each attention has its own mask",
        wrong=in_layer(
            layer(consulted=_consult(lambda s, x, memory, own, other: causal(x, memory))),
            layer(
                consulted=_consult(
                    lambda s, x, memory, own, other: (
                        causal(x, memory) if other is None else causal(x, memory) & other
                    )
                )
            ),
        ),
        evidence="https://github.com/keras-team/keras-io/pull/1046",
    ),
    Misconception(
        id="decoder-always-causal",
        title="Your self-attention is causal even when no mask is given.",
        belief="A decoder's self-attention is causal, so the triangle could as well be built in. Here "
        "the caller decides by self_mask, which holds the triangle and the padding together.",
        hint="Use self_mask as it comes, None included.",
        anchor="dec-which-mask",
        section="Each attention has its own mask",
        wrong=in_layer(
            layer(listened=_listen(lambda s, x, memory, own, other: causal(x))),
            layer(
                listened=_listen(
                    lambda s, x, memory, own, other: causal(x) if own is None else causal(x) & own
                )
            ),
        ),
    ),
    Misconception(
        id="decoder-query-from-memory",
        title="Your second attention asks with the memory; the target should ask.",
        belief="The memory comes first in time, so it may seem to come first in the call. But a "
        "question belongs to the one who needs something: the target asks, the memory is asked. The "
        "result has a row for each query, so it must have T rows.",
        hint="The query is the decoder's own stream; key and value come from the encoder.",
        anchor="dec-cross",
        section="Who asks, and who is asked",
        wrong=in_layer(layer(consulted=_roles("mxx"))),
        evidence="https://github.com/humza909/LLM_Survey/issues/2",
    ),
    Misconception(
        id="decoder-values-from-target",
        title="Your second attention takes its values from the target.",
        belief="Key and value are separate arguments, so they may seem to be free. They are two sides "
        "of one token: whoever is found by its key is heard through its value.",
        hint="Key and value come from the same sequence.",
        anchor="dec-cross",
        section="Who asks, and who is asked",
        wrong=in_layer(layer(consulted=_roles("xmx"))),
    ),
    Misconception(
        id="decoder-keys-from-target",
        title="Your second attention takes its keys from the target.",
        belief="Comparing target with target is what the first attention has done. Here the question is "
        "which token of the source fits, so the source's tokens must be what is compared with.",
        hint="Key and value come from the same sequence.",
        anchor="dec-cross",
        section="Who asks, and who is asked",
        wrong=in_layer(layer(consulted=_roles("xxm"))),
    ),
    Misconception(
        id="decoder-never-reads-memory",
        title="Your layer never looks at the memory.",
        belief="Two attentions over x run without complaint, and the loss falls, since a language can "
        "be learned without a source. But then the decoder writes likely sentences, not translations.",
        hint="In the second attention keys and values come from the memory.",
        anchor="dec-cross",
        section="Who asks, and who is asked",
        wrong=in_layer(layer(consulted=_roles("xxx"))),
    ),
    Misconception(
        id="decoder-one-attention-for-both",
        title="Your two attentions share their weights.",
        belief="They do the same arithmetic, so one module could serve twice. But their questions "
        "differ: what have I written, and what does the source say? Each needs projections of its own.",
        hint="Build two attentions, and let each part of forward use its own.",
        anchor="dec-layer",
        section="Three parts, in this order",
        wrong=in_layer(
            layer(consulted=_through_self_attention),
            rebuilt(_one_attention),
        ),
    ),
    Misconception(
        id="decoder-one-joined-attention",
        title="Your self-attention listens to target and memory at once.",
        belief="One attention over both would let them compete for the same unit of attention. That is "
        "a model of its own; here a token first listens to the target, and then asks the source with "
        "all of its attention.",
        hint="Keep the first attention to x, the second to the memory.",
        anchor="dec-layer",
        section="Three parts, in this order",
        wrong=in_layer(layer(listened=_joined)),
        evidence="https://github.com/lucidrains/reformer-pytorch/issues/90",
    ),
)
