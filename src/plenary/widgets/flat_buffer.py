"""One row of memory under `view`, `transpose` and `contiguous`: which numbers of which word land in which head."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Choice
from plenary.widgets.still import still

WORDS = ("we", "met", "at", "sea")
WIDTH = 6
CELLS = len(WORDS) * WIDTH
STEPS = ("start", "view", "transpose", "contiguous")


class FlatBuffer(PlenaryWidget):
    """The 24 numbers of four words with six features each, cut into heads step by step.

    Args:
        heads: how many heads, 2 or 3.
        straight: whether the shape (1, H, T, d) is reached by a single view, which is the commonest bug.
        step: how far the steps have been walked: start, view, transpose or contiguous. A straight view has only the
            first two, and shows the second one for those that come after it.
        cell: the number that is followed, by the address at which it stands at the start, from 0 to 23.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "flat_buffer.mjs"
    style = "flat_buffer.css"

    heads = Choice((2, 3), default=2, expected="2 or 3")
    straight = Choice((False, True), default=False, expected="True or False")
    step = Choice(STEPS, default="start", expected="start, view, transpose or contiguous")
    cell = Choice(tuple(range(CELLS)), default=8, expected="an address from 0 to 23")

    def still(self) -> str:
        """Whose numbers each head gets, by both ways, computed here with torch."""
        return _still(self.heads)


class Step(NamedTuple):
    """One step as torch takes it: what is written, and the tensor that it gives."""

    code: str
    tensor: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return tuple(self.tensor.shape)

    @property
    def strides(self) -> tuple[int, ...]:
        """For each axis, how many addresses one step along it is."""
        return self.tensor.stride()

    @property
    def memory(self) -> list[int]:
        """What stands at each address: every number is the address at which it stood at the start."""
        return self.tensor.as_strided((CELLS,), (1,), 0).tolist()


def walk(heads: int, straight: bool) -> list[Step]:
    """The steps from (1, T, D) to (1, H, T, d), by cut and exchange or by one straight view."""
    length, width = len(WORDS), WIDTH // heads
    x = torch.arange(CELLS).view(1, length, WIDTH)
    start = Step("x", x)
    if straight:
        return [start, Step(f"x.view(1, {heads}, {length}, {width})", x.view(1, heads, length, width))]
    cut = x.view(1, length, heads, width)
    exchanged = cut.transpose(1, 2)
    return [
        start,
        Step(f"x.view(1, {length}, {heads}, {width})", cut),
        Step(".transpose(1, 2)", exchanged),
        Step(".contiguous()", exchanged.contiguous()),
    ]


def held(heads: int, straight: bool) -> list[list[list[int]]]:
    """For each head and each word, the features of that word which the head holds."""
    tensor = walk(heads, straight)[-1].tensor[0]
    return [
        [[int(i) % WIDTH for i in head.flatten() if int(i) // WIDTH == word] for word in range(len(WORDS))]
        for head in tensor
    ]


def _features(some: list[int]) -> str:
    if not some:
        return "none"
    return f"{some[0]} to {some[-1]}" if len(some) > 1 else str(some[0])


@cache
def _still(heads: int) -> str:
    """The still picture for so many heads, drawn once."""
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import colour, figure, show

    ways = {"cut, then exchanged": False, "straight view": True}
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, ax = figure(height=2.3)
        for row, (name, straight) in enumerate(ways.items()):
            tensor = walk(heads, straight)[-1].tensor[0]
            ax.text(-0.5, row - 0.42, name, color=colour("ink"), va="bottom")
            for head, own in enumerate(tensor):
                for at in own.flatten().tolist():
                    ink = colour("wrong" if straight else "accent")
                    fill = ink if head == 0 else "none"
                    ax.barh(row, 1, left=at - 0.5, height=0.6, color=fill, edgecolor=ink, linewidth=0.8)
                    ax.text(
                        at,
                        row,
                        str(head),
                        ha="center",
                        va="center",
                        color=colour("paper" if head == 0 else "ink"),
                    )
        for word in range(1, len(WORDS)):
            for row in range(len(ways)):
                ax.plot(
                    [WIDTH * word - 0.5] * 2, [row - 0.36, row + 0.36], color=colour("ink"), linewidth=2.2
                )
        middles = [WIDTH * (word + 0.5) - 0.5 for word in range(len(WORDS))]
        ax.set(
            xlim=(-0.6, CELLS - 0.4), ylim=(1.5, -1), yticks=[], xlabel="the 24 addresses, word after word"
        )
        ax.set_xticks(middles, WORDS)
        ax.tick_params(length=0)
        ax.grid(False)
        ax.spines["left"].set_visible(False)
        right, wrong = held(heads, False)[0], held(heads, True)[0]
        whole = [word for word, some in zip(WORDS, wrong, strict=True) if len(some) == WIDTH]
        picture = show(
            fig,
            alt=f"The number in each of the 24 cells is its head. Cut inside each word and then exchanged, head 0 "
            f"holds features {_features(right[0])} of all {len(WORDS)} words. After a straight view it holds the "
            f"first {CELLS // heads} cells: all {WIDTH} features of {' and '.join(whole)}, and none of "
            f"{WORDS[-1]}.",
        )
    head = ["word", *(f"head {h}, {way}" for way in ways for h in range(heads))]
    parts = [held(heads, straight) for straight in ways.values()]
    rows = [
        [name, *(_features(part[h][word]) for part in parts for h in range(heads))]
        for word, name in enumerate(WORDS)
    ]
    note = "Computed in Python from the addresses of PyTorch's own tensors."
    return still(picture.svg, note, "Features of each word that a head holds", head, rows)
