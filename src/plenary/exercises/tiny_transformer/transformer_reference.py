"""A tiny Transformer on torch's own functions. Each step is a method, so that a mistake can be in one of them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.exercises._references import FeedForward, MultiHeadAttention


class Attention(MultiHeadAttention):
    """Multi-head attention without the weights, which nobody asks for here."""

    def split(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, H, T, D / H)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def merge(self, x: Tensor) -> Tensor:
        """(B, H, T, D / H) to (B, T, D)."""
        return x.transpose(1, 2).flatten(2)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Attend in every head."""
        output = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return output, output


class Layer(nn.Module):
    """An encoder's layer; with ``crosses``, a decoder's. Norms come first."""

    def __init__(self, embed_dim: int, num_heads: int, crosses: bool, hidden_dim: int | None = None) -> None:
        super().__init__()
        self.own = Attention(embed_dim, num_heads)
        self.norm1 = nn.LayerNorm(embed_dim)
        self.across = Attention(embed_dim, num_heads) if crosses else None
        self.norm2 = nn.LayerNorm(embed_dim) if crosses else None
        self.feed_forward = FeedForward(embed_dim, hidden_dim or 4 * embed_dim)
        self.norm3 = nn.LayerNorm(embed_dim)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        normed = self.norm1(x)
        x = x + self.own(normed, normed, normed, mask)[0]
        if self.across is not None and self.norm2 is not None and memory is not None:
            x = x + self.across(self.norm2(x), memory, memory, memory_mask)[0]
        return x + self.feed_forward(self.norm3(x))


class ReferenceTransformer(nn.Module):
    """Encoder and decoder over one vocabulary, with one embedding for both."""

    positions: Tensor

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        max_length: int,
        pad_id: int = 0,
    ) -> None:
        super().__init__()
        self.embed_dim, self.num_heads, self.num_layers = embed_dim, num_heads, num_layers
        self.pad_id = pad_id
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.register_buffer("positions", sines(max_length, embed_dim))
        self.encoder = self.stack(crosses=False)
        self.decoder = self.stack(crosses=True)
        self.encoder_norm = nn.LayerNorm(embed_dim)
        self.decoder_norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def layer(self, crosses: bool) -> Layer:
        """Make one layer."""
        return Layer(self.embed_dim, self.num_heads, crosses)

    def stack(self, crosses: bool) -> nn.ModuleList:
        """Make the layers of one side."""
        return nn.ModuleList(self.layer(crosses) for _ in range(self.num_layers))

    def placed(self, x: Tensor) -> Tensor:
        """Add the positions to (B, T, D)."""
        return x + self.positions[: x.shape[1]]

    def embed_source(self, source: Tensor) -> Tensor:
        """(B, S) to (B, S, D)."""
        return self.placed(self.embedding(source))

    def embed_target(self, target: Tensor) -> Tensor:
        """(B, T) to (B, T, D)."""
        return self.placed(self.embedding(target))

    def source_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        """Hide the padding from the encoder."""
        return (source != self.pad_id)[:, None, None, :]

    def target_mask(self, target: Tensor) -> Tensor | None:
        """Hide what comes later, and padding."""
        length = target.shape[1]
        return torch.ones(length, length).tril().bool() & (target != self.pad_id)[:, None, None, :]

    def memory_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        """Hide the memory's padding from the decoder."""
        return (source != self.pad_id)[:, None, None, :]

    def read(self, source: Tensor, target: Tensor) -> Tensor:
        """Make the memory."""
        x, mask = self.embed_source(source), self.source_mask(source, target)
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x)

    def write(self, source: Tensor, target: Tensor, memory: Tensor) -> Tensor:
        """Take the target through the decoder."""
        x, mask = self.embed_target(target), self.target_mask(target)
        memory_mask = self.memory_mask(source, target)
        for layer in self.decoder:
            x = layer(x, mask, memory, memory_mask)
        return self.decoder_norm(x)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """(B, S), (B, T) to logits (B, T, V)."""
        return self.head(self.write(source, target, self.read(source, target)))


def sines(length: int, embed_dim: int) -> Tensor:
    """Return the table of positions of the paper, feature by feature."""
    place = torch.arange(length, dtype=torch.float64)
    columns = []
    for feature in range(embed_dim):
        angle = place / 10_000 ** (2 * (feature // 2) / embed_dim)
        columns.append(angle.cos() if feature % 2 else angle.sin())
    return torch.stack(columns, -1).float()
