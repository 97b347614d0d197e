"""Multi-head attention: several attentions side by side, each in its own slice of the width.

Where weights are asked for, they are computed step by step as the book does; where they are not, PyTorch's fused
kernel gives the same output without ever holding a (T, S) matrix. The two agree to rounding.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from plenary import expect
from plenary.cache import KeyValueCache
from plenary.functional import attention_scores, masked_softmax
from plenary.position import RotaryEncoding


def split_heads(x: Float[Tensor, "B T D"], num_heads: int) -> Float[Tensor, "B {num_heads} T d_k"]:
    """Cut the width into heads: (B, T, D) to (B, H, T, D / H). Head h gets features h D/H to (h + 1) D/H - 1.

    Raises:
        ValueError: D does not divide by num_heads.
    """
    expect.divides("split_heads", "num_heads", num_heads, "width", x.shape[-1])
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def merge_heads(x: Float[Tensor, "B H T d_k"]) -> Float[Tensor, "B T D"]:
    """Put the heads side by side again: (B, H, T, D / H) to (B, T, D). The inverse of `split_heads`."""
    return x.transpose(1, 2).flatten(2)


class MultiHeadAttention(nn.Module):
    """H attentions in parallel, each of width D / H, mixed by one last linear layer.

    Args:
        embed_dim: D, the width of the inputs and of the output.
        num_heads: H; must divide D.
        bias: whether the four linear layers have biases.
        dropout: the share of attention weights that is dropped in training.
        rotary: turns queries and keys by their positions before they meet; `None` leaves them as they are.

    Raises:
        ValueError: embed_dim does not divide by num_heads.

    Source: Vaswani et al. (2017), Attention Is All You Need, section 3.2.2.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        bias: bool = True,
        dropout: float = 0.0,
        rotary: RotaryEncoding | None = None,
    ) -> None:
        super().__init__()
        expect.divides("MultiHeadAttention", "num_heads", num_heads, "embed_dim", embed_dim)
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.rotary = rotary
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias)
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias)
        self.v_proj = nn.Linear(embed_dim, embed_dim, bias)
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias)

    def forward(
        self,
        query: Float[Tensor, "B T D"],
        key: Float[Tensor, "B S D"],
        value: Float[Tensor, "B S D"],
        mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
        cache: KeyValueCache | None = None,
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T _"] | None]:
        """Attend from the query's rows to the key's and value's; all three the same is self-attention.

        Args:
            query: (B, T, D).
            key: (B, S, D).
            value: (B, S, D).
            mask: boolean, True = may attend, broadcasts to (B, H, T, S). A query that may attend to nothing gets
                an attention output of zero, so the module returns out_proj's bias there.
            need_weights: `False` takes the fused kernel: memory grows with T + S instead of T S, and the second
                value returned is `None`.
            cache: keys and values of earlier calls, which stand before the new ones; this call adds its own. The
                mask then covers all of them.

        Returns:
            The output (B, T, D), and the weights (B, H, T, S) of every head before dropout, or `None`.

        Raises:
            TypeError: the mask is not boolean.
            ValueError: an input is not (batch, length, D), the batches differ, key and value differ in length, the
                mask does not broadcast, or rotary positions meet a cache that does not grow.
        """
        expect.width("MultiHeadAttention", self.embed_dim, query=query, key=key, value=value)
        expect.same_size("MultiHeadAttention", "batch (first axis)", 0, query=query, key=key, value=value)
        expect.same_size("MultiHeadAttention", "length S (last axis but one)", -2, key=key, value=value)
        q = split_heads(self.q_proj(query), self.num_heads)
        if self.rotary is not None:
            q = self.rotary(q, offset=self._offset(cache))
        k, v = self._keys_and_values(key, value, cache)
        if mask is not None:
            expect.mask("MultiHeadAttention", mask, torch.Size([*q.shape[:-1], k.shape[-2]]))
            mask = torch.atleast_2d(mask)  # the fused kernel takes no mask with one axis
        p = self.dropout if self.training else 0.0
        if not need_weights:
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p)
            return self.out_proj(merge_heads(attended)), None
        scores = attention_scores(q, k)
        weights = scores.softmax(dim=-1) if mask is None else masked_softmax(scores, mask)
        return self.out_proj(merge_heads(F.dropout(weights, p) @ v)), weights

    def _keys_and_values(
        self, key: Tensor, value: Tensor, cache: KeyValueCache | None
    ) -> tuple[Tensor, Tensor]:
        """Project keys and values, unless the cache has them already, and let it keep them."""
        if cache is not None and cache.complete:
            return cache.read()
        k = split_heads(self.k_proj(key), self.num_heads)
        v = split_heads(self.v_proj(value), self.num_heads)
        if self.rotary is not None:
            k = self.rotary(k, offset=self._offset(cache))
        return (k, v) if cache is None else cache.extend(k, v)

    def _offset(self, cache: KeyValueCache | None) -> int:
        """How many positions came before this call."""
        if cache is None:
            return 0
        if not cache.grows:
            raise ValueError(
                "MultiHeadAttention: rotary positions need a cache that grows (self-attention), to count how far "
                "the queries have come; this one was made with grows=False."
            )
        return len(cache)
