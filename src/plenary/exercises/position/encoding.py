"""The sinusoidal table: how to ask for it, and what has to hold."""

import math

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, shown_probe
from plenary.exercises.position.encoding_mistakes import ENCODING_MISTAKES
from plenary.exercises.position.frequency_mistakes import FREQUENCY_MISTAKES
from plenary.exercises.position.tables import right_encoding, snap

PAGE = "transformer/position"


def probes(seed: int) -> list[Probe]:
    """Ask for tables: three positions of width 4, then other sizes, and widths to refuse."""
    numbers = np.random.default_rng(seed)
    return [
        shown_probe("small", length=3, embed_dim=4),
        shown_probe("one pair", length=5, embed_dim=2),
        call_probe("long", length=int(numbers.integers(31, 47)), embed_dim=12),
        call_probe("square", length=6, embed_dim=6),
        call_probe("wide", length=int(numbers.integers(4, 9)), embed_dim=50),
        call_probe("first position", length=1, embed_dim=8),
        call_probe("odd width", length=5, embed_dim=7),
        call_probe("odd square", length=3, embed_dim=3),
    ]


def reference(length: int, embed_dim: int) -> Tensor:
    """Fill the table column by column, in numpy."""
    if embed_dim % 2:
        raise ValueError(f"embed_dim {embed_dim} is odd; sine and cosine come in pairs")
    return torch.from_numpy(right_encoding(length, embed_dim)).float()


def starts_with_sin_0_cos_0(_probe: Probe, answer: Answer) -> str | None:
    """At position 0 every sine is 0 and every cosine 1."""
    first = answer.arrays["encoding"][:1]
    expected = np.arange(first.shape[-1]) % 2
    wrong = np.flatnonzero(~np.isclose(first[0], expected, atol=1e-3)) if first.size else np.array([])
    if wrong.size:
        at = int(wrong[0])
        return f"row 0, column {at} is {first[0, at]:.3f}, expected {expected[at]}: at position 0 every angle is 0"
    return None


def pairs_lie_on_circles(_probe: Probe, answer: Answer) -> str | None:
    """Neighbouring columns are sine and cosine of one angle, so their squares add up to one."""
    table = answer.arrays["encoding"]
    squares = table[:, 0::2] ** 2 + table[:, 1::2] ** 2
    off = np.abs(squares - 1)
    if off.size and off.max() > 1e-2:
        row, pair = (int(i) for i in np.unravel_index(off.argmax(), off.shape))
        return (
            f"in row {row}, the squares of columns {2 * pair} and {2 * pair + 1} sum to {squares[row, pair]:.3f}; "
            f"those of a sine and cosine of one angle sum to 1"
        )
    return None


def _by_stacking(length: int, embed_dim: int) -> Tensor:
    if embed_dim % 2 != 0:
        raise ValueError("embed_dim must be even")
    exponents = torch.arange(0, embed_dim, 2) / embed_dim
    turned = torch.arange(length)[:, None] / 10000**exponents
    return torch.stack([turned.sin(), turned.cos()], dim=-1).flatten(1)


def _by_logarithms(length: int, embed_dim: int) -> Tensor:
    assert embed_dim % 2 == 0
    table = torch.zeros(length, embed_dim)
    position = torch.arange(length).unsqueeze(1)
    div_term = torch.exp(torch.arange(0, embed_dim, 2) * (-math.log(10000.0) / embed_dim))
    table[:, 0::2] = torch.sin(position * div_term)
    table[:, 1::2] = torch.cos(position * div_term)
    return table


def _by_loops(length: int, embed_dim: int) -> Tensor:
    if embed_dim % 2:
        raise ValueError
    table = torch.empty(length, embed_dim)
    for t in range(length):
        for i in range(embed_dim // 2):
            angle = t / 10000 ** (2 * i / embed_dim)
            table[t, 2 * i], table[t, 2 * i + 1] = math.sin(angle), math.cos(angle)
    return table


def _by_shifted_sines(length: int, embed_dim: int) -> Tensor:
    if embed_dim % 2:
        raise ValueError(embed_dim)
    column = torch.arange(embed_dim, dtype=torch.float64)
    frequency = 10000.0 ** (-(column - column % 2) / embed_dim)
    turned = torch.arange(length, dtype=torch.float64).outer(frequency)
    return (turned + torch.pi / 2 * (column % 2)).sin().float()


def _by_numpy(length: int, embed_dim: int) -> Tensor:
    if embed_dim & 1:
        raise ValueError("odd")
    turned = np.outer(np.arange(length), 1 / np.power(10000, 2 * (np.arange(embed_dim) // 2) / embed_dim))
    turned[:, 0::2], turned[:, 1::2] = np.sin(turned[:, 0::2]), np.cos(turned[:, 1::2])
    return torch.tensor(turned, dtype=torch.float32)


def _by_complex_numbers(length: int, embed_dim: int) -> Tensor:
    if embed_dim % 2:
        raise ValueError("sine and cosine come in pairs")
    frequency = torch.logspace(0, -4, embed_dim // 2 + 1, dtype=torch.float64)[:-1]
    turned = torch.arange(length, dtype=torch.float64)[:, None] * frequency
    return (
        torch.view_as_real(torch.polar(torch.ones_like(turned), turned)).flip(-1).reshape(length, -1).float()
    )


ENCODING = Exercise(
    name="sinusoidal_encoding",
    signature="sinusoidal_encoding(length, embed_dim) -> encoding",
    page=PAGE,
    outputs=("encoding",),
    probes=probes,
    reference=reference,
    properties=(
        Property("narrow tables", 2, ("small", "one pair", "first position"), ("encoding",)),
        Property("wide tables", 3, ("long", "square", "wide"), ("encoding",)),
        Property("refuses an odd width with a ValueError", 1, ("odd width", "odd square")),
    ),
    laws=(starts_with_sin_0_cos_0, pairs_lie_on_circles),
    misconceptions=(*FREQUENCY_MISTAKES, *ENCODING_MISTAKES),
    correct=(_by_stacking, _by_logarithms, _by_loops, _by_shifted_sines, _by_numpy, _by_complex_numbers),
    derive=snap("encoding", right_encoding),
)
