"""Learned positions as a small picture: how alike they are, and what another grid makes of them."""

from base64 import b64encode
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from plenary.class_token import interpolate_positions
from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Asset, Choice
from plenary.widgets.still import still

SIDE = 4
SIDES = range(2, 9)
WAYS = ("right", "axes exchanged", "class position included", "corners aligned")


class _Positions(Asset):
    """The trained model's positions alone, 17 rows of 48 numbers in float16: 2 kB of the model's 120."""

    def make_dynamic_default(self) -> str:
        """Take them out of the model when a widget is first asked for them."""
        return b64encode(learned().half().numpy().tobytes()).decode("ascii")


class StretchPositions(PlenaryWidget):
    """The positions that the digits model has learned on its grid of 4 x 4, stretched to another grid.

    Args:
        height: how many rows of patches the new grid has, 2 to 8.
        width: how many columns, 2 to 8.
        way: "right", or a mistake: "axes exchanged", "class position included", "corners aligned".
        board: whether the position that all others are compared with is on the "old" grid or on the "new" one.
        row: its row; beyond the grid it means the last one.
        column: its column, likewise.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "stretch_positions.mjs"
    style = "stretch_positions.css"

    positions = _Positions("digits.safetensors")
    height = Choice(SIDES, default=8, expected="a whole number from 2 to 8")
    width = Choice(SIDES, default=8, expected="a whole number from 2 to 8")
    way = Choice(WAYS, default="right", expected=f"one of {', '.join(WAYS)}")
    board = Choice(("old", "new"), default="old", expected='"old" or "new"')
    row = Choice(range(8), default=1, expected="a whole number from 0 to 7")
    column = Choice(range(8), default=1, expected="a whole number from 0 to 7")

    def still(self) -> str:
        """How alike old and new positions are to the chosen one, computed here with torch."""
        return _still(self.height, self.width, self.way, self.board, self.row, self.column)


@cache
def learned() -> Float[Tensor, "17 48"]:
    """The positions of the trained digits model, the class token's first, in float64."""
    from plenary.training import digit_reader

    return digit_reader.model().positions.detach()[0].double()


def stretch(positions: Float[Tensor, "17 D"], grid: tuple[int, int], way: str) -> Float[Tensor, "_ D"]:
    """What `stretch` in stretch_positions.mjs computes, here by torch."""
    if way == "right":
        return interpolate_positions(positions[None], (SIDE, SIDE), grid)[0]
    if way == "class position included":
        line = F.interpolate(positions.T[None], size=1 + grid[0] * grid[1], mode="linear")
        return line[0].T
    picture = positions[1:].unflatten(0, (SIDE, SIDE)).permute(2, 0, 1)
    if way == "axes exchanged":
        picture = picture.mT
    resized = F.interpolate(picture[None], grid, mode="bicubic", align_corners=way == "corners aligned")
    return torch.cat([positions[:1], resized[0].flatten(1).T])


class Compared(NamedTuple):
    """What one setting shows."""

    old: Float[Tensor, "4 4"]
    """Cosine of each old position with the chosen one."""
    new: Float[Tensor, "height width"]
    """Cosine of each new position with the chosen one."""
    off: Float[Tensor, "height width"]
    """How far each patch's position is from the right one, as a share of the right one's length."""
    class_off: float
    """The same for the class token's position."""
    kept: int
    """How many new patches have an old position exactly."""


def compare(height: int, width: int, way: str, board: str, row: int, column: int) -> Compared:
    """What `compare` in stretch_positions.mjs computes."""
    positions = learned()
    new, right = (stretch(positions, (height, width), one) for one in (way, "right"))
    rows, columns = (SIDE, SIDE) if board == "old" else (height, width)
    at = 1 + min(row, rows - 1) * columns + min(column, columns - 1)
    chosen = (positions if board == "old" else new)[at]
    off = (new - right).norm(dim=-1) / right.norm(dim=-1)
    farthest = (new[1:, None] - positions[None, 1:]).abs().amax(dim=-1)
    return Compared(
        old=F.cosine_similarity(positions[1:], chosen, dim=-1).view(SIDE, SIDE),
        new=F.cosine_similarity(new[1:], chosen, dim=-1).view(height, width),
        off=off[1:].view(height, width),
        class_off=off[0].item(),
        kept=int((farthest.amin(dim=1) < 1e-9).sum()),
    )


@cache
def _still(height: int, width: int, way: str, board: str, row: int, column: int) -> str:
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context
    from matplotlib.patches import Rectangle

    from plenary.plotting import colour, figure, show

    found = compare(height, width, way, board, row, column)
    limits = (SIDE, SIDE) if board == "old" else (height, width)
    place = (min(row, limits[0] - 1), min(column, limits[1] - 1))
    best = divmod(int(found.new.argmax()), width)
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, _ = figure(height=3.4, ncols=2)
        tables = (("old", found.old), ("new", found.new))
        for ax, (name, table) in zip(fig.axes, tables, strict=True):
            for r, line in enumerate(table.tolist()):
                for c, value in enumerate(line):
                    shade = colour("accent" if value >= 0 else "key")
                    ax.add_patch(Rectangle((c, r), 1, 1, facecolor=shade, alpha=abs(value) * 0.8, lw=0))
            if name == board:
                frame = Rectangle((place[1], place[0]), 1, 1, fill=False, edgecolor=colour("query"), lw=2)
                ax.add_patch(frame)
            ax.grid(False)
            ax.set(xlim=(0, table.shape[1]), ylim=(table.shape[0], 0), aspect="equal")
            ax.set(title=f"{name} grid, {table.shape[0]} x {table.shape[1]}", xticks=[], yticks=[])
        picture = show(
            fig,
            alt=f"The position of {board} patch {place} compared with the learned positions on the grid of "
            f"{SIDE} x {SIDE} and with those stretched to {height} x {width} ({way}). Most alike among the new "
            f"ones is patch {best}, with a cosine of {found.new.max():.2f}; {found.kept} of "
            f"{height * width} new patches have an old position exactly.",
        )
    note = (
        f"Computed in Python from the positions of the trained digits model; way: {way}. On average a patch’s "
        f"position is off the right one by {100 * found.off.mean():.0f} % of its length."
    )
    head = ["row of the new grid", *(f"column {c}" for c in range(width))]
    body = [[str(r), *(f"{value:.2f}" for value in line)] for r, line in enumerate(found.new.tolist())]
    return still(picture.svg, note, f"Cosine of each new position with {board} patch {place}", head, body)
