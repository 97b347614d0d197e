"""The padding mask: how to ask for it, and what has to hold."""

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, shown_probe
from plenary.exercises.masking.kinds import ALL, PAGE, as_yes_and_no
from plenary.exercises.masking.padding_mistakes import PADDING_MISTAKES


def probes(seed: int) -> list[Probe]:
    """Ask for a page of paper; then for random lengths, with none, with all, and with room to spare."""
    generator = torch.Generator().manual_seed(seed)

    def lengths(count: int, low: int, high: int) -> Tensor:
        return torch.randint(low, high + 1, (count,), generator=generator)

    return [
        shown_probe("small", lengths=torch.tensor([3, 1]), max_length=4),
        shown_probe("small, square", lengths=torch.tensor([2, 3, 1]), max_length=3),
        call_probe("five sequences", lengths=lengths(5, 1, 7), max_length=7),
        call_probe("as many sequences as tokens", lengths=lengths(6, 1, 6), max_length=6),
        call_probe("one sequence", lengths=lengths(1, 2, 4), max_length=5),
        call_probe("all short", lengths=lengths(3, 1, 4), max_length=11),
        call_probe("all full", lengths=torch.tensor([7, 7, 7, 7]), max_length=7),
        shown_probe("with an empty one", lengths=torch.tensor([2, 0]), max_length=3),
        call_probe("32-bit lengths", lengths=lengths(5, 0, 7).int(), max_length=7),
    ]


def reference(lengths: Tensor, max_length: int) -> Tensor:
    """Write every row down: True as often as the sequence is long, False for the rest."""
    rows = [[True] * n + [False] * (max_length - n) for n in lengths.tolist()]
    return torch.from_numpy(np.array(rows, dtype=bool).reshape(len(rows), max_length))


def as_many_as_tokens(probe: Probe, answer: Answer) -> str | None:
    """Row b has lengths[b] entries that are True, and they come first."""
    mask, lengths = answer.arrays["mask"], probe.arguments["lengths"]
    assert isinstance(lengths, np.ndarray)
    if mask.ndim != 2 or len(mask) != len(lengths) or not np.isin(mask, (0, 1)).all():
        return None
    for b, (row, length) in enumerate(zip(mask, lengths, strict=True)):
        if row.sum() != length:
            return f"row {b} marks {int(row.sum())} tokens as real, expected {length}"
        if not row[:length].all():
            return f"row {b} does not mark its first {length} tokens"
    return None


def _by_comparing(lengths: Tensor, max_length: int) -> Tensor:
    return torch.arange(max_length)[None, :] < lengths[:, None]


def _by_what_is_left(lengths: Tensor, max_length: int) -> Tensor:
    return (lengths.view(-1, 1) - torch.arange(max_length)).gt(0)


def _by_filling(lengths: Tensor, max_length: int) -> Tensor:
    mask = torch.zeros(len(lengths), max_length, dtype=torch.bool)
    for b, length in enumerate(lengths):
        mask[b, :length] = True
    return mask


def _by_lists(lengths: Tensor, max_length: int) -> Tensor:
    return torch.tensor([[s < length for s in range(max_length)] for length in lengths.tolist()])


def _by_counting(lengths: Tensor, max_length: int) -> Tensor:
    counted = torch.ones(lengths.shape[0], max_length).cumsum(dim=1)
    return counted <= lengths.unsqueeze(1)


def _by_rows_of_a_triangle(lengths: Tensor, max_length: int) -> Tensor:
    return torch.ones(max_length + 1, max_length, dtype=torch.bool).tril(-1)[lengths.long()]


def _by_expanding(lengths: Tensor, max_length: int) -> Tensor:
    position = torch.arange(max_length, dtype=lengths.dtype).expand(len(lengths), max_length)
    return torch.logical_not(position >= lengths.unsqueeze(-1).expand_as(position))


PADDING = Exercise(
    name="padding_mask",
    signature="padding_mask(lengths, max_length) -> mask",
    page=PAGE,
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property(
            "a row for each sequence, True at its tokens",
            3,
            ("small", "small, square", "five sequences"),
            ALL,
        ),
        Property(
            "any number of sequences",
            1,
            ("as many sequences as tokens", "one sequence", "32-bit lengths"),
            ALL,
        ),
        Property(
            "sequences that are all short, full, or empty",
            1,
            ("all short", "all full", "with an empty one"),
            ALL,
        ),
    ),
    laws=(as_many_as_tokens,),
    misconceptions=PADDING_MISTAKES,
    correct=(
        _by_comparing,
        _by_what_is_left,
        _by_filling,
        _by_lists,
        _by_counting,
        _by_rows_of_a_triangle,
        _by_expanding,
    ),
    derive=as_yes_and_no,
)
