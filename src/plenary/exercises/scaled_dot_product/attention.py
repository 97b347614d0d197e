"""Scores and attention: how to ask for them, and what has to hold."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, gradient_probe, normal, shown_probe
from plenary.exercises.scaled_dot_product import correct
from plenary.exercises.scaled_dot_product.mask_mistakes import MASK_MISTAKES
from plenary.exercises.scaled_dot_product.score_mistakes import SCORE_MISTAKES
from plenary.exercises.scaled_dot_product.weight_mistakes import WEIGHT_MISTAKES

PAGE = "attention/scaled_dot_product"

# Three queries, three keys of width 4 (so that the root is 2), three values of width 2: a pencil is enough.
_QUERY = torch.tensor([[2.0, 0, 0, 0], [0, 2, 1, 1], [1, 1, 0, 2]], dtype=torch.float64)
_KEY = torch.tensor([[1.0, 0, 1, 0], [3, 1, 0, 1], [0, 2, 2, -2]], dtype=torch.float64)
_VALUE = torch.tensor([[1.0, 0], [0, 2], [4, 4]], dtype=torch.float64)
_MASK = torch.tensor([[True, False, True], [True, True, False], [False, True, False]])
_EMPTY_ROW = torch.tensor([[True, False, True], [False, False, False], [False, True, True]])


def score_probes(seed: int) -> list[Probe]:
    """Ask for scores: first on a page of paper, then with lengths and widths that no two share."""
    generator = torch.Generator().manual_seed(seed)

    def pair(*front: int, T: int = 5, S: int = 7, d_k: int = 4) -> dict[str, Tensor]:
        return {"query": normal(generator, *front, T, d_k), "key": normal(generator, *front, S, d_k)}

    return [
        shown_probe("small", query=_QUERY, key=_KEY),
        call_probe("one table", **pair()),
        call_probe("batch", **pair(2)),
        call_probe("square", **pair(2, T=5, S=5, d_k=3)),
        call_probe("wide", **pair(T=3, S=2, d_k=11)),
        call_probe("batch and heads", **pair(2, 3)),
        call_probe("float32", **{name: tensor.float() for name, tensor in pair(2).items()}),
        gradient_probe("gradient", "scores", normal(generator, 2, 5, 7), **pair(2)),
    ]


def attention_probes(seed: int) -> list[Probe]:
    """Ask for attention: small, masked, with empty rows, with huge scores, and for gradients."""
    generator = torch.Generator().manual_seed(seed)

    def inputs(
        *front: int, T: int = 5, S: int = 7, d_k: int = 4, d_v: int = 6, scale: float = 1.0
    ) -> dict[str, Tensor]:
        return {
            "query": normal(generator, *front, T, d_k, scale=scale),
            "key": normal(generator, *front, S, d_k, scale=scale),
            "value": normal(generator, *front, S, d_v),
        }

    def mask(*shape: int) -> Tensor:
        """Draw a mask that is neither causal nor symmetric, with both kinds of entries in every row."""
        drawn = torch.rand(*shape, generator=generator) < 0.5
        first = torch.randint(shape[-1], (*shape[:-1], 1), generator=generator)
        drawn.scatter_(-1, first, True)
        return drawn.scatter_(-1, (first + 1) % shape[-1], False)

    def with_empty_rows(mask: Tensor) -> Tensor:
        mask[..., 1, :] = False
        return mask

    def single(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.float() for name, tensor in tensors.items()}

    def all_negative(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Turn queries and keys away from each other, so that a forbidden score of -100 would win every row."""
        far = 0.5 * math.sqrt(1000)
        return {**tensors, "query": -tensors["query"].abs() - far, "key": tensors["key"].abs() + far}

    small = {"query": _QUERY, "key": _KEY, "value": _VALUE}
    # Scores are sums of d_k products over sqrt(d_k), so their spread is scale^2: about 300, and about 1000.
    return [
        shown_probe("small", **small),
        call_probe("one table", **inputs()),
        call_probe("batch", **inputs(2)),
        call_probe("square", **inputs(2, T=5, S=5, d_k=3, d_v=3)),
        call_probe("batch and heads", **inputs(2, 3)),
        call_probe("float32", **single(inputs(2))),
        shown_probe("small, masked", **small, mask=_MASK),
        call_probe("masked", **inputs(2), mask=mask(5, 7)),
        call_probe("masked square", **inputs(2, T=5, S=5, d_k=3, d_v=3), mask=mask(5, 5)),
        call_probe("masked heads", **inputs(2, 3), mask=mask(2, 1, 5, 7)),
        shown_probe("small, empty row", **small, mask=_EMPTY_ROW),
        call_probe("empty row", **inputs(2), mask=with_empty_rows(mask(2, 5, 7))),
        call_probe("scores of 300", **single(inputs(2, scale=math.sqrt(300)))),
        call_probe("scores of 1000", **inputs(2, scale=math.sqrt(1000)), mask=mask(2, 5, 7)),
        call_probe("scores below -500", **all_negative(inputs(2, scale=math.sqrt(1000))), mask=mask(2, 5, 7)),
        gradient_probe("gradient", "output", normal(generator, 2, 5, 6), **inputs(2), mask=mask(5, 7)),
        gradient_probe(
            "gradient, empty row",
            "output",
            normal(generator, 2, 5, 6),
            **inputs(2),
            mask=with_empty_rows(mask(5, 7)),
        ),
    ]


