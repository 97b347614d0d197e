"""What people get wrong when they make a picture of a rollout, each as the function with one thing changed."""

import math
from collections.abc import Callable

from torch import Tensor

from plenary.checks.exercise import Misconception

NAME = "class_attention_map"
Grid = tuple[int, int]


def _map(
    take: Callable[[Tensor], Tensor], lay: Callable[[Tensor, Grid], Tensor] | None = None
) -> Callable[..., Tensor]:
    """Write the function with one thing changed."""

    def class_attention_map(rollout: Tensor, grid: Grid) -> Tensor:
        taken = take(rollout)
        return taken.reshape(-1, *grid) if lay is None else lay(taken, grid)

    return class_attention_map


def _square(row: Tensor, grid: Grid) -> Tensor:
    side = math.isqrt(row.shape[-1])
    return row.reshape(-1, side, side)


def _row(rollout: Tensor) -> Tensor:
    return rollout[:, 0, 1:]


def _mistake(
    name: str, title: str, belief: str, hint: str, place: str, *wrong: Callable[..., Tensor]
) -> Misconception:
    anchor, section = {
        "row": ("roll-row", "Its row, not its column"),
        "grid": ("roll-grid", "Back to rows and columns"),
        "scale": ("roll-shares", "Shares stay shares"),
    }[place]
    return Misconception(f"map-{name}", title, belief, hint, anchor, section, {NAME: wrong})


MAP_MISTAKES = (
    _mistake(
        "column",
        "You read the class token's column; its row is asked for.",
        "The column says how much of the class token got into each patch. The question is the other one: "
        "how much of each patch got into the class token, which is what the head reads.",
        "Row first, column second: what a token is made of stands in its row.",
        "row",
        _map(lambda rollout: rollout[:, 1:, 0]),
    ),
    _mistake(
        "class-token-kept",
        "You keep the class token's own entry among the patches, and every patch moves one place on.",
        "The row has N + 1 entries, and cutting one off at the end makes it fit. The one too many is the "
        "first: what the class token kept of itself.",
        "Leave out entry 0.",
        "row",
        _map(lambda rollout: rollout[:, 0, :-1]),
        _map(lambda rollout: rollout[:, 0]),
    ),
    _mistake(
        "first-patch",
        "You read the row of the first patch; the class token stands before it.",
        "Row 1 is the first row to people who count from one, and after the class token has been cut off on "
        "both axes row 0 is a patch as well.",
        "The class token is token 0.",
        "row",
        _map(lambda rollout: rollout[:, 1, 1:]),
    ),
    _mistake(
        "last-row",
        "You read the row of the last token; the class token stands first.",
        "In a language model the last token is the one to ask. Here the class token was put in front.",
        "The class token is token 0.",
        "row",
        _map(lambda rollout: rollout[:, -1, 1:]),
        _map(lambda rollout: rollout[:, -1, :-1]),
    ),
    _mistake(
        "mean-of-rows",
        "You average over all tokens' rows; asked for is the class token's.",
        'For a model with pool="mean" that is the question to put, without the class token. Here it is the '
        "class token that is asked.",
        "Take one row.",
        "row",
        _map(lambda rollout: rollout[:, :, 1:].mean(1)),
        _map(lambda rollout: rollout[:, 1:, 1:].mean(1)),
        _map(lambda rollout: rollout[:, 1:, 1:].mean(2)),
    ),
    _mistake(
        "diagonal",
        "You read the diagonal: how much every patch kept of itself.",
        "It has an entry for each patch, and makes a picture. It says nothing of the class token.",
        "Take one row.",
        "row",
        _map(lambda rollout: rollout.diagonal(dim1=-2, dim2=-1)[:, 1:]),
    ),
    _mistake(
        "grid-transposed",
        "Your map runs down the columns; patches were numbered along the rows.",
        "A grid of h and w has the right number of places whichever is filled first. patchify goes along a "
        "row of patches, then to the next, and the map has to be laid out the same way.",
        "The last axis of the result, the one that moves fastest, is the width.",
        "grid",
        _map(_row, lambda row, grid: row.reshape(-1, grid[1], grid[0]).mT),
    ),
    _mistake(
        "grid-exchanged",
        "Your map has width and height exchanged.",
        "grid is (rows, columns), height first, as everywhere in the course; (x, y) would be the other way "
        "round.",
        "The shape asked for is (B, h, w).",
        "grid",
        _map(_row, lambda row, grid: row.reshape(-1, grid[1], grid[0])),
        _map(_row, lambda row, grid: row.reshape(-1, *grid).mT),
    ),
    _mistake(
        "upside-down",
        "Your map stands upside down, or is mirrored.",
        "Plots have their origin at the bottom, pictures at the top. The first patch is the one at the top "
        "left.",
        "Leave the order of the patches as it is; how it is drawn is the plot's business.",
        "grid",
        _map(_row, lambda row, grid: row.reshape(-1, *grid).flip(-2)),
        _map(_row, lambda row, grid: row.reshape(-1, *grid).flip(-1)),
    ),
    _mistake(
        "flat",
        "Your map is a row of numbers; asked for is a grid.",
        "The numbers are right, and in order. To lie on the picture they need rows and columns.",
        "Bring the last axis into the shape of grid.",
        "grid",
        _map(_row, lambda row, grid: row),
    ),
    _mistake(
        "square-only",
        "You take the root of N for both sides of the grid.",
        "Most published models see square pictures, and their code can do with the root. 15 patches may be 3 by 5, or 5 "
        "by 3.",
        "The grid is given; use it.",
        "grid",
        _map(_row, _square),
    ),
    _mistake(
        "batch-axis-missing",
        "Your map has no axis for the batch; it works for a single picture only.",
        "grid is all that the map of one picture needs. The result holds a map for each picture of the batch.",
        "Three axes, the batch first.",
        "grid",
        _map(_row, lambda row, grid: row.reshape(grid)),
    ),
    _mistake(
        "batch-lost",
        "You return the map of the first picture only.",
        "With one picture in the batch it is hard to see the difference. Each picture has a map.",
        "Keep axis 0 whole.",
        "grid",
        _map(_row, lambda row, grid: row[0].reshape(grid)),
        _map(_row, lambda row, grid: row[:1].reshape(-1, *grid)),
    ),
    _mistake(
        "scaled-to-one",
        "Your map is divided by its maximum or its sum; asked for are the shares themselves.",
        "For a picture it is right to use the whole range of greys, and plots do so by themselves. Scaled, "
        "a class token that listened to nobody looks like one that listened hard.",
        "Return the numbers of the row as they are.",
        "scale",
        _map(lambda rollout: _row(rollout) / _row(rollout).amax(-1, keepdim=True)),
        _map(lambda rollout: _row(rollout) / _row(rollout).sum(-1, keepdim=True)),
        _map(lambda rollout: _row(rollout) / _row(rollout).max()),
        _map(
            lambda rollout: (
                (_row(rollout) - _row(rollout).amin(-1, keepdim=True))
                / (_row(rollout).amax(-1, keepdim=True) - _row(rollout).amin(-1, keepdim=True))
            )
        ),
    ),
)
