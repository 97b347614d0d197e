"""The right tables, in numpy and float64, and what counts as near enough to them.

The functions get whole numbers only, so nothing in a probe says that float32 will do. Instead, numbers that
float32 cannot tell from the right ones are read as the right ones.
"""

from collections.abc import Callable

import numpy as np

from plenary.checks.answer import Answer
from plenary.checks.probe import Probe

NEAR = 1e-3
"""Late positions have large angles, and in float32 a sine of 50 is off by up to 1e-5; a frequency by more."""

Table = np.ndarray


def angles(positions: np.ndarray, embed_dim: int) -> Table:
    """Return the angle of each position for each pair: t / 10000^(2i / D)."""
    return np.array([[t / 10000.0 ** (2 * i / embed_dim) for i in range(embed_dim // 2)] for t in positions])


def right_encoding(length: int, embed_dim: int) -> Table:
    """Return the table of positions 0 to length - 1, column by column."""
    turned = angles(np.arange(length), embed_dim)
    table = np.empty((length, embed_dim))
    for column in range(embed_dim):
        table[:, column] = (np.cos if column % 2 else np.sin)(turned[:, column // 2])
    return table


def right_rotation(offset: int, embed_dim: int) -> Table:
    """Return R, pair by pair: sin(a + b) = sin a cos b + cos a sin b, cos(a + b) = cos a cos b - sin a sin b."""
    turned = angles(np.array([offset]), embed_dim)[0]
    matrix = np.zeros((embed_dim, embed_dim))
    for i, angle in enumerate(turned):
        pair = slice(2 * i, 2 * i + 2)
        matrix[pair, pair] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    return matrix


def snap(output: str, right: Callable[..., Table]) -> Callable[[Probe, Answer], Answer]:
    """Read numbers that are as near to the right ones as float32 gets as the right ones."""

    def derive(probe: Probe, answer: Answer) -> Answer:
        if probe.arguments["embed_dim"] % 2:  # type: ignore[operator]  # to be refused: nothing is right
            return answer
        given, expected = answer.arrays[output], right(*probe.arguments.values())
        if given.shape == expected.shape:
            given = np.where(np.isclose(given, expected, rtol=0, atol=NEAR), expected, given)
        return Answer({output: given}, answer.dtypes, answer.changed)

    return derive
