"""The folder of a run: what is in it, when it may be written to, and how a trained model is read from it.

run.json                 what is trained: task, architecture, recipe
log.csv                  a row an epoch
checkpoint.safetensors   everything needed to go on
model.safetensors        the final weights, with what is needed to build the model
curves.png, curves.svg   the log as a picture
"""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from plenary.training import checkpoint, store
from plenary.training.batches import Plan
from plenary.training.distributed import World
from plenary.training.ema import Average
from plenary.training.log import Row, curves
from plenary.training.recipe import Recipe
from plenary.training.store import CheckpointError
from plenary.training.task import Architecture, Task

T = TypeVar("T")

RUN, LOG, CHECKPOINT, MODEL = "run.json", "log.csv", "checkpoint.safetensors", "model.safetensors"


def begin(run_dir: Path, task: Task, recipe: Recipe, resume: bool, overwrite: bool) -> None:
    """Make the folder, unless what is in it forbids that.

    Raises:
        FileExistsError: it holds a run that nobody asked to continue or to overwrite.
        CheckpointError: there is no run to continue, or a file cannot be written.
    """
    holds_run = (run_dir / RUN).exists()
    for leftover in run_dir.glob(".*.tmp"):  # of a process that was killed while it wrote
        leftover.unlink()
    if resume and not holds_run:
        raise CheckpointError(
            f"{run_dir}: there is no run to resume: expected {RUN} in this folder. Check the name, or leave out "
            "--resume."
        )
    if holds_run and not (resume or overwrite):
        raise FileExistsError(
            f"{run_dir} already holds a run. Continue it with --resume, start anew with --overwrite, or name "
            "another folder with --run-dir."
        )
    if resume:
        about = json.loads((run_dir / RUN).read_text(encoding="utf-8"))
        _require_same_run(run_dir / RUN, about, task, recipe)
        return
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        for name in (CHECKPOINT, MODEL, LOG, "curves.png", "curves.svg"):
            (run_dir / name).unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{run_dir}: cannot be the folder of a run: {error.strerror}. Name another one with --run-dir."
        ) from error
    about = {"recipe": recipe.to_dict(), **_about(task)}
    store.write_text(run_dir / RUN, json.dumps(about, indent=2) + "\n")


def recipe_of(run_dir: Path | str) -> Recipe:
    """The recipe that a run was started with.

    Raises:
        CheckpointError: the folder holds no run.
    """
    return _begun(run_dir, lambda about: Recipe.from_dict(about["recipe"]))


def arguments_of(run_dir: Path | str) -> dict[str, Any]:
    """The arguments of the model that a run was started with; none if the model is none of plenary's.

    Raises:
        CheckpointError: the folder holds no run.
    """
    return _begun(run_dir, lambda about: about["architecture"]["arguments"] if about["architecture"] else {})


def _begun(run_dir: Path | str, read: Callable[[dict[str, Any]], T]) -> T:
    path = Path(run_dir) / RUN
    try:
        return read(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: expected the description of a run, and it cannot be read ({error}). Check the folder's name."
        ) from error


def facts(task: Task, plan: Plan, step: int, meter: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What a checkpoint says beside its tensors."""
    recipe = plan.recipe.to_dict()
    return {
        "step": step,
        "samples": plan.size,
        "recipe": recipe,
        "meter": meter,
        "seconds": seconds,
        **_about(task),
    }


def restore(
    run_dir: Path,
    task: Task,
    plan: Plan,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Average | None,
) -> dict[str, Any]:
    """Go back to the last checkpoint, if the run lived long enough to write one; returns its facts, or nothing.

    Raises:
        CheckpointError: the checkpoint is damaged, or of another architecture, task or recipe.
    """
    path = run_dir / CHECKPOINT
    if not path.exists():
        return {}
    found = checkpoint.restore(path, model, optimizer, average)
    _require_same_run(path, found, task, plan.recipe, plan.size)
    return found


def _require_same_run(
    path: Path, found: dict[str, Any], task: Task, recipe: Recipe, samples: int | None = None
) -> None:
    differences = recipe.differences(Recipe.from_dict(found["recipe"]))
    if found["task"] != task.name:
        differences.append(f"task is {task.name}, was {found['task']}")
    if samples is not None and found["samples"] != samples:
        differences.append(f"training samples are {samples}, were {found['samples']}")
    if differences:
        raise CheckpointError(
            f"{path}: expected the checkpoint of the same run, but {'; '.join(differences)}. Resume with what the "
            "run was started with (leave these options out), or start another run in another folder."
        )


def require_same_step(run_dir: Path, world: World, step: int) -> None:
    """Compare where the processes go on.

    Raises:
        CheckpointError: they do not see the same checkpoint.
    """
    if world.sum(torch.tensor(step, device=world.device)) != step * world.size:
        raise CheckpointError(
            f"{run_dir}: expected all processes to go on from the same checkpoint; number {world.rank} found "
            f"step {step}, and others found another. Is the folder on storage that all machines see?"
        )


def finish(
    run_dir: Path,
    task: Task,
    recipe: Recipe,
    world: World,
    model: nn.Module,
    average: Average | None,
    rows: list[Row],
) -> None:
    """Write the weights for use, the averaged ones if there are some, and draw the curves.

    Raises:
        CheckpointError: a file cannot be written.
    """
    with average.applied() if average else nullcontext():
        weights = checkpoint.weights(model)
    if world.first:
        scores = {name: value for name, value in rows[-1].items() if name != "seconds"}
        store.write(run_dir / MODEL, weights, {"recipe": recipe.to_dict(), "last": scores, **_about(task)})
        curves(run_dir)


def _about(task: Task) -> dict[str, Any]:
    about: dict[str, Any] = {"task": task.name, "architecture": None}
    if task.architecture:
        about["architecture"] = task.architecture.to_dict()
    for name in ("mean", "std"):
        if hasattr(task, name):
            about[name] = list(getattr(task, name))
    return about


def load(run_dir: Path | str) -> nn.Module:
    """The model that a finished run left in its folder, in eval mode.

    A picture is given to it as in training: `(images - mean) / std`, with the numbers in `describe(run_dir)`.

    Raises:
        CheckpointError: there is no finished run, its file is damaged, or the model is none of plenary's.
    """
    path = Path(run_dir) / MODEL
    weights, about = store.read(path)
    if not about["architecture"]:
        raise CheckpointError(
            f"{path}: was trained with a model that is none of plenary's, so it cannot be built from here. Build "
            "it yourself, and give it the weights: safetensors.torch.load_model(model, path)."
        )
    model = Architecture(**about["architecture"]).build()
    checkpoint.require_same_architecture(path, model, weights)
    model.load_state_dict(weights)
    return model.eval()


def describe(run_dir: Path | str) -> dict[str, Any]:
    """What a finished run says of its model: task, architecture, recipe, last scores, the pictures' mean and std.

    Raises:
        CheckpointError: there is no finished run, or its file is damaged.
    """
    return store.read(Path(run_dir) / MODEL)[1]