def reference_scores(query: Tensor, key: Tensor) -> Tensor:
    """Score with torch, without a matrix product."""
    return torch.einsum("...td,...sd->...ts", query, key) * query.shape[-1] ** -0.5


def reference_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> object:
    """Attend with torch's own function; its weights are what it makes of the identity as values."""
    identity = torch.eye(key.shape[-2], dtype=key.dtype).expand(*key.shape[:-1], -1)
    output = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return output, F.scaled_dot_product_attention(query, key, identity, attn_mask=mask)


def rows_sum_to_one(probe: Probe, answer: Answer) -> str | None:
    """Weights are finite, not negative, and share out one unit per query that may attend to something."""
    weights = answer.arrays["weights"]
    expected = np.ones(weights.shape[:-1])
    mask = probe.arguments.get("mask")
    if mask is not None:
        expected = np.broadcast_to(mask, weights.shape).any(-1).astype(float)
    sums = weights.sum(-1)
    off = np.nan_to_num(np.abs(sums - expected), nan=np.inf)
    if off.max() > 1e-4:
        row = np.unravel_index(off.argmax(), off.shape)
        place = ", ".join(str(int(i)) for i in row)
        return f"row [{place}] of the weights sums to {sums[row]:.3f}, expected {expected[row]:g}"
    return "a weight is negative" if weights.min() < 0 else None


def forbidden_keys_get_nothing(probe: Probe, answer: Answer) -> str | None:
    """Where the mask is False the weight is zero."""
    weights, mask = answer.arrays["weights"], probe.arguments.get("mask")
    if mask is None or not np.any(leaked := weights * ~np.broadcast_to(mask, weights.shape)):
        return None
    place = tuple(int(i) for i in np.unravel_index(np.abs(leaked).argmax(), leaked.shape))
    return f"key {place[-1]} is forbidden to query {place[-2]}, yet gets weight {weights[place]:.3f}"


def output_is_weights_times_value(probe: Probe, answer: Answer) -> str | None:
    """The output is the weighted mean that the weights describe."""
    mixed = answer.arrays["weights"] @ probe.arguments["value"]
    if mixed.shape == answer.arrays["output"].shape and np.allclose(
        mixed, answer.arrays["output"], rtol=1e-3, atol=1e-3
    ):
        return None
    return "the output is not the weights times the value"


SCORES = Exercise(
    name="attention_scores",
    signature="attention_scores(query, key) -> scores",
    page=PAGE,
    outputs=("scores",),
    probes=score_probes,
    reference=reference_scores,
    properties=(
        Property(
            "every query with every key, scaled", 4, ("small", "one table", "square", "wide"), ("scores",)
        ),
        Property("any number of axes in front", 2, ("batch", "batch and heads", "float32"), ("scores",)),
        Property("gradients", 1, ("gradient",), ("scores", "grad_query", "grad_key")),
    ),
    laws=(),
    misconceptions=SCORE_MISTAKES,
    correct=correct.SCORES,
)

_PLAIN = ("small", "one table", "square", "batch", "batch and heads", "float32")
_MASKED = ("small, masked", "masked", "masked square", "masked heads")
_GRADIENTS = ("output", "grad_query", "grad_key", "grad_value")

ATTENTION = Exercise(
    name="scaled_dot_product_attention",
    signature="scaled_dot_product_attention(query, key, value, mask=None) -> (output, weights)",
    page=PAGE,
    outputs=("output", "weights"),
    probes=attention_probes,
    reference=reference_attention,
    properties=(
        Property("weights without a mask", 3, _PLAIN, ("weights",)),
        Property("output without a mask", 2, _PLAIN, ("output",)),
        Property("weights and output with a mask", 3, _MASKED, ("weights", "output")),
        Property(
            "a query that may attend to nothing gets zero",
            1,
            ("small, empty row", "empty row"),
            ("weights", "output"),
        ),
        Property(
            "large scores", 1, ("scores of 300", "scores of 1000", "scores below -500"), ("weights", "output")
        ),
        Property("gradients", 1, ("gradient",), _GRADIENTS),
        Property("gradients where a row is empty", 0, ("gradient, empty row",), _GRADIENTS),
    ),
    laws=(rows_sum_to_one, forbidden_keys_get_nothing, output_is_weights_times_value),
    misconceptions=(*SCORE_MISTAKES, *WEIGHT_MISTAKES, *MASK_MISTAKES),
    correct=correct.ATTENTION,
    borrowed=("torch.nn.functional.scaled_dot_product_attention", "torch.nn.MultiheadAttention"),
)
