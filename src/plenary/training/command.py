"""What `plenary train` does."""

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from plenary.training import runs
from plenary.training.distributed import joined
from plenary.training.loop import train
from plenary.training.tasks import TASKS


def run(
    name: str,
    run_dir: Path,
    data_dir: Path | None,
    device: str,
    parallel: str,
    resume: bool,
    overwrite: bool,
    numbers: dict[str, Any],
    changes: dict[str, str],
) -> None:
    """Train a task's model, and say what came of it.

    Args:
        name: of the task.
        run_dir: the folder of the run.
        data_dir: the folder of the data; None for the usual one.
        device: "auto", "cpu", "cuda" or "mps".
        parallel: "ddp" or "fsdp".
        resume: go on from the last checkpoint.
        overwrite: start anew although the folder holds a run.
        numbers: of the recipe, where it shall differ.
        changes: of the model's arguments, where they shall differ, as texts.

    Raises:
        ValueError: there is no such task or device, or a number or an argument is out of its range.
        TrainingError, CheckpointError, FileExistsError: see `train`.
    """
    if name not in TASKS:
        near = get_close_matches(name, TASKS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"train: there is no task {name!r}.{hint} Expected one of {', '.join(TASKS)}.")
    with joined(device) as world:
        # Data that has to be downloaded is downloaded once.
        with world.first_goes_ahead():
            task, recipe = TASKS[name](data_dir)
        recipe = replace(runs.recipe_of(run_dir) if resume else recipe, **numbers)
        assert task.architecture
        architecture = task.architecture
        if resume:
            architecture = replace(
                architecture, arguments=architecture.arguments | runs.arguments_of(run_dir)
            )
        architecture = architecture.changed(changes)
        task, model = replace(task, architecture=architecture), architecture.build(recipe.seed)
        history = train(model, task, recipe, run_dir, world, parallel, resume, overwrite, progress=True)
        if world.first:
            last = history.last
            click.echo(
                f"{name}: validation loss {last['validation_loss']:.4f} nats, accuracy "
                f"{100 * last['validation_accuracy']:.2f} % after {last['epoch']} epochs, {last['seconds']:.0f} s."
            )
            click.echo(f"{run_dir}: {runs.MODEL}, {runs.LOG} and curves.png")
