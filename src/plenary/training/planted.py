"""Mistakes planted in a Transformer on purpose: what does each do to its training, and to what it writes?

python -m plenary.training.planted

The command trains a right model and wrong ones, on the same data, from the same seeds and first weights, for the
same number of steps, once on running totals and once on reversing, and writes `planted.json` beside this file:
about 16 minutes of one core. `--only NAME` trains some of them anew and leaves the others as they are in the file.
Why running totals: see `tried`.
"""

import json
import math
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from plenary import data
from plenary.data.sequences import SequenceSplits
from plenary.decoding import greedy_decode
from plenary.training import store
from plenary.training.bugs import BUGS, Bug
from plenary.training.evaluation import evaluate
from plenary.training.optimizer import parameter_groups
from plenary.training.schedule import warmup_cosine
from plenary.training.seeding import generator
from plenary.training.task import Architecture
from plenary.transformer import TinyTransformer

FILE = Path(__file__).with_suffix(".json")

SEEDS = (0, 1, 2)
STEPS, BATCH, RATE, WARMUP, DECAY = 1000, 64, 3e-3, 0.1, 0.05
MOMENTS = (50, *range(100, STEPS + 1, 100))
SIZES = {"embed_dim": 32, "num_heads": 4, "num_layers": 1}
FEW = 250
"""Test sources that are written at each moment; at the end all of them are."""

TASKS: dict[str, Callable[[], SequenceSplits]] = {
    "totals": data.totals,
    "reverse": lambda: data.reverse(20_000, max_length=5),
}
"""Running totals of up to ten digits, and the task that forgives: reversing up to five symbols."""


def build(bug: Bug, splits: SequenceSplits, seed: int, **sizes: int) -> TinyTransformer:
    """A model with the bug, which starts from the weights of the right one."""
    arguments = {
        "vocab_size": splits.vocab_size,
        "max_length": max(splits.max_source_length, splits.max_target_length),
        "pad_id": splits.pad_id,
        **SIZES,
        **sizes,
    }
    model = Architecture("TinyTransformer", arguments).build(seed)
    assert isinstance(model, TinyTransformer)
    bug.plant(model)
    return model


def exact(model: nn.Module, splits: SequenceSplits, count: int | None = None, alone: bool = True) -> float:
    """The share of the first `count` test sources whose whole answer is right, written greedily word by word.

    Args:
        model: maps source and target to logits.
        splits: the task.
        count: how many; None for all.
        alone: without padding, as when one is typed in; otherwise padded like the training data.
    """
    source, target = (tensor[:count] for tensor in splits.test.tensors)
    expected = target[:, 1:].masked_fill(target[:, 1:] == splits.pad_id, splits.eos_id)
    lengths = (source != splits.pad_id).sum(dim=1)
    # Sources of one length need no padding between them.
    parts = [lengths == length for length in lengths.unique()] if alone else [lengths > 0]
    right = 0
    for part in parts:
        shown = source[part, : int(lengths[part].max())] if alone else source[part]
        # Without the cache, which would mend some of the bugs.
        written = greedy_decode(
            model, shown, splits.bos_id, splits.eos_id, expected.shape[1], use_cache=False
        )
        right += int((written == expected[part]).all(dim=1).sum())
    return right / len(source)


def accuracy(model: nn.Module, splits: SequenceSplits, bug: Bug) -> float:
    """The share of right words of the test answers when the model reads what it read in training."""
    source, target = splits.test.tensors
    return evaluate(model, [(source, *_read_and_write(target, bug))], splits.pad_id)["accuracy"]


def _read_and_write(target: Tensor, bug: Bug) -> tuple[Tensor, Tensor]:
    return (target[:, :-1] if bug.shifted else target[:, 1:]), target[:, 1:]


