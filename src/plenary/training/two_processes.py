"""The same training on one process and on two, in float32 and in bfloat16: how far do the loss curves part?

python -m plenary.training.two_processes

The command trains the model of `plenary train digits` in eight ways, each by the command that stands in the result,
and writes `two_processes.json` beside this file: about two minutes of two cores.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch

from plenary.training import log, store

FILE = Path(__file__).with_suffix(".json")
EPOCHS = 10
COLUMNS = ("loss", "validation_loss", "validation_accuracy")


class Way(NamedTuple):
    """One way to train: its name, how many processes, and the options that differ."""

    name: str
    processes: int = 1
    options: tuple[str, ...] = ()


WAYS = (
    Way("one process"),
    Way("two processes", 2),
    Way("two processes, fsdp", 2, ("--parallel", "fsdp")),
    Way("bfloat16", 1, ("--precision", "bfloat16")),
    Way("another seed", 1, ("--seed", "1")),
    Way("twice the batch", 1, ("--batch-size", "128")),
    Way(
        "twice the batch, rate times the root of 2", 1, ("--batch-size", "128", "--learning-rate", "0.00283")
    ),
    Way("twice the batch, rate times 2", 1, ("--batch-size", "128", "--learning-rate", "0.004")),
)


def train(way: Way, epochs: int) -> dict[str, Any]:
    """Train in one way, in processes of their own, and return its command and the columns of its log."""
    options = ["train", "digits", "--epochs", str(epochs), "--device", "cpu", *way.options]
    alone, module = [sys.executable, "-m"], "plenary.cli"
    several = [*alone, "torch.distributed.run", "--standalone", f"--nproc-per-node={way.processes}", "-m"]
    said = "plenary" if way.processes == 1 else f"torchrun --nproc-per-node {way.processes} -m {module}"
    with tempfile.TemporaryDirectory(prefix="plenary-") as folder:
        run_dir = Path(folder) / "run"
        done = subprocess.run(
            [*(alone if way.processes == 1 else several), module, *options, "--run-dir", str(run_dir)],
            # One thread each, so that the kernels add up in the same order in all of them.
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"two_processes: {way.name} ended with an error.\n{done.stderr[-3000:]}")
        rows = log.read(run_dir / "log.csv")
    columns = {column: [row[column] for row in rows] for column in COLUMNS}
    return {
        "name": way.name,
        "processes": way.processes,
        "command": " ".join([said, *options]),
        **columns,
    }


@cache
def results() -> dict[str, Any]:
    """What `two_processes.json` says: {"about", "epochs", "runs": [{"name", "processes", "command", "loss",
    "validation_loss", "validation_accuracy"}, ...]}, the last three with a number an epoch."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def apart(one: list[float], other: list[float]) -> float:
    """The largest difference between two curves, relative to the first."""
    return max(abs(a - b) / abs(a) for a, b in zip(one, other, strict=True))


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=FILE)
@click.option("--epochs", default=EPOCHS, show_default=True)
@click.option("--only", multiple=True, type=click.Choice([way.name for way in WAYS]), help="Not all ways.")
def main(file: Path, epochs: int, only: tuple[str, ...]) -> None:
    """Train in each of the ways, write FILE (two_processes.json), and print a line a way."""
    runs: list[dict[str, Any]] = []
    for way in WAYS:
        if only and way.name not in only:
            continue
        runs.append(train(way, epochs))
        part = apart(runs[0]["loss"], runs[-1]["loss"])
        click.echo(
            f"{way.name}: loss {runs[-1]['loss'][-1]:.9f}, up to {part:.1e} from that of {runs[0]['name']}"
        )
    about = f"torch {torch.__version__.split('+')[0]} on CPU, gloo between processes, one thread each"
    store.write_text(file, json.dumps({"about": about, "epochs": epochs, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
