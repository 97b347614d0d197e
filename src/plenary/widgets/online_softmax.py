"""One block at a time: softmax attention of one query whose scores are read in blocks, as in FlashAttention."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Choice, Numbers
from plenary.widgets.still import still

VALUES = ((4.0, 0.0), (0.0, 2.0), (-2.0, 1.0), (1.0, -3.0), (2.0, 2.0), (-1.0, -1.0), (0.0, 4.0), (-4.0, 2.0))
KEYS = len(VALUES)
ROWS = {
    "the largest comes last": (0.0, 1.0, -1.0, 0.5, 1.5, 0.0, 2.0, 4.0),
    "the largest comes first": (4.0, 2.0, 0.0, 1.5, 0.5, -1.0, 1.0, 0.0),
    "all alike": (1.0,) * KEYS,
    "around ninety": (86.0, 88.0, 84.0, 89.0, 90.0, 85.0, 91.0, 92.0),
}
"""Rows of scores to begin with. Exponentials of the last one leave float32, whose range ends at exp(88.72)."""
MISTAKES = ("none", "not rescaled", "no maximum")


class Kept(NamedTuple):
    """What is kept after a block: the largest score so far, the sum of the shares, and the sum of the values."""

    largest: float
    factor: float
    """By which what was kept before is multiplied; 0 before the first block, when there is nothing to keep."""
    total: float
    blend: tuple[float, float]
    """Not yet divided by the total."""

    @property
    def output(self) -> tuple[float, float]:
        """What attention over the keys read so far gives."""
        x, y = torch.tensor(self.blend, dtype=torch.float64) / torch.tensor(self.total, dtype=torch.float64)
        return x.item(), y.item()


class OnlineSoftmax(PlenaryWidget):
    """A row of eight scores, read in blocks: what is kept after each, and that it ends at softmax attention.

    Args:
        scores: eight numbers from -100 to 100.
        block: how many scores are read at a time: 1, 2, 4 or 8.
        read: how many blocks have been read, 0 to 8; more than there are is all of them.
        mistake: "none", "not rescaled" (when the maximum grows) or "no maximum" (none is subtracted; in float32).

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "online_softmax.mjs"
    style = "online_softmax.css"

    scores = Numbers((KEYS,), -100, 100, ROWS["the largest comes last"])
    block = Choice((1, 2, 4, 8), default=2, expected="1, 2, 4 or 8")
    read = Choice(range(KEYS + 1), default=0, expected="a whole number from 0 to 8")
    mistake = Choice(MISTAKES, default="none", expected=f"one of {', '.join(MISTAKES)}")

    def still(self) -> str:
        """The scores, and what is kept after each block."""
        return _still(tuple(self.scores), self.block, self.mistake)


def read(scores: Float[Tensor, " n"], block: int, mistake: str = "none") -> list[Kept]:
    """What is kept after each block; `scores` in float64, or in float32 to see the range of that."""
    values = torch.tensor(VALUES, dtype=scores.dtype)
    largest = torch.tensor(-torch.inf if mistake != "no maximum" else 0.0, dtype=scores.dtype)
    total, blend = torch.zeros((), dtype=scores.dtype), torch.zeros(2, dtype=scores.dtype)
    found = []
    for own, told in zip(scores.split(block), values.split(block), strict=True):
        grown = largest if mistake == "no maximum" else torch.maximum(largest, own.max())
        factor = (largest - grown).exp()
        if mistake == "not rescaled":
            factor = torch.ones_like(factor)
        shares = (own - grown).exp()
        total = factor * total + shares.sum()
        blend = factor * blend + shares @ told
        found.append(Kept(grown.item(), factor.item(), total.item(), (blend[0].item(), blend[1].item())))
        largest = grown
    return found


def attention(scores: Float[Tensor, " n"]) -> tuple[float, float]:
    """The whole row at once: softmax, then the blend of the values."""
    x, y = scores.softmax(dim=-1) @ torch.tensor(VALUES, dtype=scores.dtype)
    return x.item(), y.item()


def _still(scores: tuple[float, ...], block: int, mistake: str) -> str:
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import colour, figure, show

    row = torch.tensor(scores, dtype=torch.float32 if mistake == "no maximum" else torch.float64)
    kept, whole = read(row, block, mistake), attention(row.double())
    with rc_context():
        fig, ax = figure(height=2.6)
        ax.bar(range(1, KEYS + 1), scores, color=colour("key"), width=0.7)
        ends = range(block, KEYS + 1, block)
        for end, one in zip(ends, kept, strict=True):
            ax.plot([end - block + 0.55, end + 0.45], [one.largest] * 2, color=colour("accent"), linewidth=2)
        ax.set(xlabel="key", ylabel="score", xticks=range(1, KEYS + 1))
        picture = show(
            fig,
            alt=f"Eight scores, {', '.join(f'{score:g}' for score in scores)}, read {block} at a time. The "
            f"largest so far is {', '.join(f'{one.largest:g}' for one in kept)} after the blocks.",
        )
    lines = [
        [
            str(number),
            f"{one.largest:g}",
            f"{one.factor:.4g}",
            f"{one.total:.4g}",
            " ".join(f"{part:.4g}" for part in one.output),
        ]
        for number, one in enumerate(kept, start=1)
    ]
    note = (
        f"Softmax attention over the whole row gives {whole[0]:.4f} {whole[1]:.4f}. "
        "Computed in Python by the same steps."
    )
    head = ["block", "largest so far", "kept times", "sum of shares", "output so far"]
    return still(picture.svg, note, "What is kept after each block", head, lines)
