"""Right answers, written in different ways. Every one must pass."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def _scores_by_einsum(query: Tensor, key: Tensor) -> Tensor:
    return torch.einsum("...td,...sd->...ts", query, key) / query.shape[-1] ** 0.5


def _scores_query_scaled_first(query: Tensor, key: Tensor) -> Tensor:
    return torch.matmul(query / math.sqrt(key.size(-1)), key.transpose(-2, -1))


def _scores_by_loops(query: Tensor, key: Tensor) -> Tensor:
    rows = [
        torch.stack([(query[..., t, :] * key[..., s, :]).sum(-1) for s in range(key.shape[-2])], -1)
        for t in range(query.shape[-2])
    ]
    return torch.stack(rows, -2) / math.sqrt(query.shape[-1])


def _scores_by_broadcasting(query: Tensor, key: Tensor) -> Tensor:
    d_k = torch.tensor(query.shape[-1], dtype=query.dtype)
    return (query.unsqueeze(-2) * key.unsqueeze(-3)).sum(-1) * d_k.rsqrt()


def _scores_transposed_back(query: Tensor, key: Tensor) -> Tensor:
    return (key @ query.mT).mT * query.shape[-1] ** -0.5


def _by_masked_fill(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    scores = _scores_by_einsum(query, key)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = torch.softmax(scores, dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0)
    return weights @ value, weights


def _by_additive_mask(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    scores = _scores_query_scaled_first(query, key)
    if mask is not None:
        bias = torch.zeros(mask.shape, dtype=scores.dtype).masked_fill(~mask, -1e30)
        scores = scores + bias
    weights = F.softmax(scores, dim=-1)
    if mask is not None:
        weights = weights * mask
    return torch.einsum("...ts,...sv->...tv", weights, value), weights


def _by_additive_infinity(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    scores = _scores_by_einsum(query, key)
    if mask is not None:
        scores = scores + torch.zeros_like(scores).masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1).nan_to_num(0.0)
    return weights @ value, weights


def _by_exponentials(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    scores = _scores_by_broadcasting(query, key)
    allowed = torch.ones_like(scores) if mask is None else mask.expand_as(scores).to(scores.dtype)
    lowest = torch.finfo(scores.dtype).min
    top = torch.where(allowed > 0, scores, lowest).amax(-1, keepdim=True).detach()
    weights = torch.where(allowed > 0, scores - top, 0.0).exp() * allowed
    total = weights.sum(-1, keepdim=True)
    weights = weights / torch.where(total > 0, total, torch.ones_like(total))
    return weights @ value, weights


def _by_fused_kernel(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    output = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return output, _by_masked_fill(query, key, value, mask)[1]  # type: ignore[index]


def _by_nan_to_num(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    scores = _scores_transposed_back(query, key)
    if mask is not None:
        scores = torch.where(mask, scores, torch.tensor(float("-inf"), dtype=scores.dtype))
    weights = torch.nan_to_num(scores.softmax(-1))
    return torch.matmul(weights, value), weights


def _by_loops(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    scores = _scores_by_loops(query, key)
    allowed = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.expand_as(scores)
    flat = zip(scores.reshape(-1, scores.shape[-1]), allowed.reshape(-1, scores.shape[-1]), strict=True)
    rows = []
    for row, permitted in flat:
        weights = torch.zeros_like(row)
        if permitted.any():
            weights = weights.index_put((permitted.nonzero()[:, 0],), row[permitted].softmax(0))
        rows.append(weights)
    weights = torch.stack(rows).reshape(scores.shape)
    return weights @ value, weights


SCORES = (
    _scores_by_einsum,
    _scores_query_scaled_first,
    _scores_by_loops,
    _scores_by_broadcasting,
    _scores_transposed_back,
)
ATTENTION = (
    _by_masked_fill,
    _by_additive_mask,
    _by_additive_infinity,
    _by_exponentials,
    _by_fused_kernel,
    _by_nan_to_num,
    _by_loops,
)
