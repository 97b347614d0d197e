"""Layers that stay with the judge: some treat tokens as a set, some look at their order. (B, T, D) to (B, T, D)."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

Array = np.ndarray
Layer = Callable[[Array], Array]


@lru_cache(maxsize=64)
def _matrix(width: int, number: int) -> Array:
    return np.random.default_rng([width, number]).standard_normal((width, width)) / math.sqrt(width)


def _linear(x: Array, number: int) -> Array:
    return x @ _matrix(x.shape[-1], number).astype(x.dtype)


def _in_order(terms: Array, axis: int) -> Array:
    """Add up one after another, as a loop would, so that the order shows in the last digits."""
    return np.take(np.cumsum(terms, axis=axis), -1, axis=axis)


def _attention(x: Array, allowed: Array | None = None) -> Array:
    scores = _linear(x, 1) @ np.swapaxes(_linear(x, 2), -1, -2) / math.sqrt(x.shape[-1])
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights = weights / _in_order(weights, -1)[..., None]
    return _in_order(weights[..., None] * _linear(x, 3)[:, None], 2).astype(x.dtype)


def _places(x: Array) -> Array:
    """A row of numbers for each position."""
    position, feature = np.arange(x.shape[1])[:, None], np.arange(x.shape[2])
    return np.sin(1.0 + position * (1.0 + 0.3 * feature)).astype(x.dtype)


def self_attention(x: Array) -> Array:
    """Every token listens to every token, and nobody knows who stands where."""
    return _attention(x)


def each_token(x: Array) -> Array:
    """Every token by itself, through the same two layers."""
    return _linear(np.tanh(_linear(x, 4)), 5)


def identity(x: Array) -> Array:
    """Nothing happens."""
    return x


def mean_to_everyone(x: Array) -> Array:
    """Every token gets the mean of all; the same for everyone, whatever the order."""
    return np.broadcast_to(_in_order(x, 1)[:, None] / x.shape[1], x.shape).astype(x.dtype)


def above_one(x: Array) -> Array:
    """Every token by itself plus the mean, squeezed between 1 and 3, where float32 has all its digits."""
    return (2 + np.tanh(each_token(x) + mean_to_everyone(x))).astype(x.dtype)


def positions_added(x: Array) -> Array:
    """Positions are added, then every token is mapped by itself."""
    return each_token(x + _places(x))


def attention_with_positions(x: Array) -> Array:
    """Positions are added, then tokens listen to each other."""
    return _attention(x + _places(x))


def faint_positions(x: Array) -> Array:
    """Positions as small as a learned table starts out."""
    return x + np.asarray(0.02, x.dtype) * _places(x)


def causal_attention(x: Array) -> Array:
    """Every token listens to those before it, and to itself."""
    return _attention(x, np.tri(x.shape[1], dtype=bool))


def neighbours(x: Array) -> Array:
    """A convolution over the tokens: each hears the one before and the one after."""
    padded = np.pad(x, ((0, 0), (1, 1), (0, 0)))
    return x + 0.5 * padded[:, :-2] - padded[:, 2:]


def last_token_doubled(x: Array) -> Array:
    """The last token is special; all others are left alone."""
    return np.concatenate([x[:, :-1], 2 * x[:, -1:]], axis=1)


def second_sample_only(x: Array) -> Array:
    """Positions are added to the last sample of the batch only."""
    return np.concatenate([x[:-1], x[-1:] + _places(x)], axis=0)


def last_feature_only(x: Array) -> Array:
    """Positions show in the last feature only."""
    return np.concatenate([x[..., :-1], x[..., -1:] + _places(x)[:, :1]], axis=-1)


def turned_round(x: Array) -> Array:
    """The last token comes first. Sums, norms and sorted values do not notice."""
    return x[:, ::-1].copy()


def first_added(x: Array) -> Array:
    """Everyone hears the token in the first place."""
    return x + x[:, :1].mean(-1, keepdims=True)


def first_taken_away(x: Array) -> Array:
    """Everyone is glad not to be in the first place."""
    return x - x[:, :1].mean(-1, keepdims=True)


LAYERS: dict[str, Layer] = {
    one.__name__: one
    for one in (
        self_attention,
        each_token,
        identity,
        mean_to_everyone,
        above_one,
        positions_added,
        attention_with_positions,
        faint_positions,
        causal_attention,
        neighbours,
        last_token_doubled,
        second_sample_only,
        last_feature_only,
        turned_round,
        first_added,
        first_taken_away,
    )
}