def train(
    bug: Bug,
    splits: SequenceSplits,
    seed: int,
    steps: int = STEPS,
    moments: tuple[int, ...] = (),
    **sizes: int,
) -> dict[str, Any]:
    """Train a model with the bug, and look at it at some moments and at the end.

    Returns:
        What `ABOUT` says of a run.
    """
    began = time.process_time()
    model = build(bug, splits, seed, **sizes)
    optimizer = torch.optim.AdamW(parameter_groups(model, DECAY), lr=RATE, fused=True)
    losses: list[float] = []
    curve: dict[str, list[float]] = {"loss": [], "accuracy": [], "exact": []} if moments else {}
    before = 0
    for step, (source, target) in enumerate(_batches(splits.train, steps, seed)):
        for group in optimizer.param_groups:
            group["lr"] = RATE * warmup_cosine(step + 1, round(WARMUP * steps), steps + 1)
        read, write = _read_and_write(target, bug)
        loss = bug.loss(model(source, read), write, splits.pad_id)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step + 1 in moments:
            curve["loss"].append(mean(losses[before:]))
            curve["accuracy"].append(accuracy(model, splits, bug))
            curve["exact"].append(exact(model, splits, FEW))
            before = step + 1
    final = {
        "loss": mean(losses[-100:]),
        "accuracy": accuracy(model, splits, bug),
        "exact": exact(model, splits),
        "padded": exact(model, splits, alone=False),
    }
    seconds = round(time.process_time() - began, 1)
    return {"seed": seed, **curve, "final": final, "processor_seconds": seconds}


def _batches(dataset: TensorDataset, steps: int, seed: int) -> list[tuple[Tensor, ...]]:
    per_epoch = len(dataset) // BATCH
    orders = [
        torch.randperm(len(dataset), generator=generator(seed, "order", epoch))
        for epoch in range(math.ceil(steps / per_epoch))
    ]
    batches = [one for order in orders for one in order[: per_epoch * BATCH].split(BATCH)]
    return [dataset[one] for one in batches[:steps]]


ABOUT = {
    "bugs": "of each: name, text (what is wrong), mistake (function and id, '' for the right one)",
    "runs": "by task (totals, reverse), then by bug's name: an entry for each seed, with lists of loss, accuracy "
    "and exact at `moments` (totals alone), these and padded in `final`, and the processor's seconds",
    "loss": "of training, as the bug computes it: mean since the moment before; in final over the last 100 steps",
    "accuracy": "share of right words of the test answers when the words before are given, EOS counted",
    "exact": "share of test sources whose whole answer is right, each written alone and greedily",
    "padded": "the same, but written in batches that are padded as in training",
}


@cache
def results() -> dict[str, Any]:
    """What `planted.json` says; under "about" it says what it says."""
    return json.loads(FILE.read_text(encoding="utf-8"))


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=FILE)
@click.option("--only", multiple=True, type=click.Choice(list(BUGS)), help="Train these; keep the others.")
def main(file: Path, only: tuple[str, ...]) -> None:
    """Train the right model and the wrong ones, write FILE (planted.json), and print a table."""
    torch.set_num_threads(1)
    found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    runs = found["runs"] if found and only else {task: {} for task in TASKS}
    splits = {name: task() for name, task in TASKS.items()}
    settings = {
        "steps": STEPS,
        "batch": BATCH,
        "learning_rate": RATE,
        "warmup": WARMUP,
        "weight_decay": DECAY,
    }
    lengths = {name: pairs.max_source_length for name, pairs in splits.items()}
    tested = len(splits["totals"].test)
    facts = {
        "about": ABOUT,
        "settings": {**settings, **SIZES, "few": FEW, "tested": tested, "lengths": lengths},
        "moments": list(MOMENTS),
        "bugs": [{"name": bug.name, "text": bug.text, "mistake": bug.mistake} for bug in BUGS.values()],
        "runs": runs,
    }
    for name in only or BUGS:
        for task, pairs in splits.items():
            moments = MOMENTS if task == "totals" else ()
            runs[task][name] = [_rounded(train(BUGS[name], pairs, seed, moments=moments)) for seed in SEEDS]
        store.write_text(file, json.dumps(facts, indent=1) + "\n")
        click.echo(table({task: {name: entries[name]} for task, entries in runs.items()}))
    click.echo(table(runs))


def table(runs: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    """Lowest and highest share of exact answers over the seeds, for each bug and task: alone, and padded."""
    tasks = list(runs)
    rows = [" " * 24 + "".join(f"{f'{task}, {how}':>18s}" for task in tasks for how in ("alone", "padded"))]
    for name in runs[tasks[0]]:
        shares = [
            [100 * entry["final"][key] for entry in runs[task][name]]
            for task in tasks
            for key in ("exact", "padded")
        ]
        rows.append(f"{name:24s}" + "".join(f"{f'{min(s):.1f} to {max(s):.1f} %':>18s}" for s in shares))
    return "\n".join(rows)


def _rounded(values: Any) -> Any:
    """Five digits are enough, and a file of them is small."""
    if isinstance(values, dict):
        return {name: _rounded(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_rounded(value) for value in values]
    return float(f"{values:.5g}") if isinstance(values, float) else values


if __name__ == "__main__":
    main()
