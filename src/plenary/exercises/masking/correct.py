"""Masked softmaxes that are right, written in different ways. Every one must pass."""

import math

import torch
from torch import Tensor


def _rows_left_open(scores: Tensor, mask: Tensor) -> Tensor:
    empty = ~mask.any(dim=-1, keepdim=True)
    filled = scores.masked_fill(~(mask | empty), float("-inf"))
    return torch.softmax(filled, dim=-1).masked_fill(empty, 0.0)


def _filled_then_nan_to_zero(scores: Tensor, mask: Tensor) -> Tensor:
    return torch.nan_to_num(scores.masked_fill(~mask, -math.inf).softmax(-1))


def _filled_then_rows_zeroed(scores: Tensor, mask: Tensor) -> Tensor:
    weights = torch.softmax(torch.where(mask, scores, -torch.inf), dim=-1)
    return torch.where(mask.any(-1, keepdim=True), weights, torch.zeros_like(weights))


def _finite_fill_then_masked_again(scores: Tensor, mask: Tensor) -> Tensor:
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(dim=-1) * mask


def _by_exponentials(scores: Tensor, mask: Tensor) -> Tensor:
    allowed = mask.expand_as(scores).to(scores.dtype)
    highest = torch.where(mask, scores, torch.finfo(scores.dtype).min).amax(-1, keepdim=True).detach()
    exponentials = torch.where(mask, scores - highest, 0.0).exp() * allowed
    total = exponentials.sum(-1, keepdim=True)
    return exponentials / torch.where(total > 0, total, torch.ones_like(total))


def _by_additive_mask(scores: Tensor, mask: Tensor) -> Tensor:
    added = torch.zeros(mask.shape, dtype=scores.dtype).masked_fill(~mask, -1e30)
    return (scores + added).softmax(-1).masked_fill(~mask, 0.0)


def _by_logsumexp(scores: Tensor, mask: Tensor) -> Tensor:
    empty = ~mask.any(-1, keepdim=True)
    kept = scores.masked_fill(~(mask | empty), -math.inf)
    return (kept - kept.logsumexp(-1, keepdim=True)).exp() * ~empty


def _by_loops(scores: Tensor, mask: Tensor) -> Tensor:
    allowed = mask.expand_as(scores)
    flat = zip(scores.reshape(-1, scores.shape[-1]), allowed.reshape(-1, scores.shape[-1]), strict=True)
    rows = []
    for row, permitted in flat:
        weights = torch.zeros_like(row)
        if permitted.any():
            weights[permitted] = row[permitted].softmax(0)
        rows.append(weights)
    return torch.stack(rows).reshape(scores.shape)


def _on_a_copy(scores: Tensor, mask: Tensor) -> Tensor:
    filled = scores.clone()
    filled[~mask.expand_as(scores)] = -math.inf
    weights = filled.softmax(-1)
    return torch.where(weights.isnan(), 0.0, weights)


WEIGHTS = (
    _rows_left_open,
    _filled_then_nan_to_zero,
    _filled_then_rows_zeroed,
    _finite_fill_then_masked_again,
    _by_exponentials,
    _by_additive_mask,
    _by_logsumexp,
    _by_loops,
    _on_a_copy,
)
