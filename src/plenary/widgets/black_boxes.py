"""Six boxes that claim to be attention: choose what to hand in, see what comes back, say which are wrong."""

from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from plenary.exercises.catch_the_bug.boxes import RIGHT, Box
from plenary.exercises.catch_the_bug.planted import GROUPS
from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Choice, Picks, Setting
from plenary.widgets.still import still

LETTERS = ("A", "B", "C", "D", "E", "F")

_LAB = {box.what: box for box in (*RIGHT, *(box for three in GROUPS.values() for box in three))}
_CHOSEN = (
    "one with exponentials, the maximum subtracted",
    "the root of d_v in place of d_k",
    "equal weights for a query that may attend to nothing",
    "one with einsum, query and key scaled first",
    "an overflow where scores are large",
    "a mask applied after the softmax",
)
BOXES: dict[str, Box] = {letter: _LAB[what] for letter, what in zip(LETTERS, _CHOSEN, strict=True)}
"""The boxes of the lab behind the letters."""
TRUTH = {letter: (box in RIGHT, box.what) for letter, box in BOXES.items()}
"""For each letter whether its box is right, and what it is."""


class Probe(NamedTuple):
    """An input: what the page calls it, and the four things that are handed in."""

    label: str
    query: list[list[float]]
    key: list[list[float]]
    value: list[list[float]]
    mask: list[list[bool]] | None

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Query, key and value in float64, and the mask or None."""
        query, key, value = (torch.tensor(one).double() for one in (self.query, self.key, self.value))
        return query, key, value, None if self.mask is None else torch.tensor(self.mask)


_SQUARE = [[1.0, 0.0], [0.5, -1.0], [-1.5, 0.5]]
_QUERY = [[1.0, 0.5], [-0.5, 2.0], [1.5, -1.0]]
_KEY = [[1.0, -1.0], [0.5, 1.0], [2.0, 0.0], [-1.0, 0.5]]
_VALUE = [[2.0, 0.0], [0.0, 2.0], [4.0, -2.0], [-2.0, 1.0]]

# black_boxes.mjs has the same; tests/browser/test_black_boxes_widget.py compares.
PROBES: dict[str, Probe] = {
    "square": Probe("a square, Q = K = V", _SQUARE, _SQUARE, _SQUARE, None),
    "sizes": Probe(
        "random, all sizes different",
        [[0.8, -1.2, 0.4], [-0.6, 0.9, 1.7]],
        [[1.1, 0.3, -0.7], [-0.4, 1.6, 0.2], [0.9, -0.8, 1.3], [-1.5, 0.5, 0.6]],
        [[2.0], [-1.0], [0.5], [3.0]],
        None,
    ),
    "large": Probe("large scores", [[1000 * x for x in row] for row in _QUERY], _KEY[:3], _VALUE[:3], None),
    "mask": Probe(
        "with a mask",
        _QUERY,
        _KEY,
        _VALUE,
        [[True, True, False, True], [False, True, True, False], [True, False, True, True]],
    ),
    "empty": Probe("a mask with an empty row", _QUERY, _KEY, _VALUE, [[True] * 4, [False] * 4, [True] * 4]),
    "wide": Probe(
        "wide keys, d_k = 6",
        [[1.0, -0.5, 1.5, 0.0, 1.0, -1.0], [0.5, 1.0, -1.0, 1.5, 0.0, 0.5]],
        [
            [1.0, 0.0, 1.0, -1.0, 0.5, -1.0],
            [-0.5, 1.0, 0.5, 1.0, 0.0, 1.0],
            [0.5, 0.5, -1.0, 1.0, -0.5, 0.0],
        ],
        [[4.0, 0.0], [0.0, 4.0], [-2.0, 2.0]],
        None,
    ),
}
"""What a reader can hand in without typing."""


def answers(letter: str, probe: str) -> tuple[Tensor, Tensor]:
    """What a box returns for an input: the output `(T, d_v)` and the weights `(T, S)`, float64."""
    return BOXES[letter].attend(*PROBES[probe].tensors())


def differ(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> bool:
    """Whether two answers are further apart than rounding; NaN agrees with NaN alone."""
    return not all(
        torch.allclose(a, b, rtol=1e-6, atol=1e-6, equal_nan=True) for a, b in zip(one, other, strict=True)
    )


def companions(letter: str, probe: str) -> list[str]:
    """The other boxes that give the same answer."""
    own = answers(letter, probe)
    return [other for other in LETTERS if other != letter and not differ(own, answers(other, probe))]


class Edits(Setting):
    """An input that a reader has changed: a dict of `query`, `key`, `value` and `mask`, or {} for none."""

    def __init__(self) -> None:
        super().__init__({}, "{}, or a dict of query, key, value and mask, as lists whose sizes fit together")

    def plain(self, value: Any) -> Any:
        """The input in lists of floats and booleans."""
        if value == {}:
            return {}
        if not isinstance(value, dict) or set(value) != {"query", "key", "value", "mask"}:
            return None
        try:
            query, key, values = (torch.tensor(value[name]).double() for name in ("query", "key", "value"))
            mask = None if value["mask"] is None else torch.tensor(value["mask"])
        except (TypeError, ValueError, RuntimeError):
            return None
        fits = (
            query.ndim == key.ndim == values.ndim == 2
            and query.shape[1] == key.shape[1]
            and len(key) == len(values)
            and all(one.isfinite().all() for one in (query, key, values))
            and (mask is None or (mask.dtype == torch.bool and mask.shape == (len(query), len(key))))
        )
        if not fits:
            return None
        told = {"query": query, "key": key, "value": values}
        return {name: one.tolist() for name, one in told.items()} | {
            "mask": mask if mask is None else mask.tolist()
        }


class BlackBoxes(PlenaryWidget):
    """Six black boxes, some of them wrong, to be told apart by what they return.

    Args:
        box: the box that is looked at, "A" to "F".
        probe: the input to begin with, one of `PROBES`.
        accused: the boxes that are called wrong, such as ["B", "E"].
        edits: what is handed in instead, if the input was changed: `query`, `key` and `value` as lists of rows,
            `mask` as lists of booleans or None; {} for the input as it is.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "black_boxes.mjs"
    style = "black_boxes.css"

    box = Choice(LETTERS, default="A", expected="a letter from 'A' to 'F'")
    probe = Choice(
        tuple(PROBES), default="square", expected="one of " + ", ".join(repr(name) for name in PROBES)
    )
    accused = Picks(LETTERS, [])
    edits = Edits()

    def still(self) -> str:
        """How many boxes agree with each on every input, and what each returns; the same for all settings."""
        return _still()


