"""A bar on the terminal, with the latest numbers; nothing elsewhere."""

from types import TracebackType

from plenary.training.log import Row


class Progress:
    """Shows how far a run is: `with Progress(...) as bar`, then `bar.step` and `bar.row`.

    Args:
        steps: of the whole run.
        steps_per_epoch: of one epoch.
        shown: whether to show it, if the output is a terminal.
    """

    def __init__(self, steps: int, steps_per_epoch: int, shown: bool) -> None:
        self.epochs, self.steps_per_epoch = steps // steps_per_epoch, steps_per_epoch
        self.validation = ""
        self.bar = None
        if shown:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            if (console := Console()).is_terminal:
                columns = (BarColumn(None), MofNCompleteColumn(), TimeRemainingColumn())
                text = TextColumn("{task.description}")
                self.bar = Bar(text, *columns, console=console, expand=True)
                self.line = self.bar.add_task("starts", total=steps)

    def __enter__(self) -> "Progress":
        if self.bar:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def step(self, step: int, loss: float) -> None:
        """After a step: steps done, and the mean training loss of this epoch so far."""
        if self.bar:
            epoch = -(-step // self.steps_per_epoch)
            text = f"epoch {epoch}/{self.epochs}  loss {loss:.4f}{self.validation}"
            self.bar.update(self.line, completed=step, description=text)

    def row(self, row: Row) -> None:
        """After an epoch."""
        self.validation = (
            f"  validation {row['validation_loss']:.4f}, accuracy {100 * row['validation_accuracy']:.2f} %"
        )
