"""Where a mask has to act: before the softmax, after it, or as a number filled in; painted cell by cell."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Choice, Grid
from plenary.widgets.still import still

WORDS = ("we", "met", "at", "sea", "pad")
LENGTH = len(WORDS)
WAYS = {"before": "−∞ before the softmax", "after": "zeroed after it", "fill": "filled with"}

# The same numbers stand in paint_mask.mjs. The last entry of a query meets the 2 of every key, so it shifts its
# whole row of scores: no softmax notices that, and every finite fill does.
QUERY = ((2, 0, 1, 0), (1, 2, 0, 0), (0, 1, 2, -9), (1, 1, 1, 2), (0, 2, 1, -3))
KEY = ((2, 0, 1, 2), (1, 2, -1, 2), (0, 1, 1, 2), (-1, 1, 2, 2), (2, 1, 0, 2))
VALUE = (10, 20, 30, 40, 90)
OTHER_KEY = ((-1, 1, 0, 2), (2, 0, 1, 2), (2, -1, 1, 2), (2, 0, -1, 2), (-1, 2, 1, 2))
OTHER_VALUE = (70, 50, 80, 10, 0)

EVERYTHING = tuple((True,) * LENGTH for _ in WORDS)
NOTHING = tuple((False,) * LENGTH for _ in WORDS)
CAUSAL = tuple(tuple(key <= query for key in range(LENGTH)) for query in range(LENGTH))
PADDING = tuple((True,) * (LENGTH - 1) + (False,) for _ in WORDS)
BOTH = tuple((*row[:-1], False) for row in CAUSAL)


class PaintMask(PlenaryWidget):
    """Paint who may listen to whom, and see weights, row sums and outputs for three ways of obeying the mask.

    Args:
        mask: five lists of five booleans, a row for each listener; True means "may attend".
        changed: the word whose key and value are replaced, or "nothing".
        way: which of the three is shown where there is room for one: "before", "after" or "fill".
        fill: the number of the third way, 0 or -10.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "paint_mask.mjs"
    style = "paint_mask.css"

    mask = Grid(LENGTH, LENGTH, default=BOTH)
    changed = Choice(("nothing", *WORDS), default="nothing", expected=f"nothing or one of {', '.join(WORDS)}")
    way = Choice(tuple(WAYS), default="before", expected="before, after or fill")
    fill = Choice((0, -10), default=0, expected="0 or -10")

    def still(self) -> str:
        """The mask and the three tables of weights, computed here with torch, and their sums and outputs."""
        return _still(self.mask, self.changed, self.fill)


class Weighed(NamedTuple):
    """What one way makes of a mask, as `weigh` in paint_mask.mjs gives it."""

    weights: Tensor
    sums: Tensor
    outputs: Tensor


def scores(changed: str = "nothing") -> tuple[Tensor, Tensor]:
    """The scores (5, 5) and the values (5,), with the key and the value of one word replaced."""
    new = [word == changed for word in WORDS]
    key = [other if now else own for now, own, other in zip(new, KEY, OTHER_KEY, strict=True)]
    value = [other if now else own for now, own, other in zip(new, VALUE, OTHER_VALUE, strict=True)]
    numbers = [torch.tensor(table, dtype=torch.float64) for table in (QUERY, key, value)]
    return numbers[0] @ numbers[1].mT / 2, numbers[2]


def weigh(mask: Sequence[Sequence[bool]], way: str, fill: int = 0, changed: str = "nothing") -> Weighed:
    """Weights, row sums and outputs; an empty row is zero before, and whatever the way makes of it otherwise."""
    numbers, value = scores(changed)
    may = torch.tensor(mask)
    if way == "before":
        weights = numbers.masked_fill(~may, -torch.inf).softmax(-1).masked_fill(~may.any(-1, keepdim=True), 0)
    elif way == "after":
        weights = numbers.softmax(-1) * may
    else:
        weights = numbers.masked_fill(~may, fill).softmax(-1)
    return Weighed(weights, weights.sum(-1), weights @ value)


def moved(mask: Sequence[Sequence[bool]], way: str, fill: int, changed: str) -> list[str]:
    """The words whose outputs are other numbers once the key and the value of `changed` are replaced."""
    before, after = weigh(mask, way, fill).outputs, weigh(mask, way, fill, changed).outputs
    return [word for word, change in zip(WORDS, (after - before).abs(), strict=True) if change > 1e-9]


def _still(mask: Sequence[Sequence[bool]], changed: str, fill: int) -> str:
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context
    from matplotlib.patches import Rectangle

    from plenary.plotting import colour, figure, show

    found = {way: weigh(mask, way, fill, changed) for way in WAYS}
    names = {way: f"{name} {fill}".replace("-", "−") if way == "fill" else name for way, name in WAYS.items()}
    pairs = sum(not may for row in mask for may in row)
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, _ = figure(height=4.6, nrows=2, ncols=2)
        fig.set_layout_engine("constrained")
        tables = {"the mask: filled = may attend": torch.tensor(mask).double()}
        tables |= {names[way]: one.weights for way, one in found.items()}
        for ax, (title, table) in zip(fig.axes, tables.items(), strict=True):
            first = ax is fig.axes[0]
            for t in range(LENGTH):
                for s in range(LENGTH):
                    share = float(table[t, s])
                    shade = colour("key" if first else "accent" if mask[t][s] else "wrong")
                    ax.add_patch(Rectangle((s, t), 1, 1, color=shade, alpha=0.6 * share, linewidth=0))
                    if not first:
                        ax.text(s + 0.5, t + 0.5, f"{share:.2f}", ha="center", va="center", fontsize=7)
            ax.grid(False)
            ax.set(xlim=(0, LENGTH), ylim=(LENGTH, 0), title=title)
            ticks = [i + 0.5 for i in range(LENGTH)]
            ax.set_xticks(ticks, labels=WORDS)
            ax.set_yticks(ticks, labels=WORDS)
        lowest, leaked = (
            found["after"].sums.min(),
            (found["fill"].weights * ~torch.tensor(mask)).sum(-1).max(),
        )
        picture = show(
            fig,
            alt=f"{pairs} of 25 pairs are forbidden. With minus infinity before the softmax every row that is not "
            f"empty sums to 1 and forbidden keys get nothing. Zeroed afterwards, a row sums to as little as "
            f"{lowest:.2f}. Filled with {fill}, forbidden keys get up to {leaked:.2f} of a row.",
        )
    head = ["listener", *(f"{name}: {what}" for name in names.values() for what in ("row sum", "output"))]
    rows = [
        [word, *(text for one in found.values() for text in (f"{one.sums[t]:.2f}", f"{one.outputs[t]:.1f}"))]
        for t, word in enumerate(WORDS)
    ]
    note = (
        "Five words, fixed scores and values; the mask as it is set, and what three ways of obeying it make of the "
        "weights. Red: weight on a forbidden key."
    )
    return still(picture.svg, note, "Sum of each row of weights, and output, for each way", head, rows)