@cache
def _still() -> str:
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import colour, figure, show

    counts = {letter: [len(companions(letter, probe)) for probe in PROBES] for letter in LETTERS}
    labels = [probe.label for probe in PROBES.values()]
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, ax = figure(height=3.6)
        for y, letter in enumerate(LETTERS):
            for x, count in enumerate(counts[letter]):
                ink, mark = ("wrong", "D") if count == 0 else ("accent", "s")
                ax.plot(x, y, mark, color=colour(ink), markersize=16 if count == 0 else 19)
                ax.text(x, y, str(count), color=colour("paper"), ha="center", va="center")
        ax.set_xticks(range(len(PROBES)), labels=labels, rotation=35, ha="left")
        ax.xaxis.tick_top()
        ax.set_yticks(range(len(LETTERS)), labels=LETTERS)
        ax.set(xlim=(-0.6, len(PROBES) - 0.4), ylim=(len(LETTERS) - 0.4, -0.6), ylabel="box")
        ax.grid(visible=False)
        ax.tick_params(length=0)
        alone = [sum(counts[letter][at] == 0 for letter in LETTERS) for at in range(len(PROBES))]
        said = [
            f"{label}: all six agree" if number == 0 else f"{label}: {number} of six stands alone"
            for label, number in zip(labels, alone, strict=True)
        ]
        picture = show(
            fig,
            alt="How many of the other five boxes give the same answer, for six boxes and six inputs. "
            + "; ".join(said)
            + ".",
        )
    return still(
        picture.svg,
        "There the inputs can be changed, and a verdict on each box is checked. Each number says how many of the "
        "other five boxes give the same answer. Computed in Python with the boxes of the lab.",
        "What each box returns for the second query: the output, and in brackets the sum of the weights",
        ["input", *LETTERS],
        [[one.label, *(_second(letter, probe) for letter in LETTERS)] for probe, one in PROBES.items()],
    )


def _second(letter: str, probe: str) -> str:
    """What a box returns for the second query, in words."""
    output, weights = answers(letter, probe)
    return f"{', '.join(f'{x:.2f}' for x in output[1].tolist())} ({weights[1].sum().item():.2f})"
