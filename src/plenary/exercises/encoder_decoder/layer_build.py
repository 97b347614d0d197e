"""The decoder layer in steps, so that a mistake can stand in one of them and everything else be right."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.exercise import Function
from plenary.exercises import _references

Mask = Tensor | None
Sublayer = Callable[["Reference", Tensor, Tensor, Mask, Mask], Tensor]
Forward = Callable[..., object]


class Attention(_references.MultiHeadAttention):
    """Attention that refuses what does not fit with a ValueError, as the one that learners are handed does."""

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Look at the sizes, then attend."""
        if key.shape[1] != value.shape[1]:
            raise ValueError("as many values as keys")
        if mask is not None:
            scores = (query.shape[0], self.num_heads, query.shape[1], key.shape[1])
            sides = zip(reversed(mask.shape), reversed(scores), strict=False)
            if mask.ndim > len(scores) or any(side not in (1, size) for side, size in sides):
                raise ValueError("the mask does not broadcast to the scores")
        return super().forward(query, key, value, mask)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Attend in every head; the weights, which no one here looks at, only where some are dropped."""
        if self.training and self.dropout:
            return super().attend(q, k, v, mask)
        output = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return output, output


class Reference(nn.Module):
    """Self-attention, attention to the memory, feed-forward: each added to what comes in, pre- or post-norm."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int,
        dropout: float = 0.0,
        norm_first: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.self_attention = Attention(embed_dim, num_heads, dropout=dropout)
        self.cross_attention = Attention(embed_dim, num_heads, dropout=dropout)
        self.feed_forward = _references.FeedForward(embed_dim, hidden_dim, dropout)
        self.norm1 = nn.LayerNorm(embed_dim, eps)
        self.norm2 = nn.LayerNorm(embed_dim, eps)
        self.norm3 = nn.LayerNorm(embed_dim, eps)
        self.dropout = nn.Dropout(dropout)

    def to(self, dtype: torch.dtype) -> "Reference":  # type: ignore[override]
        """Convert the parameters, unless they are of this dtype: most probes find them so."""
        return self if self.norm1.weight.dtype == dtype else super().to(dtype)

    def listened(self, x: Tensor, memory: Tensor, self_mask: Mask, memory_mask: Mask) -> Tensor:
        """Return what the self-attention adds."""
        return self.dropout(self.self_attention(x, x, x, self_mask)[0])

    def consulted(self, x: Tensor, memory: Tensor, self_mask: Mask, memory_mask: Mask) -> Tensor:
        """Return what the attention to the memory adds."""
        return self.dropout(self.cross_attention(x, memory, memory, memory_mask)[0])

    def thought(self, x: Tensor) -> Tensor:
        """Return what the feed-forward network adds."""
        return self.dropout(self.feed_forward(x))

    def before(self, x: Tensor, *rest: Tensor | None) -> Tensor:
        """Normalise before each part."""
        x = x + self.listened(self.norm1(x), *rest)  # type: ignore[arg-type]
        x = x + self.consulted(self.norm2(x), *rest)  # type: ignore[arg-type]
        return x + self.thought(self.norm3(x))

    def after(self, x: Tensor, *rest: Tensor | None) -> Tensor:
        """Normalise after each part."""
        x = self.norm1(x + self.listened(x, *rest))  # type: ignore[arg-type]
        x = self.norm2(x + self.consulted(x, *rest))  # type: ignore[arg-type]
        return self.norm3(x + self.thought(x))

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        self_mask: Mask = None,
        memory_mask: Mask = None,
    ) -> object:
        """(B, T, D) to (B, T, D)."""
        run = self.before if self.norm_first else self.after
        return run(x, memory, self_mask, memory_mask)


@cache
def _built(**built: Any) -> Reference:
    """Build a layer once for all mistakes: whoever uses it loads weights and sets the mode first."""
    return Reference(**built)


def layer(**changed: Callable[..., object]) -> Callable[..., Reference]:
    """Say how to build a decoder layer with some of its steps changed.

    The modules of all of these are the same; only the steps differ, and building modules is what takes time.
    """
    changed_class = type("Wrong", (Reference,), changed)

    def build(**built: Any) -> Reference:
        made = _built(**built)
        made.__class__ = changed_class
        return made

    return build


def rebuilt(change: Callable[[Reference], None]) -> Callable[..., Reference]:
    """Say how to build a decoder layer that is changed once it is built, in its modules."""

    @cache
    def build(**built: Any) -> Reference:
        made = Reference(**built)
        change(made)
        return made

    return build


def in_layer(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of writing the decoder layer."""
    return {"DecoderLayer": wrong}


def causal(x: Tensor, other: Tensor | None = None) -> Tensor:
    """Let token t listen to tokens 0 to t of itself, or of another sequence."""
    return torch.ones(x.shape[1], (x if other is None else other).shape[1], dtype=torch.bool).tril()
