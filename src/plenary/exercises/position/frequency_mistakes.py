"""Mistakes in the frequencies. The table and the rotation share them, so they can be made in both."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from plenary.checks.exercise import Function, Misconception

ENCODING, ROTATION = "sinusoidal_encoding", "rotation_matrix"

Frequencies = Callable[[int], Tensor]
"""The angle per position of each pair, for a width: (D / 2,)."""


def right_frequencies(embed_dim: int) -> Tensor:
    """Return 10000^(-2i / D), refusing an odd width."""
    if embed_dim % 2:
        raise ValueError("the width is odd")
    return 10000.0 ** (-torch.arange(0, embed_dim, 2, dtype=torch.float64) / embed_dim)


def table(frequencies: Frequencies = right_frequencies, first: int = 0) -> Function:
    """Build the encoding from its frequencies."""

    def encoding(length: int, embed_dim: int) -> Tensor:
        right_frequencies(embed_dim)
        positions = torch.arange(first, first + length, dtype=torch.float64)
        turned = positions[:, None] * frequencies(embed_dim)
        return torch.stack([turned.sin(), turned.cos()], dim=-1).flatten(1).float()

    return encoding


def blocks(sin: Tensor, cos: Tensor) -> Tensor:
    """Return the 2 x 2 blocks that turn (sin, cos) forwards."""
    return torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], -2)


def matrix(frequencies: Frequencies = right_frequencies) -> Function:
    """Build the rotation from its frequencies."""

    def rotation(offset: int, embed_dim: int) -> Tensor:
        turned = offset * frequencies(embed_dim)
        return torch.block_diag(*blocks(turned.sin(), turned.cos())).float()

    return rotation


def in_both(*wrong: Frequencies) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong frequencies; it is the same mistake in both functions."""
    return {ENCODING: tuple(map(table, wrong)), ROTATION: tuple(map(matrix, wrong))}


def _even(embed_dim: int) -> Tensor:
    return torch.arange(0, embed_dim, 2, dtype=torch.float64)


def _counted(embed_dim: int) -> Tensor:
    return torch.arange(embed_dim // 2, dtype=torch.float64)


FREQUENCY_MISTAKES = (
    Misconception(
        id="pos-exponent-doubled",
        title="Your exponent is twice as large as it should be.",
        belief="The formula has 2i, and i counts pairs: 0, 1, 2, ... A range in steps of two, 0, 2, 4, ..., is "
        "2i already. With another factor 2 the waves get long twice as fast, and the later half of the "
        "columns hardly moves.",
        hint="Decide what your i counts, pairs or columns, and look at the last exponent: it is a little "
        "below 1.",
        anchor="pos-exponent",
        section="What i counts",
        wrong=in_both(lambda D: 10000.0 ** (-2 * _even(D) / D)),
        evidence="https://github.com/SamLynnEvans/Transformer/issues/25",
    ),
    Misconception(
        id="pos-exponent-halved",
        title="Your exponent is half as large as it should be.",
        belief="With i = 0, 1, 2, ... for the pairs, i / D looks like a share of the width. It ends at one "
        "half, since there are only D / 2 pairs, and the longest wave is 100 positions instead of "
        "10000, times 2 pi.",
        hint="Decide what your i counts, pairs or columns, and look at the last exponent: it is a little "
        "below 1.",
        anchor="pos-exponent",
        section="What i counts",
        wrong=in_both(lambda D: 10000.0 ** (-_counted(D) / D)),
    ),
    Misconception(
        id="pos-angle-grows",
        title="Your angles grow along the columns: the position is multiplied by the power, not divided by "
        "it.",
        belief="The power of 10000 stands under the fraction bar, and a helper often holds its inverse "
        "already. Multiplying by the one or dividing by the other turns faster and faster, so that "
        "neighbouring positions look unrelated.",
        hint="In the last columns, the angle from one position to the next is close to 0.",
        anchor="pos-waves",
        section="Hands of many clocks",
        wrong=in_both(lambda D: 10000.0 ** (_even(D) / D)),
        evidence="https://github.com/harvardnlp/annotated-transformer/issues/131",
    ),
    Misconception(
        id="pos-last-exponent-one",
        title="Your exponents run up to 1 exactly: you divide by D / 2 - 1, the formula by D / 2.",
        belief="Fence posts: with D / 2 frequencies there are D / 2 - 1 steps between the first and the last, "
        "and some libraries place the last at 1 / 10000. The paper takes steps of 2 / D, and the last "
        "exponent stays below 1.",
        hint="Divide 2i by D.",
        anchor="pos-exponent",
        section="What i counts",
        wrong=in_both(lambda D: 10000.0 ** (-_counted(D) / max(D // 2 - 1, 1))),
        evidence="https://github.com/hojonathanho/diffusion/issues/15",
    ),
    Misconception(
        id="pos-exponent-rounded",
        title="Your exponents are rounded: // binds as / does, from the left, and rounds down.",
        belief="-log(10000) / D // 2 reads like a division by half of D. It is (-log(10000) / D) // 2, a whole "
        "number, and the frequencies become powers of e.",
        hint="Put half of D in brackets, or divide by D once, with a plain /.",
        anchor="pos-exponent",
        section="What i counts",
        wrong=in_both(
            lambda D: torch.exp(_even(D) * (-math.log(10000.0) / D // 2)),
            lambda D: torch.exp(_counted(D) * (-math.log(10000.0) / D // 2)),
            lambda D: torch.exp(_even(D) * (-math.log(10000.0) // D)),
        ),
        evidence="https://github.com/zju3dv/LoFTR/issues/41",
    ),
    Misconception(
        id="pos-base",
        title="Your waves have another base than 10000.",
        belief="The base is a choice, and for short texts 1000 would do. But with another one the encoding is "
        "not that of the paper, and weights trained with the one do not fit the other. (exp without the "
        "logarithm of 10000 has base e.)",
        hint="Count the zeros.",
        anchor="pos-waves",
        section="Hands of many clocks",
        wrong=in_both(
            lambda D: 1000.0 ** (-_even(D) / D),
            lambda D: 1e5 ** (-_even(D) / D),
            lambda D: torch.exp(-_even(D) / D),
        ),
        evidence="https://github.com/maxjcohen/transformer/issues/62",
    ),
    Misconception(
        id="pos-one-frequency",
        title="All your pairs turn at the same speed.",
        belief="One angle per position is what a clock with one hand has: after 2 pi positions it points where "
        "it was. The pairs are hands of different speed, and only together do they tell all positions "
        "apart.",
        hint="Each pair has a frequency of its own.",
        anchor="pos-waves",
        section="Hands of many clocks",
        wrong=in_both(lambda D: torch.ones(D // 2, dtype=torch.float64)),
    ),
)
