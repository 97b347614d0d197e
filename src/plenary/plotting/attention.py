"""Attention as pictures: weights as a table of tokens, and a map of patches over the picture they were cut from."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from plenary.plotting.picture import Picture, show
from plenary.plotting.style import WIDTH, colour, figure

if TYPE_CHECKING:
    from torch import Tensor

MOST_CELLS = 10_000
"""A heat map with more cells would be a slow page, and its cells too small to see."""

SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])
STROKES = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]


def attention_heatmap(
    weights: "Tensor | np.ndarray",
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    *,
    alt: str,
    titles: Sequence[str] | None = None,
) -> Picture:
    """Draw attention weights: a row for every query, a column for every key, the darker the more weight.

    A single small map has the weights written in it. Opacity runs from 0 to 1 in every picture, so that two can be
    compared.

    Args:
        weights: of one head (T, S), or of several (H, T, S); numbers from 0 to 1.
        rows: the T queries' tokens.
        columns: the S keys' tokens; the rows' when there are none and T is S.
        alt: the message of the picture in words.
        titles: one for each head; "head 0", "head 1" and so on when there are none.

    Raises:
        ValueError: another shape, weights outside 0 to 1, labels or titles that are not as many, or too many cells.
    """
    table = _numbers(weights)
    if table.ndim not in (2, 3) or not table.size:
        raise ValueError(
            f"attention_heatmap: expected weights (T, S) of one head or (H, T, S) of several, got {table.shape}. "
            "Of a batch, take one sample: weights[0]."
        )
    heads, queries, keys = (1, *table.shape) if table.ndim == 2 else table.shape
    if table.size > MOST_CELLS:
        raise ValueError(
            f"attention_heatmap: {heads} x {queries} x {keys} weights are {table.size:,} cells; a page shows up to "
            f"{MOST_CELLS:,} well. Take one head, or a slice of the tokens."
        )
    # Rounding may leave a weight a little above 1.
    if not (np.all(table >= 0) and np.all(table <= 1 + 1e-3)):
        raise ValueError(
            f"attention_heatmap: weights run from 0 to 1; these run from {table.min():.3g} to {table.max():.3g}. "
            "Are they scores before the softmax?"
        )
    columns = rows if columns is None and queries == keys else columns
    if titles is None:
        titles = [f"head {head}" for head in range(heads)] if heads > 1 else [""]
    for what, labels, count in (
        ("rows", rows, queries),
        ("columns", columns, keys),
        ("titles", titles, heads),
    ):
        if labels is not None and len(labels) != count:
            raise ValueError(
                f"attention_heatmap: expected {count} {what}, got {len(labels)}: {list(labels)}."
            )

    across = 1 if heads == 1 else 2 if (rows or columns) and max(queries, keys) > 4 else min(heads, 4)
    down = math.ceil(heads / across)
    panel = (WIDTH - 0.9) / across
    height = min(panel * queries / keys, 1.6 * panel)
    fig, axes = figure(
        0.7 + down * (height + 0.35), nrows=down, ncols=across, sharex=True, sharey=True, squeeze=False
    )
    for ax, head, title in zip(axes.flat, table.reshape(heads, queries, keys), titles, strict=False):  # type: ignore[attr-defined]
        _cells(ax, head, write=heads == 1 and keys <= 7)
        ax.set_title(title)
        _tokens(ax.xaxis, columns, keys, room=panel / keys)
        _tokens(ax.yaxis, rows, queries, room=height / queries)
        ax.set(xlim=(0, keys), ylim=(queries, 0), aspect="auto")
    for ax in axes.flat[heads:]:  # type: ignore[attr-defined]
        ax.set_axis_off()
    fig.supxlabel("keys: who is listened to", color=colour("key"), fontsize=10)
    fig.supylabel("queries: who listens", color=colour("query"), fontsize=10)
    return show(fig, alt=alt)


def overlay(image: "Tensor | np.ndarray", attention_map: "Tensor | np.ndarray", *, alt: str) -> Picture:
    """Draw a picture, and beside it the same with each patch covered the more, the more attention it gets.

    The patch that gets most is covered most, whatever its share; the share stands above.

    Args:
        image: (H, W), (1, H, W) or (3, H, W), with numbers from 0 to 1; with one channel, 1 is ink.
        attention_map: (h, w), as `class_attention_map` gives it for one picture; 0 or more.
        alt: the message of the picture in words.

    Raises:
        ValueError: other shapes, a picture that does not divide into h x w patches, or numbers out of their range.
    """
    pixels, shares = _numbers(image), _numbers(attention_map)
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3) or shares.ndim != 2 or not shares.size:
        raise ValueError(
            "overlay: expected an image (H, W), (1, H, W) or (3, H, W) and a map (h, w); got "
            f"{_numbers(image).shape} and {shares.shape}. Of a batch, take one: images[0], maps[0]."
        )
    height, width = pixels.shape[1:]
    if height % shares.shape[0] or width % shares.shape[1]:
        raise ValueError(
            f"overlay: a picture of {height} x {width} does not divide into {shares.shape[0]} x {shares.shape[1]} "
            "patches. Take the map for the model's own grid, model.grid."
        )
    if not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(
            f"overlay: a picture's numbers run from 0 to 1; these from {pixels.min():.3g} to {pixels.max():.3g}. "
            "Show it as it was before it was normalised."
        )
    if not shares.min() >= 0:
        raise ValueError(f"overlay: attention is 0 or more; the map has {shares.min():.3g}.")

    fig, axes = figure(0.35 + (WIDTH / 2 - 0.1) * height / width, ncols=2)
    for ax, title in zip(axes, ("picture", f"attention: up to {shares.max():.0%} a patch"), strict=True):  # type: ignore[arg-type]
        # Pixels as they are: a picture in the page would be smoothed by the browser when it is small.
        times = math.ceil(256 / max(height, width))
        shown = np.repeat(np.repeat(pixels, times, axis=1), times, axis=2).transpose(1, 2, 0)
        extent = (0, shares.shape[1], shares.shape[0], 0)
        ax.imshow(shown.squeeze(), cmap="gray_r", vmin=0, vmax=1, extent=extent, interpolation="none")
        ax.set_title(title)
        ax.set_aspect(height / shares.shape[0] / (width / shares.shape[1]))
        ax.set_axis_off()
    _cells(axes[1], 0.85 * shares / max(shares.max(), 1e-12))  # type: ignore[index]
    return show(fig, alt=alt)


def _numbers(values: Any) -> np.ndarray:
    """A tensor of any device and dtype, or an array, as float64."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().double()
    return np.asarray(values, dtype=float)


