"""Right answers, written in different ways. Every one must pass."""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


def _split_by_unflatten(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def _split_by_view(x: Tensor, num_heads: int) -> Tensor:
    batch, _, width = x.shape
    assert width % num_heads == 0
    return x.view(batch, -1, num_heads, width // num_heads).permute(0, 2, 1, 3).contiguous()


def _split_by_einops(x: Tensor, num_heads: int) -> Tensor:
    return rearrange(x, "b t (h d) -> b h t d", h=num_heads)


def _split_by_slices(x: Tensor, num_heads: int) -> Tensor:
    width = x.shape[-1] // num_heads
    return torch.stack([x[:, :, h * width : (h + 1) * width] for h in range(num_heads)], dim=1)


def _split_by_split(x: Tensor, num_heads: int) -> Tensor:
    return torch.cat([part.unsqueeze(1) for part in x.split(x.size(2) // num_heads, dim=2)], dim=1)


def _split_transposed_first(x: Tensor, num_heads: int) -> Tensor:
    return x.mT.reshape(x.shape[0], num_heads, -1, x.shape[1]).mT


def _split_by_filling(x: Tensor, num_heads: int) -> Tensor:
    width = x.shape[-1] // num_heads
    heads = x.new_empty(x.shape[0], num_heads, x.shape[1], width)
    for feature in range(x.shape[-1]):
        heads[:, feature // width, :, feature % width] = x[:, :, feature]
    return heads


def _merge_by_flatten(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def _merge_by_reshape(x: Tensor) -> Tensor:
    batch, heads, length, width = x.shape
    return x.permute(0, 2, 1, 3).reshape(batch, length, heads * width)


def _merge_by_contiguous_view(x: Tensor) -> Tensor:
    return x.transpose(1, 2).contiguous().view(x.size(0), -1, x.size(1) * x.size(3))


def _merge_by_einops(x: Tensor) -> Tensor:
    return rearrange(x, "b h t d -> b t (h d)")


def _merge_by_cat(x: Tensor) -> Tensor:
    return torch.cat([x[:, h] for h in range(x.shape[1])], dim=-1)


def _merge_transposed_first(x: Tensor) -> Tensor:
    return x.mT.flatten(1, 2).mT


def _merge_by_identity(x: Tensor) -> Tensor:
    eye = torch.eye(x.shape[1] * x.shape[3], dtype=x.dtype).unflatten(0, (x.shape[1], x.shape[3]))
    return torch.einsum("bhtd,hdw->btw", x, eye)


class _Layers(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        if embed_dim % num_heads != 0:
            raise ValueError(f"{embed_dim} features cannot be shared out among {num_heads} heads")
        self.num_heads, self.head_dim = num_heads, embed_dim // num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.v_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.dropout = nn.Dropout(dropout)


class _StepByStep(_Layers):
    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
        q = _split_by_view(self.q_proj(query), self.num_heads)
        k = _split_by_view(self.k_proj(key), self.num_heads)
        v = _split_by_view(self.v_proj(value), self.num_heads)
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.head_dim)
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        weights = torch.nan_to_num(torch.softmax(scores, dim=-1))
        return self.out_proj(_merge_by_reshape(self.dropout(weights) @ v)), weights


class _DroppedWeightsReturned(_Layers):
    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
        def cut(x: Tensor) -> Tensor:
            return rearrange(x, "b t (h d) -> b h t d", d=self.head_dim)

        scores = torch.einsum("bhtd,bhsd->bhts", cut(self.q_proj(query)), cut(self.k_proj(key)))
        scores = scores * self.head_dim**-0.5
        if mask is not None:
            scores = scores + torch.zeros(mask.shape, dtype=scores.dtype).masked_fill(~mask, -1e30)
        weights = scores.softmax(-1)
        weights = self.dropout(weights if mask is None else weights * mask)
        heads = torch.einsum("bhts,bhsd->bthd", weights, cut(self.v_proj(value)))
        return self.out_proj(heads.flatten(2)), weights


class _FusedKernel(_Layers):
    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
        q, k, v = (
            _split_by_unflatten(layer(x), self.num_heads)
            for layer, x in ((self.q_proj, query), (self.k_proj, key), (self.v_proj, value))
        )
        p = self.dropout.p if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p)
        eye = torch.eye(k.shape[-2], dtype=k.dtype).expand(*k.shape[:-1], -1)
        weights = F.scaled_dot_product_attention(q, k, eye, attn_mask=mask)
        return self.out_proj(_merge_by_flatten(attended)), weights


class _HeadByHead(_Layers):
    """Each head with its rows of the matrices, its outputs mapped by its columns of out_proj and added up."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
        output, weights = 0.0, []
        for h in range(self.num_heads):
            own = slice(h * self.head_dim, (h + 1) * self.head_dim)
            q, k, v = self.q_proj(query)[..., own], self.k_proj(key)[..., own], self.v_proj(value)[..., own]
            scores = q @ k.mT / self.head_dim**0.5
            if mask is None:
                table = scores.softmax(-1)
            else:
                four = mask[(None,) * (4 - mask.ndim)]
                allowed = four[:, h if four.shape[1] > 1 else 0].expand_as(scores)
                empty = ~allowed.any(-1, keepdim=True)
                table = scores.masked_fill(~(allowed | empty), -math.inf).softmax(-1).masked_fill(empty, 0.0)
            weights.append(table)
            output = output + self.dropout(table) @ v @ self.out_proj.weight[:, own].T
        bias = 0.0 if self.out_proj.bias is None else self.out_proj.bias
        return output + bias, torch.stack(weights, dim=1)


class _FoldedIntoBatch(_Layers):
    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
        def fold(x: Tensor) -> Tensor:
            return rearrange(x, "b t (h d) -> (b h) t d", h=self.num_heads)

        q, k, v = fold(self.q_proj(query)), fold(self.k_proj(key)), fold(self.v_proj(value))
        scores = torch.bmm(q * self.head_dim**-0.5, k.transpose(1, 2))
        scores = scores.unflatten(0, (-1, self.num_heads))
        if mask is not None:
            scores = torch.where(mask, scores, -math.inf)
        top = scores.amax(-1, keepdim=True).detach()
        exponentials = (scores - top.masked_fill(top.isinf(), 0.0)).exp()
        total = exponentials.sum(-1, keepdim=True)
        weights = exponentials / total.masked_fill(total == 0, 1.0)
        attended = torch.bmm(self.dropout(weights).flatten(0, 1), v)
        return self.out_proj(rearrange(attended, "(b h) t d -> b t (h d)", h=self.num_heads)), weights


SPLIT = (
    _split_by_unflatten,
    _split_by_view,
    _split_by_einops,
    _split_by_slices,
    _split_by_split,
    _split_transposed_first,
    _split_by_filling,
)
MERGE = (
    _merge_by_flatten,
    _merge_by_reshape,
    _merge_by_contiguous_view,
    _merge_by_einops,
    _merge_by_cat,
    _merge_transposed_first,
    _merge_by_identity,
)
MODULE = (_StepByStep, _DroppedWeightsReturned, _FusedKernel, _HeadByHead, _FoldedIntoBatch)
