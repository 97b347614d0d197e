"""The encoder: layers in which every token listens to all others, then thinks for itself."""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from plenary.attention import MultiHeadAttention
from plenary.feed_forward import FeedForward
from plenary.norm import LayerNorm


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, each with a residual path around it.

    With `norm_first` (pre-norm) x = x + f(norm(x)); without (post-norm, as in 2017) x = norm(x + f(x)). Dropout
    acts on what each sublayer adds, and inside both.

    Source: Vaswani et al. (2017), section 3.1; pre-norm: Xiong et al. (2020), On Layer Normalization in the
    Transformer Architecture, figure 1.
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
        self.attention = MultiHeadAttention(embed_dim, num_heads, dropout=dropout)
        self.feed_forward = FeedForward(embed_dim, hidden_dim, dropout)
        self.norm1 = LayerNorm(embed_dim, eps)
        self.norm2 = LayerNorm(embed_dim, eps)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "B T D"], mask: Bool[Tensor, "..."] | None = None, rows: int | None = None
    ) -> Float[Tensor, "B _ D"]:
        """Update the tokens.

        Args:
            x: (B, T, D).
            mask: True = may attend, broadcasts to (B, H, T, T), or to (B, H, rows, T).
            rows: compute only the first `rows` tokens, when nothing after this layer reads the others. They
                still hear everyone.

        Returns:
            (B, T, D), or (B, rows, D).
        """
        if self.norm_first:
            normed = self.norm1(x)
            x = x[:, :rows] + self._attend(normed, mask, rows)
            return x + self.dropout(self.feed_forward(self.norm2(x)))
        x = self.norm1(x[:, :rows] + self._attend(x, mask, rows))
        return self.norm2(x + self.dropout(self.feed_forward(x)))

    def _attend(self, x: Tensor, mask: Tensor | None, rows: int | None) -> Tensor:
        attended, _ = self.attention(x[:, :rows], x, x, mask, need_weights=False)
        return self.dropout(attended)


class Encoder(nn.Module):
    """`num_layers` encoder layers, and after the last one a norm when they are pre-norm.

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
            EncoderLayer(embed_dim, num_heads, hidden_dim, dropout, norm_first, eps)
            for _ in range(num_layers)
        )
        # In a pre-norm stack nothing has normalised the sum that leaves the last layer.
        self.norm = LayerNorm(embed_dim, eps) if norm_first else nn.Identity()

    def forward(
        self, x: Float[Tensor, "B T D"], mask: Bool[Tensor, "..."] | None = None
    ) -> Float[Tensor, "B T D"]:
        """Pass the tokens through all layers; the mask, True = may attend, goes to each of them."""
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)
