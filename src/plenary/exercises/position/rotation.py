"""The rotation between positions: how to ask for it, what has to hold, and what people get wrong."""

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Misconception, Property
from plenary.checks.probe import Probe, call_probe, shown_probe
from plenary.exercises.position.encoding import PAGE
from plenary.exercises.position.frequency_mistakes import (
    FREQUENCY_MISTAKES,
    ROTATION,
    blocks,
    matrix,
    right_frequencies,
)
from plenary.exercises.position.tables import right_rotation, snap


def probes(seed: int) -> list[Probe]:
    """Ask for rotations: one pair, two pairs, then wider, backwards, and by nothing."""
    numbers = np.random.default_rng(seed)
    return [
        shown_probe("one pair", offset=1, embed_dim=2),
        shown_probe("two pairs", offset=25, embed_dim=4),
        call_probe("wide", offset=int(numbers.integers(3, 8)), embed_dim=12),
        call_probe("square", offset=6, embed_dim=6),
        call_probe("far", offset=int(numbers.integers(31, 47)), embed_dim=10),
        call_probe("backwards", offset=-int(numbers.integers(2, 6)), embed_dim=8),
        call_probe("by nothing", offset=0, embed_dim=6),
    ]


def reference(offset: int, embed_dim: int) -> Tensor:
    """Fill the matrix pair by pair, in numpy."""
    return torch.from_numpy(right_rotation(offset, embed_dim)).float()


def keeps_lengths(_probe: Probe, answer: Answer) -> str | None:
    """A rotation's rows have length 1 and are perpendicular."""
    R = answer.arrays["rotation"]
    off = np.abs(R @ R.T - np.eye(len(R)))
    if off.max() > 1e-2:
        i, j = (int(n) for n in np.unravel_index(off.argmax(), off.shape))
        if i == j:
            return f"row {i} of the matrix has length {(R @ R.T)[i, i] ** 0.5:.3f}; a rotation's rows have length 1"
        return f"rows {i} and {j} of the matrix are not perpendicular; a rotation's rows are"
    return None


