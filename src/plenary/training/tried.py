"""The tasks that were tried before running totals were chosen: how many planted mistakes does each tell apart?

python -m plenary.training.tried

The command trains a right model and seven wrong ones on each of them, with the model, recipe and first seed of
`planted`, and writes `tried.json` beside this file: about six minutes of one core.
"""

import itertools
import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import TensorDataset

from plenary import data
from plenary.data.sequences import BOS_ID, EOS_ID, FIRST_SYMBOL, SequenceSplits
from plenary.training import planted, store
from plenary.training.bugs import BUGS

FILE = Path(__file__).with_suffix(".json")

NAMES = (
    "right",
    "padding-heard",
    "causal-memory",
    "causal-source",
    "shifted-again",
    "encoder-skipped",
    "no-path-in-decoder",
    "no-target-positions",
)
"""The right model, and seven mistakes that reversing up to five symbols forgives or nearly forgives."""
TRAIN, TEST = 20_000, 1_000
Pair = tuple[list[int], list[int]]


class Tried(NamedTuple):
    """A task: what it asks in a sentence, an example, and its pairs."""

    sentence: str
    example: str
    make: Callable[[], SequenceSplits]


def drawn(name: str, draw: Callable[[random.Random], Pair], symbols: int) -> SequenceSplits:
    """Pairs of a task with different sources; fewer to train with than 20,000 where a task has not as many.

    Args:
        name: of the task.
        draw: a source and its answer, as numbers of symbols, from 0.
        symbols: how many there are.
    """
    numbers = random.Random(0)
    found: dict[tuple[int, ...], list[int]] = {}
    for _ in range(10 * TRAIN):
        if len(found) == TRAIN + TEST:
            break
        source, answer = draw(numbers)
        found[tuple(source)] = answer
    rows = list(found.items())
    numbers.shuffle(rows)
    source = _padded([[FIRST_SYMBOL + one for one in source] for source, _ in rows])
    target = _padded([[BOS_ID, *(FIRST_SYMBOL + one for one in answer), EOS_ID] for _, answer in rows])
    train, test = (
        TensorDataset(source[part], target[part]) for part in (slice(None, -TEST), slice(-TEST, None))
    )
    return SequenceSplits(name, train, test, ("<pad>", "<bos>", "<eos>", *map(str, range(symbols))))


def _padded(rows: list[list[int]]) -> Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


def _letters(numbers: random.Random, kinds: int, most: int) -> list[int]:
    return [numbers.randrange(kinds) for _ in range(numbers.randint(1, most))]


def _stable_sort(numbers: random.Random) -> Pair:
    pairs = [(numbers.randrange(4), 4 + numbers.randrange(6)) for _ in range(numbers.randint(1, 5))]
    in_order = sorted(pairs, key=lambda pair: pair[0])
    return [one for pair in pairs for one in pair], [one for pair in in_order for one in pair]


def _count(numbers: random.Random) -> Pair:
    source = _letters(numbers, 6, 8)
    return source, [one for x in dict.fromkeys(source) for one in (x, 5 + source.count(x))]


def _distinct(numbers: random.Random) -> Pair:
    source = _letters(numbers, 8, 10)
    return source, list(dict.fromkeys(reversed(source)))


def _by_frequency(numbers: random.Random) -> Pair:
    source = _letters(numbers, 6, 8)
    return source, sorted(dict.fromkeys(source), key=lambda x: -source.count(x))


def _tickets(numbers: random.Random) -> Pair:
    towns = numbers.sample(range(8), 1 + numbers.randint(1, 5))
    tickets = list(itertools.pairwise(towns))
    numbers.shuffle(tickets)
    return [town for ticket in tickets for town in ticket], towns


TASKS = {
    "reverse": Tried(
        "write up to ten digits backwards", "3 5 9 gives 9 5 3", lambda: data.reverse(TRAIN, TEST)
    ),
    "sort": Tried(
        "write up to ten digits in ascending order", "5 3 4 3 gives 3 3 4 5", lambda: data.sort(TRAIN, TEST)
    ),
    "recall": Tried(
        "up to five pairs of key and value, then a key: write its value",
        "k1 v1 k2 v2 k1 gives v1",
        lambda: data.recall(TRAIN, TEST),
    ),
    "stable sort": Tried(
        "up to five pairs of one of four letters and one of six digits: write them by letter, equal letters in "
        "their order",
        "B 3 A 1 B 2 gives A 1 B 3 B 2",
        lambda: drawn("stable sort", _stable_sort, 10),
    ),
    "count": Tried(
        "up to eight of six letters: write each letter and how often it occurs, in the order of first appearance",
        "B A B C gives B 2 A 1 C 1",
        lambda: drawn("count", _count, 14),
    ),
    "distinct": Tried(
        "up to ten of eight letters: write each one once, from the right",
        "B A B C gives C B A",
        lambda: drawn("distinct", _distinct, 8),
    ),
    "by frequency": Tried(
        "up to eight of six letters: write each one once, the commonest first, equal ones in the order of first "
        "appearance",
        "B A C C gives C B A",
        lambda: drawn("by frequency", _by_frequency, 6),
    ),
    "tickets": Tried(
        "up to five tickets from one of eight towns to another, shuffled: write the trip, town by town",
        "C D A B B C gives A B C D",
        lambda: drawn("tickets", _tickets, 8),
    ),
}


@cache
def results() -> list[dict[str, Any]]:
    """What `tried.json` says: of each task its name, sentence and example, and exact answers by bug's name.

    Exact is the share of test sources whose whole answer is right, each written alone and greedily, after
    `planted.STEPS` steps from seed 0.
    """
    return json.loads(FILE.read_text(encoding="utf-8"))


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=FILE)
def main(file: Path) -> None:
    """Train on each of the tasks, write FILE (tried.json), and print a line a task."""
    torch.set_num_threads(1)
    found = []
    for name, task in TASKS.items():
        splits = task.make()
        exact = {bug: planted.train(BUGS[bug], splits, 0)["final"]["exact"] for bug in NAMES}
        found.append({"task": name, "sentence": task.sentence, "example": task.example, "exact": exact})
        click.echo(f"{name}: " + ", ".join(f"{bug} {100 * share:.1f} %" for bug, share in exact.items()))
    store.write_text(file, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
