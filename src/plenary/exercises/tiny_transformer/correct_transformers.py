"""Right tiny Transformers, built in different ways. Every one must pass."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.exercises.tiny_transformer.transformer_reference import ReferenceTransformer, sines


class _OfTorchsTransformer(nn.Module):
    """``nn.Transformer``, post-norm, with learned positions and two embeddings."""

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
        self.pad_id = pad_id
        self.source = nn.Embedding(vocab_size, embed_dim, padding_idx=pad_id)
        self.target = nn.Embedding(vocab_size, embed_dim, padding_idx=pad_id)
        self.place = nn.Embedding(max_length, embed_dim)
        self.scale = math.sqrt(embed_dim)
        self.body = nn.Transformer(
            embed_dim,
            num_heads,
            num_layers,
            num_layers,
            dim_feedforward=4 * embed_dim,
            dropout=0.0,
            batch_first=True,
        )
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        padding = source == self.pad_id
        length = target.shape[1]
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        x = self.source(source) * self.scale + self.place(torch.arange(source.shape[1]))
        y = self.target(target) * self.scale + self.place(torch.arange(length))
        written = self.body(
            x, y, tgt_mask=later, src_key_padding_mask=padding, memory_key_padding_mask=padding
        )
        return self.head(written)


class _OfTorchsLayers(nn.Module):
    """torch's layers one by one, pre-norm, with dropout, which evaluation mode switches off."""

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
        sizes = {"dim_feedforward": 4 * embed_dim, "dropout": 0.1, "batch_first": True, "norm_first": True}
        self.pad_id = pad_id
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Parameter(torch.randn(1, max_length, embed_dim))
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(embed_dim, num_heads, **sizes) for _ in range(num_layers)
        )
        self.decoder = nn.ModuleList(
            nn.TransformerDecoderLayer(embed_dim, num_heads, **sizes) for _ in range(num_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(embed_dim) for _ in range(2))
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        padding = source.eq(self.pad_id)
        x = self.embedding(source) + self.position[:, : source.size(1)]
        for layer in self.encoder:
            x = layer(x, src_key_padding_mask=padding)
        memory = self.norms[0](x)
        y = self.embedding(target) + self.position[:, : target.size(1)]
        later = nn.Transformer.generate_square_subsequent_mask(target.size(1))
        for layer in self.decoder:
            y = layer(y, memory, tgt_mask=later, memory_key_padding_mask=padding)
        return self.head(self.norms[1](y))


class _Tied(ReferenceTransformer):
    """The last layer is the embedding, transposed; only the future is hidden in the target, padding is not."""

    def __init__(self, *sizes: Any, **named: Any) -> None:
        super().__init__(*sizes, **named)
        nn.init.normal_(self.embedding.weight, std=self.embed_dim**-0.5)
        self.head.weight = self.embedding.weight

    def placed(self, x: Tensor) -> Tensor:
        return x * math.sqrt(self.embed_dim) + self.positions[: x.shape[1]]

    def target_mask(self, target: Tensor) -> Tensor | None:
        place = torch.arange(target.shape[1])
        return place[:, None] >= place


class _AdditiveMasks(ReferenceTransformer):
    """Masks as numbers that are added to the scores."""

    def source_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        return torch.zeros(source.shape).masked_fill(source == self.pad_id, -1e9)[:, None, None]

    memory_mask = source_mask

    def target_mask(self, target: Tensor) -> Tensor | None:
        length = target.shape[1]
        return torch.full((length, length), -math.inf).triu(1)


class _Sequences(ReferenceTransformer):
    """Without masks for padding: each row of the batch by itself, its padding cut off first."""

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        rows = []
        for words, answer in zip(source, target, strict=True):
            kept = words[words != self.pad_id][None]
            rows.append(super().forward(kept, answer[None])[0])
        return torch.stack(rows)


class _SmallStart(ReferenceTransformer):
    """All matrices start small, as in BERT and GPT."""

    def __init__(self, *sizes: Any, **named: Any) -> None:
        super().__init__(*sizes, **named)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
        self.place = nn.Parameter(0.02 * torch.randn(len(self.positions), self.embed_dim))

    def placed(self, x: Tensor) -> Tensor:
        return x + self.place[: x.shape[1]]


class _XavierOneHot(ReferenceTransformer):
    """Words as one-hot rows times a matrix; Xavier's start everywhere; positions by an index."""

    def __init__(self, *sizes: Any, **named: Any) -> None:
        super().__init__(*sizes, **named)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def placed(self, x: Tensor) -> Tensor:
        return x + F.embedding(torch.arange(x.shape[1]), self.positions)

    def embed_source(self, source: Tensor) -> Tensor:
        hot = F.one_hot(source, self.embedding.num_embeddings).to(self.embedding.weight.dtype)
        return self.placed(hot @ self.embedding.weight)


class _PositionsByRow(ReferenceTransformer):
    """The table is made anew on each call, one row per position."""

    def placed(self, x: Tensor) -> Tensor:
        table = sines(x.shape[1], self.embed_dim)
        return torch.stack([x[:, t] + table[t] for t in range(x.shape[1])], dim=1)


TRANSFORMERS = (
    ReferenceTransformer,
    _OfTorchsTransformer,
    _OfTorchsLayers,
    _Tied,
    _AdditiveMasks,
    _Sequences,
    _SmallStart,
    _XavierOneHot,
    _PositionsByRow,
)
