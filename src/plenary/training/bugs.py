"""Twenty-five mistakes that can be planted in a `TinyTransformer` or in its training, see `planted`."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.attention import MultiHeadAttention, merge_heads, split_heads
from plenary.decoder import DecoderLayer
from plenary.encoder import EncoderLayer
from plenary.position import sinusoidal_encoding
from plenary.transformer import TinyTransformer, make_masks, sequence_loss

Plant = Callable[[TinyTransformer], None]
Masks = tuple[Tensor, Tensor, Tensor]


def masks(spoil: Callable[[Tensor, Tensor, Tensor], Masks]) -> Plant:
    """A model whose three masks are spoiled."""

    def plant(model: TinyTransformer) -> None:
        def forward(source: Tensor, target: Tensor) -> Tensor:
            of_source, of_target, of_memory = spoil(*make_masks(source, target, model.pad_id))
            return model.decode(target, model.encode(source, of_source), of_target, of_memory)

        _put(model, "forward", forward)

    return plant


def _future_seen(source: Tensor, target: Tensor, memory: Tensor) -> Masks:
    # The last row hides padding and nothing else.
    return source, target[..., -1:, :], memory


def _future_seen_by_one(source: Tensor, target: Tensor, memory: Tensor) -> Masks:
    return source, target[..., -1:, :] & torch.ones_like(target[0, 0]).tril(diagonal=1), memory


def _padding_heard(source: Tensor, target: Tensor, memory: Tensor) -> Masks:
    return torch.ones_like(source), target, torch.ones_like(memory)


def _padding_heard_in_memory(source: Tensor, target: Tensor, memory: Tensor) -> Masks:
    return source, target, torch.ones_like(memory)


def _causal_memory(source: Tensor, target: Tensor, memory: Tensor) -> Masks:
    return source, target, memory & memory.new_ones(target.shape[-1], memory.shape[-1]).tril()


def _causal_source(source: Tensor, target: Tensor, memory: Tensor) -> Masks:
    return source & source.new_ones(source.shape[-1], source.shape[-1]).tril(), target, memory


def attention(
    split: Any = split_heads, merge: Any = merge_heads, mix: Any = F.scaled_dot_product_attention
) -> Plant:
    """A model in all of whose attentions one of the steps is another one."""

    def attend(
        self: MultiHeadAttention, query: Tensor, key: Tensor, value: Tensor, mask: Any, **_: Any
    ) -> Any:
        q, k, v = self.q_proj(query), self.k_proj(key), self.v_proj(value)
        return self.out_proj(merge(mix(*(split(x, self.num_heads) for x in (q, k, v)), mask))), None

    def plant(model: TinyTransformer) -> None:
        for module in model.modules():
            if isinstance(module, MultiHeadAttention):
                _put(module, "forward", partial(attend, module))

    return plant


def _softmax_over_queries(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e9)
    return scores.softmax(dim=-2) @ v


def _split_straight(x: Tensor, num_heads: int) -> Tensor:
    return x.reshape(len(x), num_heads, x.shape[1], -1)


def _merge_straight(x: Tensor) -> Tensor:
    return x.reshape(len(x), x.shape[2], -1)


def _shifted_again(model: TinyTransformer) -> None:
    forward = model.forward
    _put(model, "forward", lambda source, target: forward(source, F.pad(target[:, :-1], (1, 0), value=1)))


def _softmax_at_the_end(model: TinyTransformer) -> None:
    forward = model.forward
    _put(model, "forward", lambda source, target: forward(source, target).softmax(dim=-1))


def _target_read(model: TinyTransformer) -> None:
    forward = model.forward
    _put(model, "forward", lambda source, target: forward(target, target))


def _encoder_skipped(model: TinyTransformer) -> None:
    _put(model, "encode", lambda source, mask: model.positions(model.source_embedding(source)))


def _no_source_positions(model: TinyTransformer) -> None:
    _put(model, "encode", lambda source, mask: model.encoder(model.source_embedding(source), mask))


def _no_target_positions(model: TinyTransformer) -> None:
    def decode(target: Tensor, memory: Tensor, *masks: Tensor) -> Tensor:
        return model.head(model.decoder(model.target_embedding(target), memory, *masks))

    _put(model, "decode", decode)


def _no_positions(model: TinyTransformer) -> None:
    _put(model.positions, "forward", lambda x, offset=0: x)


def _position_of_the_row(model: TinyTransformer) -> None:
    # table[: x.size(0)], of a long table, for x (B, T, D).
    def forward(x: Tensor, offset: int = 0) -> Tensor:
        return x + sinusoidal_encoding(x.size(0), x.shape[-1])[:, None]

    _put(model.positions, "forward", forward)


def _one_vector(model: TinyTransformer) -> None:
    def forward(source: Tensor, target: Tensor) -> Tensor:
        source_mask, target_mask, _ = make_masks(source, target, model.pad_id)
        last = (source != model.pad_id).sum(dim=1) - 1
        memory = model.encode(source, source_mask)[torch.arange(len(source)), last]
        return model.decode(target, memory[:, None], target_mask, torch.ones(1, 1, dtype=torch.bool))

    _put(model, "forward", forward)


def _no_path_in_encoder(model: TinyTransformer) -> None:
    layer = model.encoder.layers[0]
    assert isinstance(layer, EncoderLayer)

    def forward(x: Tensor, mask: Tensor) -> Tensor:
        x = layer._attend(layer.norm1(x), mask, None)
        return x + layer.feed_forward(layer.norm2(x))

    _put(layer, "forward", forward)


def _no_path_in_decoder(model: TinyTransformer) -> None:
    layer = model.decoder.layers[0]
    assert isinstance(layer, DecoderLayer)

    def forward(x: Tensor, memory: Tensor, self_mask: Tensor, memory_mask: Tensor, cache: Any) -> Tensor:
        x = layer._listen(layer.norm1(x), self_mask, cache)
        x = x + layer._consult(layer.norm2(x), memory, memory_mask, cache)
        return x + layer.feed_forward(layer.norm3(x))

    _put(layer, "forward", forward)


def _no_final_norm(model: TinyTransformer) -> None:
    _put(model.decoder, "norm", nn.Identity())


def _put(module: Any, name: str, value: Any) -> None:
    """In this one module; other modules of its class stay right."""
    setattr(module, name, value)


def _by_batch(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    return sequence_loss(logits, targets, pad_id) * (targets != pad_id).sum() / len(targets)


def _padding_counted(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


@dataclass(frozen=True)
class Bug:
    """A mistake.

    Args:
        name: for short.
        text: what is wrong, in a few words.
        mistake: the function and the id under which the exercises know it.
        plant: makes it in a right model.
        loss: in the place of `sequence_loss`.
        shifted: whether the decoder reads the word before the one that it is to write.
    """

    name: str
    text: str
    mistake: str = ""
    plant: Plant = lambda model: None
    loss: Callable[[Tensor, Tensor, int], Tensor] = sequence_loss
    shifted: bool = True


def _bugs() -> tuple[Bug, ...]:
    tiny, mask, loss = "TinyTransformer tiny-", "make_masks masks-", "sequence_loss loss-"
    # In the right model, attention is F.scaled_dot_product_attention between split_heads and merge_heads.
    unscaled = partial(F.scaled_dot_product_attention, scale=1.0)
    queries, queries_id = _softmax_over_queries, "scaled_dot_product_attention softmax-over-queries"
    cut, merged_id = (_split_straight, _merge_straight), "merge_heads mh-merge-without-transpose"
    by_one, memory, row = _future_seen_by_one, _padding_heard_in_memory, _position_of_the_row
    half, half_id = "no padding mask on the memory", "DecoderLayer decoder-no-memory-mask"
    enc, enc_id = "a residual missing, encoder", "EncoderLayer enc-no-residual"
    dec, dec_id = "a residual missing, decoder", "DecoderLayer decoder-no-residual"
    return (
        Bug("right", "nothing"),
        Bug("future-seen", "no causal mask", tiny + "future-seen", masks(_future_seen)),
        Bug("future-seen-by-one", "causal mask too wide by one", mask + "triangle-too-wide", masks(by_one)),
        Bug("padding-heard", "no padding mask", tiny + "padding-heard", masks(_padding_heard)),
        Bug("padding-heard-in-memory", half, half_id, masks(memory)),
        Bug("causal-memory", "causal mask on the memory", mask + "memory-causal", masks(_causal_memory)),
        Bug("causal-source", "causal mask on the source", tiny + "causal-source", masks(_causal_source)),
        Bug("not-shifted", "no shift", "shift_right shift-none", shifted=False),
        Bug("shifted-again", "shifted twice", tiny + "shifted-again", _shifted_again),
        Bug("no-scaling", "no scaling", "attention_scores no-scaling", attention(mix=unscaled)),
        Bug("softmax-over-queries", "softmax over the queries", queries_id, attention(mix=queries)),
        Bug("heads-cut-straight", "heads cut by a view", "split_heads mh-view-straight", attention(*cut)),
        Bug("heads-merged-straight", "heads merged by a view", merged_id, attention(merge=cut[1])),
        Bug("no-positions", "no positions", tiny + "no-positions", _no_positions),
        Bug("no-source-positions", "no source positions", tiny + "no-source-positions", _no_source_positions),
        Bug("no-target-positions", "no target positions", tiny + "no-target-positions", _no_target_positions),
        Bug("position-of-the-row", "positions along the batch", tiny + "position-of-the-row", row),
        Bug(
            "encoder-skipped", "decoder reads the encoder's input", tiny + "encoder-skipped", _encoder_skipped
        ),
        Bug("encoder-reads-target", "encoder reads the target", tiny + "encoder-reads-target", _target_read),
        Bug("memory-of-one-vector", "one row of the memory", tiny + "memory-of-one-vector", _one_vector),
        Bug("no-path-in-encoder", enc, enc_id, _no_path_in_encoder),
        Bug("no-path-in-decoder", dec, dec_id, _no_path_in_decoder),
        Bug("no-final-norm", "no final norm", tiny + "norm-unused", _no_final_norm),
        Bug(
            "softmax-at-the-end", "softmax before the loss", tiny + "softmax-at-the-end", _softmax_at_the_end
        ),
        Bug("divided-by-batch", "loss divided by sentences", loss + "divides-by-batch", loss=_by_batch),
        Bug("padding-counted", "padding counted in the loss", loss + "counts-padding", loss=_padding_counted),
    )


BUGS = {bug.name: bug for bug in _bugs()}
"""By name; the first is no bug."""
