"""Right tests, written in different ways: every one finds all planted mistakes and accuses nobody."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Candidate = Callable[..., Any]


def _draw(
    dtype: torch.dtype, *front: int, T: int = 5, S: int = 7, d_k: int = 4, d_v: int = 6
) -> list[Tensor]:
    shapes = ((T, d_k), (S, d_k), (S, d_v))
    return [torch.randn(*front, *shape, dtype=torch.float64).to(dtype) for shape in shapes]


def _by_fused_kernel(candidate: Any) -> bool:
    """Compare with PyTorch's own attention; its weights are what it makes of the identity as values."""
    query, key, value = _draw(torch.float32, 2, 3)
    mask = torch.rand(2, 1, 5, 7).round().bool()
    identity = torch.eye(7).expand(2, 3, 7, 7)
    for q, k, v, eye in [
        (query, key, value, identity),
        (1000 * query.double(), key.double(), value.double(), identity.double()),
    ]:
        for permitted in [None, mask, torch.zeros_like(mask)]:
            expected = (
                F.scaled_dot_product_attention(q, k, v, attn_mask=permitted),
                F.scaled_dot_product_attention(q, k, eye, attn_mask=permitted),
            )
            try:
                torch.testing.assert_close(candidate(q, k, v, permitted), expected)
            except Exception:
                return True
    return False


def _by_formula(candidate: Any) -> bool:
    """Compare with the formula, case by case, dtype by dtype."""

    def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        weights = torch.nan_to_num(torch.softmax(scores, dim=-1))
        return weights @ value, weights

    def cases() -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor | None]]:
        for front in ((), (4,), (2, 3)):
            query, key, value = _draw(torch.float64, *front)
            mask = torch.rand(*front[:1], *(1,) * (len(front) - 1), 5, 7) < 0.5
            mask[..., 2, :] = False
            yield from ((query, key, value, None), (query, key, value, mask))
            yield from (
                (query.float(), key.float(), value.float(), None),
                (40 * query, 40 * key, value, None),
            )

    for query, key, value, mask in cases():
        expected = attention(query, key, value, mask)
        allowed = 1e-4 if query.dtype == torch.float32 else 1e-8
        try:
            found = candidate(query, key, value, mask)
        except Exception:
            return True
        for one, other in zip(found, expected, strict=True):
            if one.shape != other.shape or one.dtype != other.dtype:
                return True
            if not torch.allclose(one, other, rtol=allowed, atol=allowed):
                return True
    return False


def _by_numpy(candidate: Any) -> bool:
    """Compare with numpy, in float64 whatever was asked, one table at a time."""

    def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> tuple[np.ndarray, np.ndarray]:
        q, k, v, allowed = (one.double().numpy() for one in (query, key, value, mask))
        scores = np.einsum("td,sd->ts", q, k) / np.sqrt(q.shape[-1])
        weights = np.zeros_like(scores)
        for row in range(len(scores)):
            keep = allowed[row] > 0
            if keep.any():
                exponentials = np.exp(scores[row, keep] - scores[row, keep].max())
                weights[row, keep] = exponentials / exponentials.sum()
        return weights @ v, weights

    def agrees(inputs: list[Tensor], mask: Tensor | None) -> bool:
        output, weights = candidate(*inputs, mask)
        if output.shape != (2, 3, 5, 6) or weights.shape != (2, 3, 5, 7):
            return False
        if {output.dtype, weights.dtype} != {inputs[0].dtype}:
            return False
        full = torch.ones(2, 3, 5, 7, dtype=torch.bool) if mask is None else mask.expand(2, 3, 5, 7)
        for place in np.ndindex(2, 3):
            right = attention(*(one[place] for one in (*inputs, full)))
            for one, other in zip((output[place], weights[place]), right, strict=True):
                if not np.allclose(one.numpy(), other, rtol=0, atol=2e-5):
                    return False
        return True

    mask = torch.arange(2 * 5 * 7).reshape(2, 1, 5, 7) % 3 == 0
    mask[:, :, 1] = False
    query, key, value = _draw(torch.float64, 2, 3)
    single = [one.float() for one in (query, key, value)]
    try:
        return not all(
            agrees(inputs, permitted)
            for inputs in (single, [query, key, value], [1e3 * query, key, value])
            for permitted in (None, mask)
        )
    except Exception:
        return True


def _by_properties(candidate: Any) -> bool:
    """Compare with nothing: look at what has to hold of any attention."""
    try:
        return not (_holds(candidate, torch.float32, 1e-4) and _holds(candidate, torch.float64, 1e-8))
    except Exception:
        return True


def _holds(candidate: Candidate, dtype: torch.dtype, allowed: float) -> bool:
    def near(one: Tensor, other: Tensor) -> bool:
        return (
            one.dtype == dtype and one.shape == other.shape and bool(((one - other).abs() <= allowed).all())
        )

    query, key, value = _draw(dtype, 2, 3)
    output, weights = candidate(query, key, value)
    gaps = query @ key.mT / 2
    # Two weights of a row differ by the factor exp(difference of their scores), and a row adds up to one.
    ratios = (weights.log() - weights[..., :1].log()) / 10 - (gaps - gaps[..., :1]) / 10
    plain = (
        near(weights.sum(-1), torch.ones(2, 3, 5))
        and near(ratios, torch.zeros(2, 3, 5, 7))
        and near(output, weights @ value)
    )
    # Forbidding keys leaves the others in their proportions.
    mask = torch.rand(2, 1, 5, 7) < 0.5
    mask[..., 3] = True
    kept = weights * mask
    output, masked = candidate(query, key, value, mask)
    conditioned = near(masked, kept / kept.sum(-1, keepdim=True)) and near(output, masked @ value)
    sharp = bool(((masked * ~mask) == 0).all())
    # Nothing permitted, nothing heard.
    nothing = candidate(query, key, value, torch.zeros(5, 7, dtype=torch.bool))
    empty = all(bool((one == 0).all()) for one in nothing)
    output, weights = candidate(query * 1e4, key, value)
    large = near(weights.sum(-1), torch.ones(2, 3, 5)) and bool(output.isfinite().all())
    return plain and conditioned and sharp and empty and large


def _by_one_table_at_a_time(candidate: Any) -> bool:
    """Write every weight as a fraction of exponentials, in loops, on a small case; stop at the first doubt."""
    for dtype, stretch in ((torch.float32, 1.0), (torch.float64, 1.0), (torch.float64, 500.0)):
        query, key, value = _draw(dtype, 2, 2, T=3, S=4, d_k=5, d_v=2)
        query = query * stretch
        mask = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 0, 1]]).bool()
        mask = torch.stack([mask, mask.flip(-1)])[:, None]
        for permitted in (None, mask):
            try:
                output, weights = candidate(query, key, value, mask=permitted)
            except Exception:
                return True
            if output.dtype != dtype or output.shape != (2, 2, 3, 2) or weights.shape != (2, 2, 3, 4):
                return True
            for b, h, t in np.ndindex(2, 2, 3):
                scores = (key[b, h] * query[b, h, t]).sum(-1) / 5**0.5
                row = torch.zeros(4, dtype=dtype)
                keep = torch.ones(4).bool() if permitted is None else permitted[b, 0, t]
                if keep.any():
                    row[keep] = scores[keep].softmax(0)
                off = (weights[b, h, t] - row).abs().max(), (output[b, h, t] - row @ value[b, h]).abs().max()
                if not all(one < 1e-5 for one in off):
                    return True
    return False


CORRECT = (_by_fused_kernel, _by_formula, _by_numpy, _by_properties, _by_one_table_at_a_time)
