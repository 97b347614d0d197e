"""A training run as a picture: loss and accuracy over the epochs."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from plenary.plotting.picture import Picture, show
from plenary.plotting.style import colour, figure

Row = Mapping[str, float | None]

PANELS = {"loss (nats)": ("loss", "validation_loss"), "accuracy (%)": ("accuracy", "validation_accuracy")}


def training_curves(rows: Sequence[Row], *, alt: str, against: str = "epoch") -> Picture:
    """The picture of `training_figure`, with its message in words as `alt`, for a notebook or the book."""
    return show(training_figure(rows, against), alt=alt)


def training_figure(rows: Sequence[Row], against: str = "epoch") -> Figure:
    """Draw a run's losses, and below them its accuracies, each line named at its end; `savefig` writes a file.

    Args:
        rows: of the log, in its order. Read are "loss", "validation_loss", "accuracy" and "validation_accuracy";
            what no row has is not drawn, and a row may lack what was not measured then, or hold None.
        against: the column along the bottom, "epoch" or "step".

    Raises:
        ValueError: there are no rows, a row lacks the column along the bottom, or there is nothing to draw.
    """
    if not rows or any(row.get(against) is None for row in rows):
        found = f"a row with {', '.join(rows[0])}" if rows else "no rows"
        raise ValueError(f"training_figure: expected rows with a column {against!r}, got {found}.")
    measured = {name for row in rows for name, value in row.items() if value is not None}
    panels = {label: names for label, names in PANELS.items() if measured.intersection(names)}
    if not panels:
        expected = ", ".join(name for names in PANELS.values() for name in names)
        raise ValueError(
            f"training_figure: expected one of {expected} in the rows, got {', '.join(rows[0])}."
        )
    fig, axes = figure(0.6 + 1.9 * len(panels), nrows=len(panels), sharex=True, squeeze=False)
    for ax, (label, names) in zip(axes.flat, panels.items(), strict=True):  # type: ignore[attr-defined]
        factor = 100 if "%" in label else 1
        for name in names:
            if name in measured:
                _line(
                    ax, name, [(row[against], factor * y) for row in rows if (y := row.get(name)) is not None]
                )
        ax.margins(y=0.1)
        _part_the_names(ax)
        ax.set_ylabel(label)
    last: Axes = axes.flat[-1]  # type: ignore[attr-defined]
    last.set_xlabel(against)
    last.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return fig


def _line(ax: Axes, name: str, points: list[tuple[float | None, float]]) -> None:
    """A line with its name behind its last point; a single point is a dot."""
    title, shade = ("validation", "accent") if name.startswith("validation") else ("training", "muted")
    ax.plot(*zip(*points, strict=True), color=colour(shade), marker="o" if len(points) == 1 else None)
    ax.annotate(
        title,
        points[-1],
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        color=colour(shade),
        fontsize=9.5,
    )


def _part_the_names(ax: Axes) -> None:
    """Push names apart that would stand on each other."""
    low, high = ax.get_ylim()
    for lower, upper in pairwise(sorted(ax.texts, key=lambda text: text.xy[1])):  # type: ignore[attr-defined]
        if upper.xy[1] - lower.xy[1] < 0.15 * (high - low):  # type: ignore[attr-defined]
            upper.set_verticalalignment("bottom")
            lower.set_verticalalignment("top")
