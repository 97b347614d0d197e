"""The reference run of the digits, and mistakes planted in it on purpose: which of them do its curves give away?

python -m plenary.training.reference

The command trains what `plenary train digits` trains from five seeds, and the same with each mistake of `vit_bugs`
from three, on the same data, from the same first weights, in the same order, for the same number of steps. It
writes `reference.json` beside this file: 25 minutes of one core. `--only NAME` trains some of them anew and
leaves the others as they are in the file.
"""

import json
import re
import tempfile
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any
from unittest.mock import patch

import click
import torch
from torch import nn

from plenary.training import loop, store, tasks
from plenary.training.distributed import World
from plenary.training.log import Row
from plenary.training.recipe import Recipe
from plenary.training.task import ImageTask
from plenary.training.vit_bugs import BUGS, Bug
from plenary.vision_transformer import VisionTransformer

FILE = Path(__file__).with_suffix(".json")

SEEDS = (0, 1, 2, 3, 4)
BUG_SEEDS = (0, 1, 2)
LAST = 5
"""Epochs at the end whose mean accuracy is compared."""
CURVES = ("loss", "validation_loss", "validation_accuracy")

Run = dict[str, Any]


def train(model: nn.Module, task: ImageTask, recipe: Recipe, run_dir: Path | str | None = None) -> list[Row]:
    """Train on the CPU, and return the log's rows; the run's folder is kept if one is named."""
    with tempfile.TemporaryDirectory() as folder:
        return loop.train(model, task, recipe, run_dir or folder, World(torch.device("cpu"))).rows


def digits(seed: int) -> tuple[VisionTransformer, ImageTask, Recipe]:
    """What `plenary train digits --seed SEED` trains, on what, and how."""
    task, recipe = tasks.digits()
    assert isinstance(task, ImageTask)
    assert task.architecture
    model = task.architecture.build(seed)
    assert isinstance(model, VisionTransformer)
    return model, task, replace(recipe, seed=seed)


def with_bug(
    bug: Bug, model: VisionTransformer, task: ImageTask, recipe: Recipe, run_dir: Path | str | None = None
) -> list[Row]:
    """Plant the bug in what is trained, train it, and return the log's rows."""
    bug.plant(model)
    with patch.object(loop, "make_optimizer", bug.optimizer):
        return train(model, bug.task(task), bug.recipe(recipe), run_dir)


def runs(bug: Bug, seeds: tuple[int, ...]) -> Run:
    """A run from each seed: a list of numbers for each curve, what is compared at the end, and the seconds."""
    found: Run = {name: [] for name in (*CURVES, "end", "processor_seconds")}
    for seed in seeds:
        began = time.process_time()
        rows = with_bug(bug, *digits(seed))
        for name in CURVES:
            found[name].append([_rounded(row[name]) for row in rows])
        found["end"].append(_rounded(mean(row["validation_accuracy"] for row in rows[-LAST:])))
        found["processor_seconds"].append(round(time.process_time() - began, 1))
    return found


def _rounded(number: float) -> float:
    """Four digits are enough, and a file of them is small."""
    return float(f"{number:.4g}")


def caught(end: list[float], right: list[float]) -> str:
    """Where the ends of some runs lie against those of the reference: "below" or "above" all, or "inside"."""
    if max(end) < min(right):
        return "below"
    return "above" if min(end) > max(right) else "inside"


ABOUT = {
    "reference": "plenary train digits: a list for each seed, with a number for each epoch",
    "bugs": "of each: name, text (what is wrong), mistake (function and id, or '' where no exercise has it), and "
    "the same lists for its seeds",
    "loss": "of training, with label smoothing, on augmented pictures: mean over the epoch, in nats",
    "validation_loss": "of the averaged weights, on the 360 test pictures, in nats",
    "validation_accuracy": "share of the 360 test pictures, by the averaged weights",
    "end": f"mean of validation_accuracy over the last {LAST} epochs, for each seed",
    "caught": "below (above): the end of every seed is below (above) that of every reference run; inside: "
    "otherwise. Three runs that differ from the five by chance alone are all below them once in 56 times",
}


@cache
def results() -> dict[str, Any]:
    """What `reference.json` says; under "about" it says what it says."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def settings() -> dict[str, Any]:
    """The model, the recipe and the data, as plain values."""
    _, task, recipe = digits(0)
    assert task.architecture
    sizes = {"training": len(task.training), "test": len(task.validation)}  # type: ignore[arg-type]
    values = {name: value for name, value in recipe.to_dict().items() if name != "seed"}
    return {"model": task.architecture.arguments, "recipe": values, **sizes, "last": LAST, "threads": 1}


def text(facts: dict[str, Any]) -> str:
    """As JSON with every list of numbers on one line."""
    return re.sub(r"\[[^][{}\"]*\]", lambda m: re.sub(r"\s+", "", m[0]), json.dumps(facts, indent=1)) + "\n"


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=FILE)
@click.option(
    "--only", multiple=True, type=click.Choice(["reference", *BUGS]), help="Train these; keep the others."
)
def main(file: Path, only: tuple[str, ...]) -> None:
    """Train the reference and the mistakes, write FILE (reference.json) after each, and print a table."""
    torch.set_num_threads(1)
    found = json.loads(file.read_text(encoding="utf-8")) if only and file.exists() else {}
    right = found.get("reference", {})
    bugs = {bug["name"]: bug for bug in found.get("bugs", [])}
    if not right or "reference" in only:
        right = runs(Bug("right", "nothing"), SEEDS)
    _write(file, right, bugs)
    for name in only or BUGS:
        if name in BUGS:
            bugs[name] = runs(BUGS[name], BUG_SEEDS)
            click.echo(f"{name}: {bugs[name]['end']}, {caught(bugs[name]['end'], right['end'])}")
            _write(file, right, bugs)
    click.echo(table(json.loads(file.read_text(encoding="utf-8"))))


def _write(file: Path, right: Run, bugs: dict[str, Run]) -> None:
    known = [
        {"name": bug.name, "text": bug.text, "mistake": bug.mistake, "seeds": list(BUG_SEEDS)}
        | {name: bugs[bug.name][name] for name in right}
        | {"caught": caught(bugs[bug.name]["end"], right["end"])}
        for bug in BUGS.values()
        if bug.name in bugs
    ]
    facts = {
        "about": ABOUT,
        "settings": settings(),
        "epochs": list(range(1, len(right["loss"][0]) + 1)),
        "seeds": list(SEEDS),
        "reference": right,
        "bugs": known,
    }
    store.write_text(file, text(facts))


def table(found: dict[str, Any]) -> str:
    """Lowest and highest accuracy at the end, the last epoch's training loss, and where they lie."""
    rows = [f"{'':44s}{'accuracy at the end':>22s}{'training loss':>18s}  against the reference"]
    for bug in [{"text": "nothing wrong", "caught": "", **found["reference"]}, *found["bugs"]]:
        low, high = (100 * f(bug["end"]) for f in (min, max))
        losses = [curve[-1] for curve in bug["loss"]]
        accuracy, loss = f"{low:.2f} to {high:.2f} %", f"{min(losses):.3f} to {max(losses):.3f}"
        rows.append(f"{bug['text']:44s}{accuracy:>22s}{loss:>18s}  {bug['caught']}")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