def _cells(ax: Axes, shares: np.ndarray, write: bool = False) -> None:
    """One square of the accent colour for each number, as opaque as the number says, in steps of 1/40.

    Squares of one opacity are one outline: few bytes, and a colour that follows the page as no bitmap's would.
    """
    levels = (40 * shares).round().astype(int).clip(0, 40)
    for level in np.unique(levels[levels > 0]):
        corners = np.argwhere(levels == level)[:, None, ::-1] + SQUARE
        outline = Path(corners.reshape(-1, 2), np.tile(STROKES, len(corners)))
        ax.add_patch(PathPatch(outline, facecolor=colour("accent"), edgecolor="none", alpha=level / 40))
    ax.grid(False)
    if write:
        for (row, column), share in np.ndenumerate(shares):
            ink = colour("paper" if share > 0.55 else "ink")
            ax.text(
                column + 0.5, row + 0.5, f"{share:.2f}", color=ink, ha="center", va="center", fontsize=9.5
            )


def _tokens(axis: Any, labels: Sequence[str] | None, count: int, room: float) -> None:
    """Name the tokens along an axis; where letters would touch, only every second, third ... one."""
    axis.set_tick_params(length=0)
    if labels is None:
        axis.set_ticks([])
        return
    upright = axis.axis_name == "x" and max(map(len, labels)) * 0.09 > room
    step = math.ceil(0.17 / room)
    at = range(0, count, step)
    axis.set_ticks([i + 0.5 for i in at], [labels[i] for i in at], rotation=90 if upright else 0)
