"""The modules of the course, built from torch's own functions under the course's names: what is right.

Nothing here comes from the package that learners can read. Several exercises share these; a mistake is often a
subclass of one, with one thing changed.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the shape of every parameter by name, fit for ``random_weights``."""
    return {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Attend with torch's own function; its weights are what it makes of the identity as values."""
    identity = torch.eye(key.shape[-2], dtype=key.dtype).expand(*key.shape[:-1], -1)
    output = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return output, F.scaled_dot_product_attention(query, key, identity, attn_mask=mask)


class MultiHeadAttention(nn.Module):
    """Multi-head attention on ``F.scaled_dot_product_attention``; steps are methods, so that a mistake can be in one."""

    def __init__(self, embed_dim: int, num_heads: int, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"num_heads {num_heads} does not divide embed_dim {embed_dim}")
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.v_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=bias)

    def split(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, H, T, D / H)."""
        return torch.stack(x.chunk(self.num_heads, dim=-1), dim=1)

    def merge(self, x: Tensor) -> Tensor:
        """(B, H, T, D / H) to (B, T, D)."""
        return torch.cat(x.unbind(1), dim=-1)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Attend in every head."""
        output, weights = attend(q, k, v, mask)
        if self.training and self.dropout:
            output = F.dropout(weights, self.dropout) @ v
        return output, weights

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Project, split, attend, merge, project."""
        q, k, v = self.split(self.q_proj(query)), self.split(self.k_proj(key)), self.split(self.v_proj(value))
        attended, weights = self.attend(q, k, v, mask)
        return self.out_proj(self.merge(attended)), weights


class FeedForward(nn.Module):
    """linear1, GELU, dropout, linear2."""

    def __init__(self, embed_dim: int, hidden_dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear1 = nn.Linear(embed_dim, hidden_dim)
        self.linear2 = nn.Linear(hidden_dim, embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map every token by itself."""
        return self.linear2(self.dropout(F.gelu(self.linear1(x))))


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward with residual paths, pre- or post-norm."""

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
        self.attention = MultiHeadAttention(embed_dim, num_heads, dropout=dropout)
        self.feed_forward = FeedForward(embed_dim, hidden_dim, dropout)
        self.norm1 = nn.LayerNorm(embed_dim, eps)
        self.norm2 = nn.LayerNorm(embed_dim, eps)
        self.dropout = nn.Dropout(dropout)

    def attended(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return what attention adds."""
        return self.dropout(self.attention(x, x, x, mask)[0])

    def thought(self, x: Tensor) -> Tensor:
        """Return what the feed-forward network adds."""
        return self.dropout(self.feed_forward(x))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        if self.norm_first:
            x = x + self.attended(self.norm1(x), mask)
            return x + self.thought(self.norm2(x))
        x = self.norm1(x + self.attended(x, mask))
        return self.norm2(x + self.thought(x))


class Encoder(nn.Module):
    """Encoder layers, and a norm after the last one when they are pre-norm."""

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
            EncoderLayer(embed_dim, num_heads, hidden_dim, dropout, norm_first, eps)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim, eps) if norm_first else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)
