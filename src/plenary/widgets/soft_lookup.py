"""A query among six keys in the plane: the weights, their entropy, and the output inside the hull of the values."""

from collections.abc import Sequence
from math import exp, log
from typing import NamedTuple

import torch
from torch import Tensor

from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Choice, Number, Numbers
from plenary.widgets.still import still

# soft_lookup.mjs has the same table; tests/browser/test_soft_lookup_widget.py holds the two together.
# The last key lies among the others, and so does its value: it is a corner of neither hull.
ROOM = {
    "weather": ((-1.5, 2.0), (8.0, 5.0)),
    "sea": ((1.5, 2.0), (1.0, 1.0)),
    "food": ((2.5, -0.5), (5.0, 0.5)),
    "music": ((0.5, -2.0), (2.0, 5.5)),
    "trains": ((-2.0, -1.5), (9.5, 1.5)),
    "garden": ((-0.5, 0.0), (6.0, 4.0)),
}
NAMES = tuple(ROOM)
CORNERS = ("sea", "food", "trains", "weather", "music")
"""The corners of the values' hull, in order round it."""
REACH = 4.0
LIMITS = ("none", "cold", "hot")
TIE = 1e-9
"""Squared distances that differ by less are the same one, rounded differently."""


class SoftLookup(PlenaryWidget):
    """A query to drag among six keys in the plane, and what a soft lookup gives for it.

    Args:
        query: where the query is, two numbers from -4 to 4.
        temperature: from 0.01 to 100.
        limit: "cold" for the limit to temperature 0, "hot" for the one to infinity, "none" for `temperature`.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "soft_lookup.mjs"
    style = "soft_lookup.css"

    query = Numbers((2,), -REACH, REACH, [0.2, 0.9])
    temperature = Number(0.01, 100, 1)
    limit = Choice(LIMITS, default="none", expected="'none', 'cold' or 'hot'")

    def still(self) -> str:
        """The two planes at this setting, drawn with matplotlib, and the numbers as a table."""
        return _still(self.query, self.temperature, self.limit)


class Found(NamedTuple):
    """What one setting gives, as `lookup` in soft_lookup.mjs; entropy in nats."""

    squared: Tensor
    weights: Tensor
    output: Tensor
    entropy: float

    @property
    def heard(self) -> float:
        """How many keys with equal weights would have this entropy."""
        return exp(self.entropy)


def keys_and_values() -> tuple[Tensor, Tensor]:
    """The six keys and the six values, each `(6, 2)`, float64."""
    keys, values = torch.tensor(list(ROOM.values()), dtype=torch.float64).unbind(1)
    return keys, values


def lookup(query: Sequence[float], temperature: float = 1.0, limit: str = "none") -> Found:
    """Squared distances, weights, output and entropy for a query, with the two limits of the temperature exact."""
    keys, values = keys_and_values()
    squared = (torch.tensor(query, dtype=torch.float64) - keys).square().sum(-1)
    if limit == "cold":
        nearest = (squared < squared.min() + TIE).double()
        weights = nearest / nearest.sum()
    elif limit == "hot":
        weights = torch.full_like(squared, 1 / len(squared))
    else:
        weights = (-squared / (2 * temperature)).softmax(-1)
    return Found(squared, weights, weights @ values, torch.special.entr(weights).sum().item())


def _at(point: Sequence[float] | Tensor, digits: int = 2) -> str:
    x, y = map(float, point)
    return f"({x:.{digits}f}, {y:.{digits}f})".replace("-", "−")


def _warmth(temperature: float, limit: str) -> str:
    limits = {"cold": "in the limit of temperature 0", "hot": "in the limit of infinite temperature"}
    return limits.get(limit, f"at temperature {temperature:.3g}")


def _still(query: Sequence[float], temperature: float, limit: str) -> str:
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import colour, figure, show

    found = lookup(query, temperature, limit)
    most = NAMES[int(found.weights.argmax())]
    alt = (
        f"The query at {_at(query)} among six keys, {_warmth(temperature, limit)}: {most} gets the weight "
        f"{found.weights.max():.2f}, the entropy of the weights is {found.entropy:.2f} of at most {log(6):.2f} "
        f"nats, and the output, at {_at(found.output)}, lies inside the hull of the six values."
    )
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, _ = figure(height=2.6, ncols=2)
        left, right = fig.axes
        for (name, (key, value)), p in zip(ROOM.items(), found.weights.tolist(), strict=True):
            left.plot(*zip(query, key, strict=True), color=colour("query"), linewidth=0.4 + 6 * p, alpha=0.5)
            left.plot(*key, "s", color=colour("key"))
            left.annotate(name, key, (0, 6), textcoords="offset points", color=colour("key"), ha="center")
            right.plot(*value, "o", color=colour("value"), markersize=4 + 8 * p**0.5)
            # The two values at the right-hand edge are named to their left.
            side = -1 if value[0] > 7 else 1
            right.annotate(
                name,
                value,
                (9 * side, -4),
                textcoords="offset points",
                color=colour("value"),
                ha="left" if side > 0 else "right",
            )
        left.plot(*query, "o", color=colour("query"), markersize=8)
        right.fill(*zip(*(ROOM[name][1] for name in CORNERS), strict=True), color=colour("value"), alpha=0.12)
        right.plot(*found.output.tolist(), "D", color=colour("accent"), markersize=7)
        left.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), title="query among keys", aspect="equal")
        right.set(xlim=(0, 10.5), ylim=(0, 6.5), title="values, hull, output")
        for ax in (left, right):
            ax.grid(False)
        picture = show(fig, alt=alt)
    rows = [
        [name, _at(key, 1), f"{squared:.2f}", f"{p:.3f}", _at(value, 1)]
        for (name, (key, value)), squared, p in zip(
            ROOM.items(), found.squared.tolist(), found.weights.tolist(), strict=True
        )
    ]
    caption = (
        f"Query {_at(query)}, {_warmth(temperature, limit)}: output {_at(found.output)}, entropy "
        f"{found.entropy:.2f} nats."
    )
    note = (
        "Computed in Python by the same formulas. Left: the query (disc), the keys (squares), lines as thick as "
        "the weights. Right: the values (discs, the larger the more weight), their hull (shaded) and the output "
        "(diamond)."
    )
    return still(picture.svg, note, caption, ["name", "key", "squared distance", "weight", "value"], rows)
