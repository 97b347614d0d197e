"""The right boxes, and what all boxes are made of: attention on numpy arrays, right or wrong, that nobody can read.

They stay with the judge. A learner's ``find_bug`` sends arrays and gets arrays.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Attend = Callable[[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Box:
    """An attention function behind a stub. ``what`` goes on after "finds: " or "acquits: "."""

    what: str
    attend: Attend

    def __call__(self, query: Any, key: Any, value: Any, mask: Any = None) -> tuple[np.ndarray, ...]:
        """Attend on arrays."""
        permitted = None if mask is None else torch.tensor(np.asarray(mask))
        q, k, v = (torch.tensor(np.asarray(one)) for one in (query, key, value))
        return tuple(one.numpy() for one in self.attend(q, k, v, permitted))


def scaled(query: Tensor, key: Tensor) -> Tensor:
    """Score every query against every key."""
    return query @ key.mT / math.sqrt(query.shape[-1])


def shares(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Turn scores into weights, zero where nothing is permitted."""
    if mask is None:
        return scores.softmax(-1)
    empty = ~mask.any(-1, keepdim=True)
    return scores.masked_fill(~(mask | empty), -math.inf).softmax(-1).masked_fill(empty, 0)


def right(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Attend as it should be done."""
    weights = shares(scaled(query, key), mask)
    return weights @ value, weights


def _einsum(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    half = (
        query.shape[-1] ** -0.25
    )  # a quarter here and a quarter there: the scale of the product is the root
    weights = shares(torch.einsum("...td,...sd->...ts", query * half, key * half), mask)
    return torch.einsum("...ts,...sv->...tv", weights, value), weights


def _fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    permitted = None if mask is None else mask.expand(*query.shape[:-1], key.shape[-2])
    identity = torch.eye(key.shape[-2], dtype=key.dtype).expand(*key.shape[:-1], -1)
    output = F.scaled_dot_product_attention(query, key, value, attn_mask=permitted)
    return output, F.scaled_dot_product_attention(query, key, identity, attn_mask=permitted)


def _loop_over_queries(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    allowed = None if mask is None else mask.expand(*query.shape[:-1], key.shape[-2])
    rows = []
    for t in range(query.shape[-2]):
        scores = (key * (query[..., t : t + 1, :] / 7)).sum(-1) * (7 / query.shape[-1] ** 0.5)
        rows.append(shares(scores, None if allowed is None else allowed[..., t, :]))
    weights = torch.stack(rows, -2)
    return weights @ value, weights


def _additive(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    scores = (query / 3) @ key.mT * (3 * query.shape[-1] ** -0.5)
    if mask is not None:
        scores = scores + torch.zeros(mask.shape, dtype=scores.dtype).masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1).nan_to_num(0.0)
    return weights @ value, weights


def _exponentials(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    scores = scaled(query, key)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    top = scores.amax(-1, keepdim=True)
    exponentials = (scores - torch.where(top == -math.inf, 0.0, top)).exp()
    total = exponentials.sum(-1, keepdim=True)
    weights = exponentials / torch.where(total == 0, 1.0, total)
    return weights @ value, weights


def _in_double(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    output, weights = right(query.double(), key.double(), value.double(), mask)
    return output.to(query.dtype), weights.to(query.dtype)


def _two_blocks(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Work on the queries in two halves, and put them together."""
    half = query.shape[-2] // 2
    allowed = None if mask is None else mask.expand(*query.shape[:-1], key.shape[-2])
    parts = [
        _einsum(query[..., rows, :], key, value, None if allowed is None else allowed[..., rows, :])
        for rows in (slice(0, half), slice(half, None))
        if query[..., rows, :].shape[-2]
    ]
    return torch.cat([output for output, _ in parts], -2), torch.cat([weights for _, weights in parts], -2)


RIGHT = (
    Box("one written as the book has it", right),
    Box("one with einsum, query and key scaled first", _einsum),
    Box("PyTorch's own fused attention", _fused),
    Box("one with a loop over the queries", _loop_over_queries),
    Box("one that adds minus infinity to forbidden scores", _additive),
    Box("one with exponentials, the maximum subtracted", _exponentials),
    Box("one that computes in float64 and returns the dtype it got", _in_double),
    Box("one that works on half of the queries at a time", _two_blocks),
)