def carries_the_table(probe: Probe, answer: Answer) -> str | None:
    """R times position 0, a column, is position ``offset``."""
    offset, D = probe.arguments["offset"], probe.arguments["embed_dim"]
    if not isinstance(offset, int) or not isinstance(D, int):
        return None
    angles = offset / 10000.0 ** (np.arange(0, D, 2) / D)
    start = np.tile([0.0, 1.0], D // 2)
    target = np.stack([np.sin(angles), np.cos(angles)], -1).ravel()
    off = np.abs(answer.arrays["rotation"] @ start - target)
    if off.max() > 1e-2:
        return f"R @ PE(0) is off from PE({offset}) by {off.max():.3f}, in feature {int(off.argmax())}"
    return None


def _by_halves(offset: int, embed_dim: int) -> Tensor:
    turned = offset * right_frequencies(embed_dim)
    C, S = torch.diag(turned.cos()), torch.diag(turned.sin())
    return torch.cat([torch.cat([C, S], 1), torch.cat([-S, C], 1)]).float()


def _not_assembled(offset: int, embed_dim: int) -> Tensor:
    turned = offset * right_frequencies(embed_dim)
    return blocks(turned.sin(), turned.cos()).float()


def _one_step(offset: int, embed_dim: int) -> Tensor:
    turned = right_frequencies(embed_dim)
    return torch.block_diag(*blocks(turned.sin(), turned.cos())).float()


def _power_of_each_number(offset: int, embed_dim: int) -> Tensor:
    return _one_step(1, embed_dim) ** offset


def _transposed(offset: int, embed_dim: int) -> Tensor:
    turned = offset * right_frequencies(embed_dim)
    return torch.block_diag(*blocks(-turned.sin(), turned.cos())).float()


def _without_minus(offset: int, embed_dim: int) -> Tensor:
    turned = offset * right_frequencies(embed_dim)
    sin, cos = turned.sin(), turned.cos()
    return torch.block_diag(
        *torch.stack([torch.stack([cos, sin], -1), torch.stack([sin, cos], -1)], -2)
    ).float()


def _reflected(offset: int, embed_dim: int) -> Tensor:
    turned = offset * right_frequencies(embed_dim)
    sin, cos = turned.sin(), turned.cos()
    return torch.block_diag(
        *torch.stack([torch.stack([cos, sin], -1), torch.stack([sin, -cos], -1)], -2)
    ).float()


def _swapped(offset: int, embed_dim: int) -> Tensor:
    turned = offset * right_frequencies(embed_dim)
    return torch.block_diag(*blocks(turned.cos(), turned.sin())).float()


MISTAKES = (
    *FREQUENCY_MISTAKES,
    Misconception(
        id="rot-turns-backwards",
        title="Your matrix turns backwards: it takes PE(t) to PE(t - offset).",
        belief="Textbooks write a rotation as cos, -sin, sin, cos, and that turns a column (cos, sin) "
        "forwards. Here the sine comes first, and with the two axes exchanged the same matrix turns the "
        "other way. A matrix made for rows, PE(t) @ R, comes out transposed too.",
        hint="Write out sin(a + b) and read off the first row: which sign has sin b there?",
        anchor="pos-direction",
        section="Which way it turns",
        wrong={ROTATION: (_transposed,)},
    ),
    Misconception(
        id="rot-minus-missing",
        title="Your blocks lack a minus: they are sin and cos on both sides, which is no rotation.",
        belief="Both addition theorems have the same four factors, and only one of them has a minus. Without "
        "it lengths change, and with the minus beside the wrong factor the block is a mirror.",
        hint="cos(a + b) = cos a cos b - sin a sin b, with sin a in the first column.",
        anchor="pos-shift",
        section="A shift is a rotation",
        wrong={ROTATION: (_without_minus, _reflected)},
    ),
    Misconception(
        id="rot-sine-on-diagonal",
        title="Your diagonal holds sines; it should hold cosines.",
        belief="Since the sine comes first in each pair, it seems to come first in the block. But for an "
        "offset of 0 nothing may move, and a matrix that moves nothing has ones on its diagonal: cos 0.",
        hint="Try offset 0: the result is the identity.",
        anchor="pos-shift",
        section="A shift is a rotation",
        wrong={ROTATION: (_swapped,)},
    ),
    Misconception(
        id="rot-halves",
        title="Your matrix pairs column i with column i + D/2; here a sine and its cosine are neighbours.",
        belief="It is the right rotation for a table with all sines first and all cosines after them. In the "
        "table of this chapter, pair i stands in columns 2i and 2i + 1, so the 2 x 2 blocks lie along "
        "the diagonal.",
        hint="Only entries within a pair of neighbouring rows and columns differ from zero.",
        anchor="pos-layout",
        section="Which column holds what",
        wrong={ROTATION: (_by_halves,)},
        evidence="https://github.com/raiyanyahya/how-to-train-your-gpt/issues/6",
    ),
    Misconception(
        id="rot-blocks-apart",
        title="You return the 2 x 2 blocks one after another; asked for is one matrix, (D, D).",
        belief="The blocks are all there is to know. To act on a whole row of the table, they have to stand on "
        "the diagonal of one matrix, with zeros around them.",
        hint="torch.block_diag takes the blocks as separate arguments.",
        anchor="pos-shift",
        section="A shift is a rotation",
        wrong={ROTATION: (_not_assembled,)},
    ),
    Misconception(
        id="rot-offset-ignored",
        title="Your matrix always turns by one position, whatever the offset.",
        belief="The frequency is the angle from one position to the next. For a step of several positions, the "
        "angle is that many times as large.",
        hint="The offset belongs into every angle.",
        anchor="pos-shift",
        section="A shift is a rotation",
        wrong={ROTATION: (_one_step,)},
    ),
    Misconception(
        id="rot-power-of-each-number",
        title="You raise each number of the matrix to a power; the matrix as a whole should act several times.",
        belief="Going ahead by 5 is going ahead by 1 five times, so R to the power of 5 is right. But ** on a "
        "tensor takes the power of each number by itself, and a product of matrices is another thing.",
        hint="Either multiply matrices, or put the offset into the angles.",
        anchor="pos-shift",
        section="A shift is a rotation",
        wrong={ROTATION: (_power_of_each_number,)},
    ),
)


def _by_blocks(offset: int, embed_dim: int) -> Tensor:
    turned = offset / 10000 ** (torch.arange(0, embed_dim, 2) / embed_dim)
    parts = [
        torch.tensor([[c, s], [-s, c]])
        for s, c in zip(turned.sin().tolist(), turned.cos().tolist(), strict=True)
    ]
    return torch.block_diag(*parts)


def _by_indices(offset: int, embed_dim: int) -> Tensor:
    R = torch.zeros(embed_dim, embed_dim)
    even = torch.arange(0, embed_dim, 2)
    turned = offset * torch.exp(-even / embed_dim * np.log(10000.0))
    R[even, even] = R[even + 1, even + 1] = torch.cos(turned)
    R[even, even + 1], R[even + 1, even] = torch.sin(turned), -torch.sin(turned)
    return R


def _by_exponential(offset: int, embed_dim: int) -> Tensor:
    generator = torch.zeros(embed_dim, embed_dim, dtype=torch.float64)
    for i, frequency in enumerate(right_frequencies(embed_dim)):
        generator[2 * i, 2 * i + 1], generator[2 * i + 1, 2 * i] = frequency, -frequency
    return torch.linalg.matrix_exp(offset * generator).float()


def _by_diagonals(offset: int, embed_dim: int) -> Tensor:
    turned = (offset * right_frequencies(embed_dim)).repeat_interleave(2)
    beside = turned.sin()[:-1] * (torch.arange(embed_dim - 1) % 2 == 0)
    return (torch.diag(turned.cos()) + torch.diag(beside, 1) - torch.diag(beside, -1)).float()


def _by_loops(offset: int, embed_dim: int) -> Tensor:
    R = torch.eye(embed_dim)
    step = matrix()(1 if offset > 0 else -1, embed_dim)
    assert isinstance(step, Tensor)
    for _ in range(abs(offset)):
        R = (step.double() @ R.double()).float()
    return R


TURN = Exercise(
    name=ROTATION,
    signature="rotation_matrix(offset, embed_dim) -> rotation",
    page=PAGE,
    outputs=("rotation",),
    probes=probes,
    reference=reference,
    properties=(
        Property("one pair, two pairs", 2, ("one pair", "two pairs"), ("rotation",)),
        Property("wide matrices", 3, ("wide", "square", "far"), ("rotation",)),
        Property("backwards, and by nothing", 1, ("backwards", "by nothing"), ("rotation",)),
    ),
    laws=(keeps_lengths, carries_the_table),
    misconceptions=MISTAKES,
    correct=(_by_blocks, _by_indices, _by_exponential, _by_diagonals, _by_loops),
    derive=snap("rotation", right_rotation),
)
