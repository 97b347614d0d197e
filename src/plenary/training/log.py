"""The record of a run: a CSV file, one row an epoch, and curves drawn from it."""

import csv
import io
import os
from pathlib import Path

from plenary.training import store
from plenary.training.store import CheckpointError

COLUMNS = (
    "step",
    "epoch",
    "learning_rate",
    "loss",
    "gradient_norm",
    "validation_loss",
    "validation_accuracy",
    "seconds",
)
"""Steps and epochs done; mean training loss and gradient norm since the row before; seconds of training so far."""

Row = dict[str, float]


class Log:
    """The file `log.csv` of a run, which grows by a row an epoch.

    Args:
        path: the file.
        step: rows after this step belong to work that was lost with a killed process; they go.
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        self.path = path
        self.rows = [row for row in read(path) if row["step"] <= step] if path.exists() else []
        store.write_text(path, "".join(map(_line, [dict(zip(COLUMNS, COLUMNS, strict=True)), *self.rows])))

    def append(self, row: Row) -> None:
        """Write a row, and wait until it is on the disk: a checkpoint that follows relies on it.

        Raises:
            CheckpointError: it cannot be written.
        """
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(row))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CheckpointError(
                f"{self.path}: the log could not be written: {error.strerror}. "
                "Free some space, and go on with --resume."
            ) from error
        self.rows.append(row)


def read(path: Path) -> list[Row]:
    """The rows of a log; a line that was cut off when its process died is left out.

    Raises:
        CheckpointError: the file is no log of a run.
    """
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    header, *rest = lines or [""]
    if tuple(header.strip().split(",")) != COLUMNS:
        raise CheckpointError(
            f"{path}: expected a log with the columns {', '.join(COLUMNS)}; its first line is {header.strip()!r}. "
            "Is it another program's file? Move it away."
        )
    if rest and not rest[-1].endswith("\n"):
        rest.pop()
    whole = [line for line in csv.reader(rest) if len(line) == len(COLUMNS)]
    return [
        {c: (int if c in ("step", "epoch") else float)(v) for c, v in zip(COLUMNS, row, strict=True)}
        for row in whole
    ]


def _line(row: dict) -> str:
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS, lineterminator="\n").writerow(row)
    return text.getvalue()


def curves(run_dir: Path | str) -> Path:
    """Draw the losses and the accuracy of a run over its epochs, as `curves.png` and `curves.svg` in its folder.

    Returns the picture's path (the PNG).

    Raises:
        CheckpointError: the folder holds no log, or the log has no row.
    """
    import matplotlib.pyplot as plt

    from plenary.plotting import colour, training_figure

    run_dir = Path(run_dir)
    path = run_dir / "log.csv"
    rows = read(path) if path.exists() else []
    if not rows:
        raise CheckpointError(f"{path}: expected the log of a run with at least one epoch; there is none.")
    fig = training_figure(rows)
    for suffix in ("png", "svg"):
        store.replace(
            run_dir / f"curves.{suffix}",
            lambda temporary, s=suffix: fig.savefig(temporary, format=s, dpi=150, facecolor=colour("paper")),
        )
    plt.close(fig)
    return run_dir / "curves.png"
