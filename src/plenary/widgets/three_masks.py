"""Who may hear whom, three times over: the masks of an encoder and decoder, cell by cell, and three mistakes."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from plenary.functional import causal_mask
from plenary.transformer import make_masks, shift_right
from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Choice, Picks
from plenary.widgets.still import still


class Pair(NamedTuple):
    """A sentence and its translation, both filled up to the length of the batch."""

    source: tuple[str, ...]
    target: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """What the decoder reads at each position: the target, one place to the right."""
        return ("BOS", *self.target[:-1])


# The same sentences stand in three_masks.mjs. Each has padding on one side: the first in its target, the second in
# its source.
PAIRS = (
    Pair(("der", "Hund", "hat", "gebellt"), ("the", "dog", "barked", "EOS", "pad", "pad")),
    Pair(("er", "schwimmt", "gern", "pad"), ("he", "likes", "to", "go", "swimming", "EOS")),
)
BOARDS = ("source", "target", "memory")
S, T = len(PAIRS[0].source), len(PAIRS[0].target)
SIZES = {"source": (S, S), "target": (T, T), "memory": (T, S)}
CELLS = tuple(
    f"{board} {row} {column}"
    for board, (rows, columns) in SIZES.items()
    for row in range(rows)
    for column in range(columns)
)
MISTAKES = ("no causal mask", "causal in the cross-attention", "padding forgotten")
WORDS = ("pad", "BOS", *sorted({word for pair in PAIRS for word in pair.source + pair.target} - {"pad"}))


class ThreeMasks(PlenaryWidget):
    """The three masks of a sentence pair; each cell says which two words it joins and why it is open or shut.

    Args:
        pair: which of the batch's two sentence pairs is shown, 0 or 1.
        mistakes: which of the three mistakes are made.
        cell: the cell that is explained: its board, row and column.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "three_masks.mjs"
    style = "three_masks.css"

    pair = Choice((0, 1), default=0, expected="0 or 1")
    mistakes = Picks(MISTAKES, default=())
    cell = Choice(CELLS, default="memory 1 1", expected="a board, a row and a column, like 'target 2 3'")

    def still(self) -> str:
        """The three boards, computed here with `plenary.make_masks`, and who may hear whom as a table."""
        return _still(self.pair, self.mistakes)


def tokens() -> tuple[Tensor, Tensor]:
    """The batch as ids, padding 0: the sources (2, S), and the targets as they are to be written (2, T)."""
    source = torch.tensor([[WORDS.index(word) for word in pair.source] for pair in PAIRS])
    return source, torch.tensor([[WORDS.index(word) for word in pair.target] for pair in PAIRS])


def masks(pair: int, mistakes: Sequence[str] = ()) -> dict[str, Tensor]:
    """The masks of one pair, a row for every listener, as `make_masks` makes them or with these mistakes."""
    source, target = tokens()
    nothing_is_padding = -1
    pad = nothing_is_padding if "padding forgotten" in mistakes else WORDS.index("pad")
    of_source, of_target, of_memory = make_masks(source, shift_right(target, WORDS.index("BOS")), pad)
    if "no causal mask" in mistakes:
        of_target = of_target[:, :, -1:]  # the last row has no future, so it shows what padding alone hides
    if "causal in the cross-attention" in mistakes:
        of_memory = of_memory & torch.ones(T, S, dtype=torch.bool).tril()
    made = dict(zip(BOARDS, (of_source, of_target, of_memory), strict=True))
    return {board: mask[pair, 0].expand(SIZES[board]) for board, mask in made.items()}


class Tally(NamedTuple):
    """What a board permits: cells open, wrongly open, wrongly shut, and rows that may read their answer."""

    open: int
    wrongly_open: int
    wrongly_shut: int
    answers: int


def tally(pair: int, mistakes: Sequence[str] = ()) -> dict[str, Tally]:
    """The counts of each board."""
    found = {}
    for board, made in masks(pair, mistakes).items():
        right = masks(pair)[board]
        answers = 0
        if board == "target":
            # Behind the diagonal stands the word that the row has to write; where it is padding there is no answer.
            words = torch.tensor([word != "pad" for word in PAIRS[pair].target[:-1]])
            answers = int((made.diagonal(1) & words).sum())
        found[board] = Tally(int(made.sum()), int((made & ~right).sum()), int((right & ~made).sum()), answers)
    return found


def _names(pair: Pair, board: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words at a board's rows and columns."""
    return (
        pair.source if board == "source" else pair.reads,
        pair.reads if board == "target" else pair.source,
    )


def _still(number: int, mistakes: Sequence[str]) -> str:
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context
    from matplotlib.patches import Rectangle

    from plenary.plotting import colour, figure, show

    pair, made, right, counts = PAIRS[number], masks(number, mistakes), masks(number), tally(number, mistakes)
    future = ~causal_mask(T)
    titles = {
        "source": "source hears source",
        "target": "target hears target",
        "memory": "target hears source",
    }
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, _ = figure(height=2.9, ncols=3, gridspec_kw={"width_ratios": (S, T, S)})
        fig.set_layout_engine("constrained")
        for ax, board in zip(fig.axes, BOARDS, strict=True):
            rows, columns = _names(pair, board)
            for row in range(len(rows)):
                for column, word in enumerate(columns):
                    is_open = bool(made[board][row, column])
                    wrong = is_open != bool(right[board][row, column])
                    shade = colour("wrong" if wrong else "accent" if is_open else "grid")
                    why = "∅" if word == "pad" else "▸" if board == "target" and future[row, column] else "×"
                    ax.add_patch(
                        Rectangle(
                            (column + 0.06, row + 0.06), 0.88, 0.88, color=shade, alpha=0.75, linewidth=0
                        )
                    )
                    mark = "✓" if is_open else why
                    ax.text(column + 0.5, row + 0.5, mark, ha="center", va="center", fontsize=8)
            ax.grid(False)
            ax.set(xlim=(0, len(columns)), ylim=(len(rows), 0), aspect="equal")
            ax.set_title(f"{board} mask", fontsize=9)
            ax.set_anchor("N")
            ax.set_xticks([i + 0.5 for i in range(len(columns))], labels=columns, rotation=90, fontsize=8)
            ax.set_yticks([i + 0.5 for i in range(len(rows))], labels=rows, fontsize=8)
            ax.xaxis.tick_top()
            ax.tick_params(length=0)
            ax.spines[:].set_visible(False)
        said = ", ".join(
            f"{titles[board]}: {counts[board].open} of {made[board].numel()} cells open" for board in BOARDS
        )
        wrong = sum(one.wrongly_open + one.wrongly_shut for one in counts.values())
        picture = show(
            fig,
            alt=f"The three masks for “{' '.join(pair.source)}” and “{' '.join(pair.reads)}”. {said}. "
            f"{wrong} cells are wrong.",
        )
    table = []
    for board in BOARDS:
        rows, columns = _names(pair, board)
        for row, name in enumerate(rows):
            heard = [word for word, may in zip(columns, made[board][row], strict=True) if may]
            table.append([f"{titles[board]}: {name}", ", ".join(heard) or "nobody"])
    note = (
        "Rows listen, columns are heard. ✓ may be heard, ∅ padding, ▸ future, × shut without need; red: wrong. "
        f"Mistakes made: {', '.join(mistakes) or 'none'}."
    )
    return still(picture.svg, note, "Who may hear whom", ["listener", "may hear"], table)
