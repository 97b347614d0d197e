"""The decoder: layers that listen to what is written so far, then to the encoder's memory, then think."""

from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor, nn

from plenary.attention import MultiHeadAttention
from plenary.cache import KeyValueCache
from plenary.feed_forward import FeedForward
from plenary.norm import LayerNorm


class LayerCache(NamedTuple):
    """What a decoder layer keeps between steps: its own keys, which grow, and the memory's, which do not."""

    target: KeyValueCache
    memory: KeyValueCache

    @classmethod
    def empty(cls) -> "LayerCache":
        """A cache for the first step."""
        return cls(KeyValueCache(grows=True), KeyValueCache(grows=False))

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""
        self.target.select(rows)
        self.memory.select(rows)


class DecoderLayer(nn.Module):
    """Masked self-attention, attention to the memory, and a feed-forward network, each with a residual path.

    Queries come from the decoder, keys and values of the second attention from the encoder. `norm_first` as in
    `EncoderLayer`.

    Source: Vaswani et al. (2017), Attention Is All You Need, section 3.1.
    """

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
        self.self_attention = MultiHeadAttention(embed_dim, num_heads, dropout=dropout)
        self.cross_attention = MultiHeadAttention(embed_dim, num_heads, dropout=dropout)
        self.feed_forward = FeedForward(embed_dim, hidden_dim, dropout)
        self.norm1 = LayerNorm(embed_dim, eps)
        self.norm2 = LayerNorm(embed_dim, eps)
        self.norm3 = LayerNorm(embed_dim, eps)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        memory: Float[Tensor, "B S D"],
        self_mask: Bool[Tensor, "..."] | None = None,
        memory_mask: Bool[Tensor, "..."] | None = None,
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Update the target's tokens.

        Args:
            x: the target so far, (B, T, D); with a cache, only the tokens that are new.
            memory: what the encoder returned, (B, S, D).
            self_mask: True = may attend, broadcasts to (B, H, T, T); with a cache its last axis counts the
                cached tokens too.
            memory_mask: broadcasts to (B, H, T, S).
            cache: keys and values of earlier calls.
        """
        if self.norm_first:
            x = x + self._listen(self.norm1(x), self_mask, cache)
            x = x + self._consult(self.norm2(x), memory, memory_mask, cache)
            return x + self.dropout(self.feed_forward(self.norm3(x)))
        x = self.norm1(x + self._listen(x, self_mask, cache))
        x = self.norm2(x + self._consult(x, memory, memory_mask, cache))
        return self.norm3(x + self.dropout(self.feed_forward(x)))

    def _listen(self, x: Tensor, mask: Tensor | None, cache: LayerCache | None) -> Tensor:
        """Attend to the target itself."""
        kept = cache.target if cache else None
        return self.dropout(self.self_attention(x, x, x, mask, need_weights=False, cache=kept)[0])

    def _consult(self, x: Tensor, memory: Tensor, mask: Tensor | None, cache: LayerCache | None) -> Tensor:
        """Attend to the memory."""
        kept = cache.memory if cache else None
        return self.dropout(self.cross_attention(x, memory, memory, mask, need_weights=False, cache=kept)[0])


class Decoder(nn.Module):
    """`num_layers` decoder layers, and after the last one a norm when they are pre-norm.

    Source: Vaswani et al. (2017), Attention Is All You Need, section 3.1.
    """

    def __init__(
        self,
        num_layers: int,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int,
        dropout: float = 0.0,
        norm_first: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DecoderLayer(embed_dim, num_heads, hidden_dim, dropout, norm_first, eps)
            for _ in range(num_layers)
        )
        self.norm = LayerNorm(embed_dim, eps) if norm_first else nn.Identity()

    def empty_cache(self) -> list[LayerCache]:
        """One empty cache for each layer, to hand to `forward` at every step of a decoding."""
        return [LayerCache.empty() for _ in self.layers]

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        memory: Float[Tensor, "B S D"],
        self_mask: Bool[Tensor, "..."] | None = None,
        memory_mask: Bool[Tensor, "..."] | None = None,
        cache: list[LayerCache] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Pass the target through all layers; masks and cache as in `DecoderLayer`."""
        for layer, kept in zip(self.layers, cache or [None] * len(self.layers), strict=True):
            x = layer(x, memory, self_mask, memory_mask, kept)
        return self.norm(x)
