"""Right encoder layers and encoders, written in different ways. Every one must pass."""

import copy
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from plenary.exercises._references import Encoder, EncoderLayer, FeedForward, MultiHeadAttention
from plenary.exercises.encoder_block.build import Layer, Mask, Stack


class _ByTwoForwards(nn.Module):
    def __init__(self, embed_dim, num_heads, hidden_dim, dropout=0.0, norm_first=True, eps=1e-5) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self.attention = MultiHeadAttention(embed_dim, num_heads, dropout=dropout)
        self.feed_forward = FeedForward(embed_dim, hidden_dim, dropout)
        self.norm1, self.norm2 = nn.LayerNorm(embed_dim, eps), nn.LayerNorm(embed_dim, eps)
        self.dropout1, self.dropout2 = nn.Dropout(dropout), nn.Dropout(dropout)
        self.norm_first = norm_first

    def forward(self, x: Tensor, mask: Mask = None) -> Tensor:
        residual = x
        if self.norm_first:
            x = self.norm1(x)
        x, _ = self.attention(x, x, x, mask)
        x = residual + self.dropout1(x)
        if not self.norm_first:
            x = self.norm1(x)
        residual = x
        if self.norm_first:
            x = self.norm2(x)
        x = residual + self.dropout2(self.feed_forward(x))
        return x if self.norm_first else self.norm2(x)


class _ByIdentities(Layer):
    """Norms that stand in both places, each the identity in one of them."""

    def forward(self, x: Tensor, mask: Mask = None) -> Tensor:
        def same(x: Tensor) -> Tensor:
            return x

        before = (self.norm1, self.norm2) if self.norm_first else (same, same)
        after = (same, same) if self.norm_first else (self.norm1, self.norm2)
        sublayers = (lambda y: self.attended(y, mask), self.thought)
        for first, sublayer, last in zip(before, sublayers, after, strict=True):
            x = last(x + sublayer(first(x)))
        return x


class _ByFunctions(Layer):
    """torch's functions in place of modules, on the modules' parameters."""

    def forward(self, x: Tensor, mask: Mask = None) -> Tensor:
        def norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
            return F.layer_norm(x, (x.shape[-1],), norm.weight, norm.bias, norm.eps)

        def drop(x: Tensor) -> Tensor:
            return F.dropout(x, self.dropout.p, self.training)

        mask = None if mask is None else mask.expand(*mask.shape[:-2], x.shape[1], x.shape[1])
        if not self.norm_first:
            x = norm(self.norm1, x.add(drop(self.attention(x, x, x, mask)[0])))  # type: ignore[arg-type]
            return norm(self.norm2, x.add(drop(self.feed_forward(x))))  # type: ignore[arg-type]
        n = norm(self.norm1, x)  # type: ignore[arg-type]
        h = x + drop(self.attention(n, n, n, mask)[0])
        return h + drop(self.feed_forward(norm(self.norm2, h)))  # type: ignore[arg-type]


class _ByEinsum(Layer):
    """Attention written out on the given module's four layers."""

    def attended(self, x: Tensor, mask: Mask) -> Tensor:
        a = self.attention
        q, k, v = (
            layer(x).unflatten(-1, (a.num_heads, -1)) / scale
            for layer, scale in (
                (a.q_proj, 1),
                (a.k_proj, (a.embed_dim // a.num_heads) ** 0.5),
                (a.v_proj, 1),
            )
        )
        scores = q.new_zeros(()) + (q.transpose(1, 2) @ k.permute(0, 2, 3, 1))
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        weights = F.dropout(scores.softmax(-1), a.dropout, self.training)
        return self.dropout(a.out_proj((weights @ v.transpose(1, 2)).transpose(1, 2).flatten(2)))


LAYER = (EncoderLayer, Layer, _ByTwoForwards, _ByIdentities, _ByFunctions, _ByEinsum)


class _ByCopies(Stack):
    """Copies of one layer, as torch's own encoder makes them."""

    def stacked(self, num_layers: int, *sizes: Any) -> nn.ModuleList:
        one = Layer(*sizes)
        return nn.ModuleList([copy.deepcopy(one) for _ in range(num_layers)])


class _ByAppending(Stack):
    def stacked(self, num_layers: int, *sizes: Any) -> nn.ModuleList:
        layers = nn.ModuleList()
        for _ in range(num_layers):
            layers.append(EncoderLayer(*sizes))
        return layers


class _ByIndex(Stack):
    def forward(self, x: Tensor, mask: Mask = None) -> Tensor:
        out = x
        for i in range(len(self.layers)):  # type: ignore[arg-type]
            out = self.layers[i](out, mask=mask)  # type: ignore[index]
        return self.norm(out) if self.norm_first else out


class _ByRecursion(Stack):
    def forward(self, x: Tensor, mask: Mask = None, start: int = 0) -> Tensor:
        if start == self.num_layers:
            return self.norm(x)
        return self.forward(self.layers[start](x, mask), mask, start + 1)  # type: ignore[index]


class _WithoutIdentity(Stack):
    """No module at all after the last layer in post-norm."""

    def last(self, norm_first: bool, embed_dim: int, eps: float) -> Any:
        return nn.LayerNorm(embed_dim, eps) if norm_first else None

    def forward(self, x: Tensor, mask: Mask = None) -> Tensor:
        for layer in self.layers:  # type: ignore[union-attr]
            x = layer(x, mask)
        return x if self.norm is None else self.norm(x)


STACK = (Encoder, _ByCopies, _ByAppending, _ByIndex, _ByRecursion, _WithoutIdentity)
