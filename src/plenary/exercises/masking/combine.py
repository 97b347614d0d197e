"""Combining masks: how to ask for it, and what has to hold."""

import einops
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, shown_probe
from plenary.exercises.masking.combine_mistakes import COMBINE_MISTAKES
from plenary.exercises.masking.kinds import ALL, PAGE, as_yes_and_no

_CAUSAL = torch.ones(3, 3, dtype=torch.bool).tril()


# The gap shows a leak that padding at the end hides behind the triangle.
_PADDING = torch.tensor([[True, True, False], [True, False, True]])


_TABLE = torch.tensor([[True, False, True], [True, True, False]])


_REAL = torch.tensor([[True, True, False], [False, True, True]])


def probes(seed: int) -> list[Probe]:
    """Ask with a triangle, with tables that are none, with more keys than queries, and where sizes coincide."""
    generator = torch.Generator().manual_seed(seed)

    def table(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) < 0.6

    triangle = torch.ones(7, 7, dtype=torch.bool).tril()
    return [
        shown_probe("small", causal=_CAUSAL, padding=_PADDING),
        shown_probe("small, two queries", causal=_TABLE, padding=_REAL),
        call_probe("causal", causal=triangle, padding=torch.arange(7) < torch.tensor([[7], [3], [1], [5]])),
        call_probe("more keys than queries", causal=table(5, 7), padding=table(2, 7)),
        call_probe("more queries than keys", causal=table(7, 5), padding=table(3, 5)),
        call_probe("one sequence", causal=table(5, 7), padding=table(1, 7)),
        call_probe("one query", causal=table(1, 7), padding=table(3, 7)),
        call_probe("as many sequences as queries", causal=table(4, 7), padding=table(4, 7)),
        call_probe("all sizes alike", causal=table(5, 5), padding=table(5, 5)),
    ]


def reference(causal: Tensor, padding: Tensor) -> Tensor:
    """Permit (b, t, s) where neither forbids it, one sequence after the other."""
    return torch.stack([torch.minimum(causal, real.expand_as(causal)) for real in padding]).unsqueeze(1)


def permits_only_what_both_permit(probe: Probe, answer: Answer) -> str | None:
    """What one of the two forbids stays forbidden."""
    mask, causal, padding = answer.arrays["mask"], probe.arguments["causal"], probe.arguments["padding"]
    for b, _, t, s in zip(*mask.nonzero(), strict=True):
        if not causal[t, s]:  # type: ignore[index]
            return f"in sequence {b} query {t} may attend to key {s}, which the causal mask forbids"
        if not padding[b, s]:  # type: ignore[index]
            return f"in sequence {b} query {t} may attend to key {s}, which is padding"
    return None


def _by_indexing(causal: Tensor, padding: Tensor) -> Tensor:
    return causal & padding[:, None, None, :]


def _by_unsqueezing(causal: Tensor, padding: Tensor) -> Tensor:
    return torch.logical_and(causal.unsqueeze(0).unsqueeze(0), padding.unsqueeze(1).unsqueeze(2))


def _by_multiplying(causal: Tensor, padding: Tensor) -> Tensor:
    return causal * padding.view(padding.shape[0], 1, 1, -1)


def _by_einops(causal: Tensor, padding: Tensor) -> Tensor:
    return causal & einops.rearrange(padding, "b s -> b 1 1 s")


def _by_forbidding(causal: Tensor, padding: Tensor) -> Tensor:
    return ~(~causal | ~padding[:, None, None])


def _by_loops(causal: Tensor, padding: Tensor) -> Tensor:
    mask = torch.zeros(len(padding), 1, *causal.shape, dtype=torch.bool)
    for b in range(len(padding)):
        for t in range(len(causal)):
            mask[b, 0, t] = causal[t] & padding[b]
    return mask


def _by_filling(causal: Tensor, padding: Tensor) -> Tensor:
    mask = causal.repeat(len(padding), 1, 1, 1)
    return mask.masked_fill(~padding[:, None, None, :], False)


def _by_einsum(causal: Tensor, padding: Tensor) -> Tensor:
    return torch.einsum("ts,bs->bts", causal.float(), padding.float()).unsqueeze(1).bool()


COMBINE = Exercise(
    name="combine_masks",
    signature="combine_masks(causal, padding) -> mask",
    page=PAGE,
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property("what both permit, for every sequence", 3, ("small", "small, two queries", "causal"), ALL),
        Property(
            "any number of sequences, queries and keys",
            2,
            ("more keys than queries", "more queries than keys", "one sequence", "one query"),
            ALL,
        ),
        Property("sizes that coincide", 1, ("as many sequences as queries", "all sizes alike"), ALL),
    ),
    laws=(permits_only_what_both_permit,),
    misconceptions=COMBINE_MISTAKES,
    correct=(
        _by_indexing,
        _by_unsqueezing,
        _by_multiplying,
        _by_einops,
        _by_forbidding,
        _by_loops,
        _by_filling,
        _by_einsum,
    ),
    derive=as_yes_and_no,
)
