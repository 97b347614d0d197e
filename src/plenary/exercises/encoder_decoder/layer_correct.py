"""Right decoder layers, written in different ways. Every one must pass."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import plenary
from plenary.exercises.encoder_decoder.layer_build import Attention, Mask, Reference


class _HandedOut(nn.Module):
    """Put together from the parts that the notebook hands out."""

    def __init__(self, embed_dim, num_heads, hidden_dim, dropout=0.0, norm_first=True, eps=1e-5) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self.self_attention = plenary.MultiHeadAttention(embed_dim, num_heads, dropout=dropout)
        self.cross_attention = plenary.MultiHeadAttention(embed_dim, num_heads, dropout=dropout)
        self.feed_forward = plenary.FeedForward(embed_dim, hidden_dim, dropout)
        self.norm1 = plenary.LayerNorm(embed_dim, eps)
        self.norm2 = plenary.LayerNorm(embed_dim, eps)
        self.norm3 = plenary.LayerNorm(embed_dim, eps)
        self.dropout1, self.dropout2, self.dropout3 = (nn.Dropout(dropout) for _ in range(3))
        self.norm_first = norm_first

    def forward(self, x: Tensor, memory: Tensor, self_mask: Mask = None, memory_mask: Mask = None) -> Tensor:
        if self.norm_first:
            y = self.norm1(x)
            y, _ = self.self_attention(y, y, y, self_mask)
            x = x + self.dropout1(y)
            y, _ = self.cross_attention(self.norm2(x), memory, memory, mask=memory_mask)
            x = x + self.dropout2(y)
            return x + self.dropout3(self.feed_forward(self.norm3(x)))
        y, _ = self.self_attention(x, x, x, self_mask)
        x = self.norm1(x + self.dropout1(y))
        y, _ = self.cross_attention(x, memory, memory, mask=memory_mask)
        x = self.norm2(x + self.dropout2(y))
        return self.norm3(x + self.dropout3(self.feed_forward(x)))


class _BySublayers(_HandedOut):
    """One helper for all three residual paths, as in the Annotated Transformer."""

    def _around(self, x: Tensor, norm: nn.Module, part: Callable[[Tensor], Tensor]) -> Tensor:
        if self.norm_first:
            return x + self.dropout1(part(norm(x)))
        return norm(x + self.dropout1(part(x)))

    def forward(self, x: Tensor, memory: Tensor, self_mask: Mask = None, memory_mask: Mask = None) -> Tensor:
        x = self._around(x, self.norm1, lambda y: self.self_attention(y, y, y, self_mask)[0])
        x = self._around(x, self.norm2, lambda y: self.cross_attention(y, memory, memory, memory_mask)[0])
        return self._around(x, self.norm3, self.feed_forward)


class _InALoop(_HandedOut):
    """The parts and their norms in a list."""

    def forward(self, x: Tensor, memory: Tensor, self_mask: Mask = None, memory_mask: Mask = None) -> Tensor:
        steps = [
            (self.norm1, lambda y: self.self_attention(y, y, y, self_mask, need_weights=False)[0]),
            (
                self.norm2,
                lambda y: self.cross_attention(y, memory, memory, memory_mask, need_weights=False)[0],
            ),
            (self.norm3, self.feed_forward),
        ]
        for norm, part in steps:
            added = part(norm(x) if self.norm_first else x)
            x = x + F.dropout(added, self.dropout1.p, self.training)
            x = x if self.norm_first else norm(x)
        return x


class _ByEinsum(Reference):
    """Attention written out, an additive mask, and norms by the functional."""

    def _attend(self, part: Attention, query: Tensor, source: Tensor, mask: Mask) -> Tensor:
        split = (part.num_heads, -1)
        q, k, v = (
            proj(y).unflatten(-1, split)
            for proj, y in ((part.q_proj, query), (part.k_proj, source), (part.v_proj, source))
        )
        scores = torch.einsum("bthd,bshd->bhts", q, k) * q.shape[-1] ** -0.5
        if mask is not None:
            scores = scores + torch.zeros(mask.shape, dtype=scores.dtype).masked_fill(~mask, -1e30)
        weights = F.dropout(scores.softmax(-1), part.dropout, self.training)
        return part.out_proj(torch.einsum("bhts,bshd->bthd", weights, v).flatten(-2))

    def listened(self, x: Tensor, memory: Tensor, self_mask: Mask, memory_mask: Mask) -> Tensor:
        return self.dropout(self._attend(self.self_attention, x, x, self_mask))

    def consulted(self, x: Tensor, memory: Tensor, self_mask: Mask, memory_mask: Mask) -> Tensor:
        return self.dropout(self._attend(self.cross_attention, x, memory, memory_mask))


CORRECT = (_HandedOut, _BySublayers, _InALoop, _ByEinsum, Reference)
