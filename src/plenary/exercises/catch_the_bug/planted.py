"""The wrong boxes: each is right in all but one way, and shows it only to somebody who looks there."""

import math

import torch
from torch import Tensor

from plenary.exercises.catch_the_bug.boxes import Box, right, scaled, shares

Pair = tuple[Tensor, Tensor]


def _mixed(weights: Tensor, value: Tensor) -> Pair:
    return weights @ value, weights


# Wrong whatever is asked, with or without a mask.
def _unscaled(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    return _mixed(shares(query @ key.mT, mask), value)


def _by_width(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    return _mixed(shares(query @ key.mT / query.shape[-1], mask), value)


def _root_of_value_width(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    return _mixed(shares(query @ key.mT / math.sqrt(value.shape[-1]), mask), value)


def _over_queries(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    scores = scaled(query, key)
    turned = None if mask is None else mask.expand_as(scores).mT
    return _mixed(shares(scores.mT, turned).mT, value)


def _mixes_keys(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    return _mixed(shares(scaled(query, key), mask), key)


def _dropout(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    weights = right(query, key, value, mask)[1]
    generator = torch.Generator().manual_seed(6)
    dropped = torch.rand(weights.shape, generator=generator) < 0.2
    dropped[..., 0] = True  # so that it shows however small the table
    return weights.masked_fill(dropped, 0.0) @ value / 0.8, weights


# Wrong with a mask.
def _ignores_mask(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    return right(query, key, value)


def _inverted(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    return right(query, key, value, None if mask is None else ~mask)


def _zeroed_afterwards(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    weights = scaled(query, key).softmax(-1)
    return _mixed(weights if mask is None else weights * mask, value)


def _filled_with_zero(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    scores = scaled(query, key)
    if mask is None:
        return _mixed(scores.softmax(-1), value)
    weights = scores.masked_fill(~mask, 0).softmax(-1)
    return _mixed(weights.masked_fill(~mask.any(-1, keepdim=True), 0), value)


def _leaks(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    weights = right(query, key, value, mask)[1]
    if mask is None:
        return _mixed(weights, value)
    leaked = torch.where(mask, 0.0, 1e-4).to(weights.dtype)
    open_rows = mask.any(-1, keepdim=True)
    return _mixed(torch.where(open_rows, weights * (1 - leaked.sum(-1, keepdim=True)) + leaked, 0.0), value)


def _first_mask(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    if mask is not None and mask.ndim > 2:
        mask = mask[(0,) * (mask.ndim - 2)]
    return right(query, key, value, mask)


# Wrong at the edge: nothing to attend to, huge scores, half the digits, and what nobody looks at.
def _nan_on_empty_row(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    scores = scaled(query, key)
    return _mixed((scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(-1), value)


def _uniform_on_empty_row(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    scores = scaled(query, key)
    return _mixed((scores if mask is None else scores.masked_fill(~mask, -1e30)).softmax(-1), value)


def _overflows(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    exponentials = scaled(query, key).exp()
    if mask is not None:
        exponentials = exponentials.masked_fill(~mask, 0)
    total = exponentials.sum(-1, keepdim=True)
    return _mixed(exponentials / torch.where(total == 0, 1.0, total), value)


def _half_precision(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    if query.dtype != torch.float32:
        return right(query, key, value, mask)
    weights = right(query, key, value, mask)[1].bfloat16().float()
    return _mixed(weights, value)


def _returns_scores(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    return right(query, key, value, mask)[0], scaled(query, key)


def _weights_before_mask(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    return right(query, key, value, mask)[0], right(query, key, value)[1]


# Wrong for some sizes and dtypes, or in what comes back.
def _needs_square(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    if query.shape[-2] != key.shape[-2]:
        raise RuntimeError("the size of the queries must match the size of the keys")
    return right(query, key, value, mask)


def _drops_late_keys(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    late = torch.arange(key.shape[-2]) >= query.shape[-2]
    permitted = ~late if mask is None else mask & ~late
    return right(query, key, value, permitted)


def _first_of_batch(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    if key.ndim > 2:
        key = key[:1].expand_as(key)
    return right(query, key, value, mask)


def _averages_heads(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    weights = right(query, key, value, mask)[1]
    if weights.ndim > 3:
        weights = weights.mean(1, keepdim=True).expand_as(weights).contiguous()
    return _mixed(weights, value)


def _always_single(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    output, weights = right(query, key, value, mask)
    return output.float(), weights.float()


def _swapped(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    return right(query, key, value, mask)[::-1]  # type: ignore[return-value]


# Three to a group; a test that breaks off loses the group in which it did, so the boxes that make it are together.
GROUPS = {
    "scores": (
        Box("scores that are not scaled", _unscaled),
        Box("scores divided by d_k, not by its root", _by_width),
        Box("the root of d_v in place of d_k", _root_of_value_width),
    ),
    "axes": (
        Box("a softmax over the queries", _over_queries),
        Box("keys forgotten where there are more keys than queries", _drops_late_keys),
        Box("the keys of the first room used for the whole batch", _first_of_batch),
    ),
    "masks": (
        Box("a mask that is ignored", _ignores_mask),
        Box("a mask read the wrong way round", _inverted),
        Box("a mask applied after the softmax", _zeroed_afterwards),
    ),
    "fills": (
        Box("forbidden scores set to 0", _filled_with_zero),
        Box("a mask that lets one part in ten thousand through", _leaks),
        Box("the first mask of a batch used for all", _first_mask),
    ),
    "edges": (
        Box("NaN for a query that may attend to nothing", _nan_on_empty_row),
        Box("equal weights for a query that may attend to nothing", _uniform_on_empty_row),
        Box("an overflow where scores are large", _overflows),
    ),
    "one of two": (
        Box("a right output beside scores in place of weights", _returns_scores),
        Box("a right output beside weights from before the mask", _weights_before_mask),
        Box("right weights, and an output with dropout left on", _dropout),
    ),
    "corners": (
        Box("three digits instead of seven, in float32 only", _half_precision),
        Box("heads averaged, with four axes only", _averages_heads),
        Box("keys mixed in place of values", _mixes_keys),
    ),
    "form": (
        Box("an exception where T and S differ", _needs_square),
        Box("float32 returned for float64", _always_single),
        Box("weights and output in exchanged places", _swapped),
    ),
}
