"""The masked softmax: how to ask for it, and what has to hold."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, gradient_probe, normal, shown_probe
from plenary.exercises.masking import correct
from plenary.exercises.masking.fill_mistakes import FILL_MISTAKES
from plenary.exercises.masking.weight_mistakes import WEIGHT_MISTAKES

PAGE = "attention/masking"
ALL = ("weights",)


def _logs(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor([[math.log(x) for x in row] for row in rows], dtype=torch.float64)


def _table(*rows: str) -> Tensor:
    """Write a mask as people read it: a plus for may attend, a point for may not."""
    return torch.tensor([[cell == "+" for cell in row] for row in rows])


# Exponentials 1 3 4, then 2 1 3, then 1 1 2; of each row one entry is forbidden.
_SCORES = _logs((1, 3, 4), (2, 1, 3), (1, 1, 2))
_MASK = _table("++.", "+.+", ".++")
_BATCH = torch.stack([_logs((1, 3), (2, 1)), _logs((3, 2), (1, 1))])
_LOW = torch.full((2, 3), -30000.0, dtype=torch.float64)
_HIGH = torch.tensor([[0, 0, 2000], [1000, 1000, 0]], dtype=torch.float64)


def probes(seed: int) -> list[Probe]:
    """Ask on a page of paper; with masks that broadcast; with empty rows; far from zero; and for gradients."""
    generator = torch.Generator().manual_seed(seed)

    def scores(*shape: int, scale: float = 1.0) -> Tensor:
        return normal(generator, *shape, scale=scale)

    def mask(*shape: int) -> Tensor:
        """Draw a mask that is neither causal nor symmetric, with both kinds of entries in every row."""
        drawn = torch.rand(*shape, generator=generator) < 0.5
        first = torch.randint(shape[-1], (*shape[:-1], 1), generator=generator)
        drawn.scatter_(-1, first, True)
        return drawn.scatter_(-1, (first + 1) % shape[-1], False)

    def with_empty_rows(mask: Tensor) -> Tensor:
        mask[..., 1, :] = False
        return mask

    one_column = torch.tensor([[True], [False], [True], [True], [False]])
    return [
        shown_probe("small", scores=_SCORES, mask=_MASK),
        call_probe("one table", scores=scores(5, 7), mask=mask(5, 7)),
        call_probe("square", scores=scores(5, 5), mask=mask(5, 5)),
        shown_probe("small, batch", scores=_BATCH, mask=_table("++", "+.")),
        call_probe("batch", scores=scores(2, 5, 7), mask=mask(2, 5, 7)),
        call_probe("nothing forbidden", scores=scores(5, 7), mask=torch.ones(5, 7, dtype=torch.bool)),
        call_probe("float32", scores=scores(2, 5, 7).float(), mask=mask(2, 5, 7)),
        call_probe("one mask for a batch", scores=scores(2, 5, 7), mask=mask(5, 7)),
        call_probe("one row for all queries", scores=scores(2, 3, 5, 7), mask=mask(2, 1, 1, 7)),
        call_probe("one mask for all heads", scores=scores(2, 3, 5, 7), mask=mask(2, 1, 5, 7)),
        shown_probe("small, far below zero", scores=_LOW, mask=_table("++.", ".++")),
        shown_probe("small, the forbidden one is highest", scores=_HIGH, mask=_table("++.", "++.")),
        shown_probe("small, empty row", scores=_SCORES, mask=_table("++.", "...", ".++")),
        call_probe("empty rows", scores=scores(2, 3, 5, 7), mask=with_empty_rows(mask(2, 1, 5, 7))),
        call_probe("whole queries forbidden", scores=scores(2, 5, 7), mask=one_column),
        call_probe("scores of 300", scores=scores(2, 5, 7, scale=300.0).float(), mask=mask(2, 5, 7)),
        call_probe("scores of 1000", scores=scores(2, 5, 7, scale=1000.0), mask=mask(5, 7)),
        call_probe("scores of -50000", scores=scores(5, 7, scale=1000.0) - 50000, mask=mask(5, 7)),
        gradient_probe("gradient", "weights", scores(2, 5, 7), scores=scores(2, 5, 7), mask=mask(5, 7)),
        gradient_probe(
            "gradient, empty row",
            "weights",
            scores(2, 5, 7),
            scores=scores(2, 5, 7),
            mask=with_empty_rows(mask(5, 7)),
        ),
    ]


def reference(scores: Tensor, mask: Tensor) -> Tensor:
    """Let torch's fused attention weigh the identity, with these scores as the mask that it adds.

    Zero queries make all of its own scores zero. Where nothing is permitted it gives zero.
    """
    added = torch.where(mask, scores, torch.tensor(-math.inf, dtype=scores.dtype))
    blank = torch.zeros(*scores.shape[:-1], 1, dtype=scores.dtype)
    keys = torch.zeros(*scores.shape[:-2], scores.shape[-1], 1, dtype=scores.dtype)
    identity = torch.eye(scores.shape[-1], dtype=scores.dtype).expand(*scores.shape[:-2], -1, -1)
    weights = F.scaled_dot_product_attention(blank, keys, identity, attn_mask=added)
    return weights.masked_fill(~mask.any(-1, keepdim=True), 0.0)


def rows_sum_to_one_or_zero(probe: Probe, answer: Answer) -> str | None:
    """A row shares out one unit, or nothing where nothing is permitted."""
    weights, mask = answer.arrays["weights"], probe.arguments["mask"]
    assert isinstance(mask, np.ndarray)
    expected = np.broadcast_to(mask, weights.shape).any(-1).astype(float)
    sums = weights.sum(-1)
    off = np.where(np.isnan(sums), np.inf, np.abs(sums - expected))
    if off.max() > 1e-4:
        row = np.unravel_index(off.argmax(), off.shape)
        place = ", ".join(str(int(i)) for i in row)
        return f"row [{place}] of the weights sums to {sums[row]:.3f}, expected {expected[row]:g}"
    return "a weight is negative" if weights.min() < 0 else None


def forbidden_keys_get_nothing(probe: Probe, answer: Answer) -> str | None:
    """Where the mask is False the weight is zero."""
    weights, mask = answer.arrays["weights"], probe.arguments["mask"]
    assert isinstance(mask, np.ndarray)
    leaked = np.abs(weights) * ~np.broadcast_to(mask, weights.shape)
    if not leaked.any():
        return None
    place = tuple(int(i) for i in np.unravel_index(leaked.argmax(), leaked.shape))
    return f"key {place[-1]} is forbidden to query {place[-2]}, yet gets weight {weights[place]:.3f}"


_GRADIENTS = ("weights", "grad_scores")

WEIGHTS = Exercise(
    name="masked_softmax",
    signature="masked_softmax(scores, mask) -> weights",
    page=PAGE,
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property(
            "a softmax over the permitted keys",
            3,
            ("small", "one table", "square", "small, batch", "batch", "nothing forbidden", "float32"),
            ALL,
        ),
        Property(
            "a mask that broadcasts",
            2,
            ("one mask for a batch", "one row for all queries", "one mask for all heads"),
            ALL,
        ),
        Property(
            "a row where nothing is permitted is zero",
            2,
            ("small, empty row", "empty rows", "whole queries forbidden"),
            ALL,
        ),
        Property(
            "scores far from zero",
            2,
            (
                "small, far below zero",
                "small, the forbidden one is highest",
                "scores of 300",
                "scores of 1000",
                "scores of -50000",
            ),
            ALL,
        ),
        Property("gradients", 1, ("gradient",), _GRADIENTS),
        Property("gradients where a row is empty", 0, ("gradient, empty row",), _GRADIENTS),
    ),
    laws=(rows_sum_to_one_or_zero, forbidden_keys_get_nothing),
    misconceptions=(*WEIGHT_MISTAKES, *FILL_MISTAKES),
    correct=correct.WEIGHTS,
    borrowed=("torch.masked.softmax", "torch.nn.functional.scaled_dot_product_attention"),
)
