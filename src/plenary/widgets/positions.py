"""A word's place as the hands of clocks, and what one layer of attention hears with it and without."""

from functools import cache
from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor

from plenary.position import frequencies
from plenary.widgets.base import PlenaryWidget
from plenary.widgets.scaling import normals
from plenary.widgets.settings import Choice
from plenary.widgets.still import still

LENGTH = 32
WIDTH = 16
FARTHEST = 15
SEED = 8
WORDS = ("one", "dog", "bit", "that", "old", "man")
FIRST_ORDER = "012345"
ORDERS = tuple("".join(order) for order in permutations(FIRST_ORDER))


class Positions(PlenaryWidget):
    """The sinusoidal table, the rotation that carries one row to another, and six words that change seats.

    Args:
        position: the row t that is shown, 0 to 31.
        offset: how many positions further the rotation carries it, -15 to 15.
        pair: the pair of columns that is shown as a clock, 0 to 7.
        order: which word sits where, as the digits 0 to 5 in some order: "543210" turns the sentence round.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "positions.mjs"
    style = "positions.css"

    position = Choice(range(LENGTH), default=5, expected=f"a whole number from 0 to {LENGTH - 1}")
    offset = Choice(
        range(-FARTHEST, FARTHEST + 1),
        default=3,
        expected=f"a whole number from -{FARTHEST} to {FARTHEST}",
    )
    pair = Choice(range(WIDTH // 2), default=1, expected=f"a whole number from 0 to {WIDTH // 2 - 1}")
    order = Choice(ORDERS, default=FIRST_ORDER, expected='the digits 0 to 5 in some order, such as "543210"')

    def still(self) -> str:
        """The table with its similarities, computed here with torch, and how far each word's output moved."""
        return _still(self.position, self.offset, self.order)


def rows(positions: Tensor) -> Tensor:
    """The encoding of any positions, `(..., 16)` in float64, as `rowOf` in positions.mjs gives it."""
    angles = positions.double()[..., None] * frequencies(WIDTH)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)


class Carried(NamedTuple):
    """R times the row of a position, the row where it should arrive, and the largest difference of the two."""

    carried: Tensor
    target: Tensor
    off: float


def carry(position: int, offset: int) -> Carried:
    """What `carry` in positions.mjs computes."""
    angles = offset * frequencies(WIDTH)
    sin, cos = angles.sin(), angles.cos()
    blocks = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], -2)
    carried = torch.block_diag(*blocks) @ rows(torch.tensor(position))
    target = rows(torch.tensor(position + offset))
    return Carried(carried, target, float((carried - target).abs().max()))


def similarity(position: int) -> Tensor:
    """PE(t) . PE(s) for every s of the table: `(32,)`."""
    return rows(torch.arange(LENGTH)) @ rows(torch.tensor(position))


@cache
def _weights() -> tuple[Tensor, Tensor]:
    """Six words, `(6, 16)`, and the matrices for query, key and value, `(3, 16, 16)`; a vector is `x @ W.T`."""
    numbers = normals(SEED, (len(WORDS) + 3 * WIDTH) * WIDTH).view(-1, WIDTH)
    return numbers[: len(WORDS)], numbers[len(WORDS) :].view(3, WIDTH, WIDTH) / WIDTH**0.5


def listen(order: str, positions: bool) -> Tensor:
    """What the layer gives for the words in this order, a row for each seat: `(6, 16)`."""
    words, matrices = _weights()
    x = words[[int(word) for word in order]]
    if positions:
        x = x + rows(torch.arange(len(WORDS)))
    query, key, value = (x @ one.T for one in matrices)
    return (query @ key.T / WIDTH**0.5).softmax(-1) @ value


def moved(order: str, positions: bool) -> Tensor:
    """For each seat, how far the output of its word is from what that word got in the first order: `(6,)`."""
    before = listen(FIRST_ORDER, positions)[[int(word) for word in order]]
    return (listen(order, positions) - before).abs().amax(-1)


def _still(position: int, offset: int, order: str) -> str:
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    from plenary.plotting import colour, figure, show

    # In the first order nothing has moved: show the other reading of the same words.
    order = order if order != FIRST_ORDER else "052341"
    table, alike, carried = rows(torch.arange(LENGTH)), similarity(position), carry(position, offset)
    without, having = moved(order, False), moved(order, True)
    target = position + offset
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, _ = figure(height=4.2, ncols=2, sharey=True)
        left, right = fig.axes
        # From empty at -1 to full colour at 1, in eight steps: one shape for a step keeps the picture small, and
        # shapes, unlike an image, follow the page into dark mode.
        steps = ((1 + table) / 2 * 8).round()
        for step in range(1, 9):
            squares = [
                Path([(c, r), (c + 1, r), (c + 1, r + 1), (c, r + 1), (c, r)], closed=True)
                for r, c in (steps == step).nonzero().tolist()
            ]
            shape = Path.make_compound_path(*squares)
            left.add_patch(PathPatch(shape, facecolor=colour("accent"), alpha=step / 8, linewidth=0))
        left.grid(False)
        left.set(xlim=(0, WIDTH), ylim=(LENGTH, 0), xlabel="column", ylabel="position")
        left.set_xticks(
            [at + 0.5 for at in range(0, WIDTH, 4)], labels=[str(at) for at in range(0, WIDTH, 4)]
        )
        left.set_yticks(
            [at + 0.5 for at in range(0, LENGTH, 8)], labels=[str(at) for at in range(0, LENGTH, 8)]
        )
        shades = [
            colour("query" if s == position else "key" if s == target else "accent") for s in range(LENGTH)
        ]
        right.barh([s + 0.5 for s in range(LENGTH)], alike.tolist(), color=shades)
        right.set(xlabel=f"PE({position})·PE(s)")
        picture = show(
            fig,
            alt=f"The encoding of positions 0 to {LENGTH - 1} in {WIDTH} columns: fast waves on the left, slow "
            f"ones on the right. Beside it the dot product of row {position} with every row, "
            f"{alike[position]:.0f} with itself and at least {alike.min():.2f}. The rotation carries row "
            f"{position} to row {target}; they differ by {carried.off:.0e} at most.",
        )
    names = [WORDS[int(word)] for word in order]
    body = [
        [name, f"{old if old > 1e-12 else 0:.2f}", f"{new:.2f}"]
        for name, old, new in zip(names, without.tolist(), having.tolist(), strict=True)
    ]
    note = (
        "Table and rotation by the paper’s formula. Below: one layer of attention with fixed weights hears the "
        f"words “{' '.join(names)}”, which it first heard as “{' '.join(WORDS)}”; without positions each word "
        "takes its output along, with positions it changes."
    )
    head = ["word", "without positions", "with positions"]
    return still(picture.svg, note, "How far each word’s output has moved", head, body)
