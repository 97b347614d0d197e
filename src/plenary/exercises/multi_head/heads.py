"""Splitting into heads and merging again: how to ask for them, and what has to hold."""

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, gradient_probe, normal, shown_probe
from plenary.exercises.multi_head import correct
from plenary.exercises.multi_head.merge_mistakes import MERGE_MISTAKES
from plenary.exercises.multi_head.split_mistakes import SPLIT_MISTAKES

PAGE = "transformer/multi_head"


def _counted(*shape: int) -> Tensor:
    """Return 1, 2, 3, ... in this shape, so that every number can be found again."""
    return torch.arange(1.0, 1 + torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)


def split_probes(seed: int) -> list[Probe]:
    """Ask for heads: first two tokens with counted features, then sizes that no two share."""
    generator = torch.Generator().manual_seed(seed)
    return [
        shown_probe("small", x=_counted(1, 2, 6), num_heads=3),
        shown_probe("small square", x=_counted(1, 2, 4), num_heads=2),
        call_probe("batch", x=normal(generator, 2, 5, 12), num_heads=3),
        call_probe("square", x=normal(generator, 3, 3, 9), num_heads=3),
        call_probe("many heads", x=normal(generator, 3, 4, 35), num_heads=7),
        call_probe("one head", x=normal(generator, 2, 5, 6), num_heads=1),
        call_probe("one token", x=normal(generator, 2, 1, 15), num_heads=3),
        call_probe("float32", x=normal(generator, 2, 7, 10).float(), num_heads=5),
        gradient_probe(
            "gradient", "heads", normal(generator, 2, 3, 5, 4), x=normal(generator, 2, 5, 12), num_heads=3
        ),
    ]


def merge_probes(seed: int) -> list[Probe]:
    """Ask for the way back, with the same sizes."""
    generator = torch.Generator().manual_seed(seed)
    small, square = _counted(1, 2, 3, 2).transpose(1, 2), _counted(1, 2, 2, 2).transpose(1, 2)
    return [
        shown_probe("small", x=small.contiguous()),
        shown_probe("small square", x=square.contiguous()),
        call_probe("batch", x=normal(generator, 2, 3, 5, 4)),
        call_probe("square", x=normal(generator, 3, 3, 3, 3)),
        call_probe("many heads", x=normal(generator, 3, 7, 4, 5)),
        call_probe("one head", x=normal(generator, 2, 1, 5, 6)),
        call_probe("one token", x=normal(generator, 2, 3, 1, 5)),
        call_probe("float32", x=normal(generator, 2, 5, 7, 3).float()),
        gradient_probe("gradient", "tokens", normal(generator, 2, 5, 12), x=normal(generator, 2, 3, 5, 4)),
    ]


def reference_split(x: Tensor, num_heads: int) -> Tensor:
    """Cut the width into chunks, and lay them on a new axis."""
    return torch.stack(torch.chunk(x, num_heads, dim=-1), dim=1)


def reference_merge(x: Tensor) -> Tensor:
    """Lay the heads side by side."""
    return torch.cat(torch.unbind(x, dim=1), dim=-1)


def _same_numbers(probe: Probe, answer: Answer) -> str | None:
    """Nothing is computed, so no number is lost or made."""
    given, sent = (np.sort(a.ravel()) for a in (next(iter(answer.arrays.values())), probe.arrays[0]))
    if given.shape != sent.shape or not np.allclose(given, sent, atol=1e-6):
        return "there are numbers that do not occur in x; splitting and merging only move numbers about"
    return None


def _head_holds_its_features(probe: Probe, answer: Answer) -> str | None:
    """Head h of token t is a stretch of that token's own features."""
    x, heads = probe.arrays[0], answer.arrays["heads"]
    width = heads.shape[-1]
    for h, t in np.ndindex(heads.shape[1], heads.shape[2]):
        if not np.allclose(heads[0, h, t], x[0, t, h * width : (h + 1) * width], atol=1e-6):
            return f"head {h} of token {t} does not hold that token's features {h * width} to {(h + 1) * width - 1}"
    return None


_ALL = ("batch", "square", "many heads", "float32")

SPLIT = Exercise(
    name="split_heads",
    signature="split_heads(x, num_heads) -> heads",
    page=PAGE,
    outputs=("heads",),
    probes=split_probes,
    reference=reference_split,
    properties=(
        Property("heads of a batch", 4, ("small", "small square", *_ALL), ("heads",)),
        Property("a single head, a single token", 1, ("one head", "one token"), ("heads",)),
        Property("gradients", 1, ("gradient",), ("heads", "grad_x")),
    ),
    laws=(_same_numbers, _head_holds_its_features),
    misconceptions=SPLIT_MISTAKES,
    correct=correct.SPLIT,
)

MERGE = Exercise(
    name="merge_heads",
    signature="merge_heads(x) -> tokens",
    page=PAGE,
    outputs=("tokens",),
    probes=merge_probes,
    reference=reference_merge,
    properties=(
        Property("tokens of a batch", 4, ("small", "small square", *_ALL), ("tokens",)),
        Property("a single head, a single token", 1, ("one head", "one token"), ("tokens",)),
        Property("gradients", 1, ("gradient",), ("tokens", "grad_x")),
    ),
    laws=(_same_numbers,),
    misconceptions=MERGE_MISTAKES,
    correct=correct.MERGE,
)
