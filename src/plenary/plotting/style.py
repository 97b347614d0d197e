"""The book's style for matplotlib: sizes from `plenary.mplstyle`, colours from the palette."""

from importlib.resources import files
from typing import Any

import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plenary import palette

WIDTH = 4.8
"""Width of a figure in inches."""


def colour(name: str) -> str:
    """The hex to draw with, for example `colour("query")`; `show` makes it follow light and dark.

    Raises:
        ValueError: there is no colour of this name.
    """
    return palette.light(name)


def figure(height: float = 3.0, **subplots: Any) -> tuple[Figure, Axes]:
    """A figure 4.8 in wide in the book's style, which stays matplotlib's style from here on.

    Args:
        height: in inches.
        subplots: passed on to `matplotlib.pyplot.subplots`; with several panels the axes come as an array.
    """
    # The style is set for good, not for this call alone: what the caller draws next reads it too.
    plt.style.use(str(files("plenary").joinpath("plenary.mplstyle")))
    plt.style.use(_colours())
    return plt.subplots(figsize=(WIDTH, height), **subplots)


def _colours() -> dict[str, Any]:
    """The matplotlib settings that are colours."""
    ink, muted, grid = colour("ink"), colour("muted"), colour("grid")
    return {
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.titlecolor": ink,
        "axes.edgecolor": muted,
        "xtick.color": muted,
        "ytick.color": muted,
        "grid.color": grid,
        "patch.edgecolor": muted,
        "hatch.color": muted,
        "axes.prop_cycle": cycler(color=[colour(name) for name in ("accent", "query", "key", "value")]),
    }
