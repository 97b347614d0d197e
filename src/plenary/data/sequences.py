"""Four tasks that a small Transformer learns in minutes: reversing, running totals, sorting, key-value recall.

Ids 0, 1 and 2 are padding, BOS and EOS; symbols begin at 3. A source is symbols and then padding; a target is
BOS, the answer, EOS and then padding. All sources differ, so none that is tested with was trained with.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import TensorDataset

from plenary.data.arguments import at_least, in_order

PAD_ID, BOS_ID, EOS_ID, FIRST_SYMBOL = range(4)
SPECIALS = ("<pad>", "<bos>", "<eos>")


@dataclass(frozen=True)
class SequenceSplits:
    """Pairs to train with and pairs to test with.

    `train[indices]` and `test[indices]`, with indices (B,), are sources (B, max_source_length) and targets
    (B, max_target_length), int64. A decoder reads `target[:, :-1]` and is to write `target[:, 1:]`.
    """

    name: str
    train: TensorDataset
    test: TensorDataset
    symbols: tuple[str, ...]
    """What each id is called, in the order of the ids."""
    pad_id: int = PAD_ID
    bos_id: int = BOS_ID
    eos_id: int = EOS_ID

    @property
    def vocab_size(self) -> int:
        """How many ids there are, with those of padding, BOS and EOS."""
        return len(self.symbols)

    @property
    def max_source_length(self) -> int:
        """Number of columns of the sources."""
        return self.train.tensors[0].shape[1]

    @property
    def max_target_length(self) -> int:
        """Number of columns of the targets, BOS and EOS counted."""
        return self.train.tensors[1].shape[1]


def reverse(
    train_size: int = 10_000,
    test_size: int = 1_000,
    num_symbols: int = 10,
    min_length: int = 1,
    max_length: int = 10,
    seed: int = 0,
) -> SequenceSplits:
    """Sequences of symbols, and the same sequences from back to front: 5 3 4 gives 4 3 5.

    Args:
        train_size: number of pairs to train with.
        test_size: number of pairs to test with.
        num_symbols: number of different symbols; the vocabulary has 3 words more.
        min_length: of a source; lengths are drawn evenly, and a source that was drawn before is dropped.
        max_length: of a source.
        seed: the same seed gives the same pairs.

    Raises:
        TypeError, ValueError: a size or length below 1, lengths out of order, a seed below 0, or more pairs
            than half of all there are.
    """
    return _of_symbols(
        "reverse", lambda row: row[::-1], train_size, test_size, num_symbols, min_length, max_length, seed
    )


def sort(
    train_size: int = 10_000,
    test_size: int = 1_000,
    num_symbols: int = 10,
    min_length: int = 1,
    max_length: int = 10,
    seed: int = 0,
) -> SequenceSplits:
    """Sequences of symbols, and the same symbols in ascending order: 5 3 4 3 gives 3 3 4 5.

    Arguments and errors are those of `reverse`.
    """
    return _of_symbols(
        "sort",
        lambda row: tuple(sorted(row)),
        train_size,
        test_size,
        num_symbols,
        min_length,
        max_length,
        seed,
    )


def totals(
    train_size: int = 20_000,
    test_size: int = 1_000,
    num_symbols: int = 10,
    min_length: int = 1,
    max_length: int = 10,
    seed: int = 0,
) -> SequenceSplits:
    """Digits, and their running total from the right, of which the last digit is written: 3 5 9 gives 9 4 7.

    For 9, 9 + 5 = 14 and 14 + 3 = 17. No word of the answer stands in the source for the copying: the length has to
    be known to begin, the place to go on, and the word before to add to. Of the tasks here it is the one that
    tells most wrong Transformers from a right one, see `plenary.training.planted`.

    Arguments and errors are those of `reverse`; totals are taken modulo num_symbols.
    """

    def answer(row: tuple[int, ...]) -> tuple[int, ...]:
        sums = itertools.accumulate(symbol - FIRST_SYMBOL for symbol in reversed(row))
        return tuple(FIRST_SYMBOL + total % num_symbols for total in sums)

    return _of_symbols("totals", answer, train_size, test_size, num_symbols, min_length, max_length, seed)


def recall(
    train_size: int = 10_000,
    test_size: int = 1_000,
    num_keys: int = 10,
    num_values: int = 10,
    min_pairs: int = 1,
    max_pairs: int = 5,
    seed: int = 0,
) -> SequenceSplits:
    """Pairs of a key and a value, then one of the keys: the answer is its value. k1 v1 k2 v2 k3 v3 k2 gives v2.

    The keys of one source all differ; the values need not. Keys have the ids 3 to num_keys + 2, values those after.

    Args:
        train_size: number of sources and answers to train with.
        test_size: number of them to test with.
        num_keys: number of different keys.
        num_values: number of different values.
        min_pairs: pairs in a source; drawn evenly, as the lengths of `reverse` are.
        max_pairs: pairs in a source, at most num_keys.
        seed: the same seed gives the same sources.

    Raises:
        TypeError, ValueError: as `reverse`; or more pairs in a source than keys.
    """
    at_least("recall", 1, num_keys=num_keys, num_values=num_values, min_pairs=min_pairs)
    in_order("recall", min_pairs=min_pairs, max_pairs=max_pairs, num_keys=num_keys)

    def draw(count: int, generator: torch.Generator) -> list[tuple[int, ...]]:
        pairs = torch.randint(min_pairs, max_pairs + 1, (count,), generator=generator)
        # The order of random numbers is a random order: its beginning is distinct keys.
        keys = torch.rand(count, num_keys, generator=generator).argsort(dim=1)[:, :max_pairs] + FIRST_SYMBOL
        values = torch.randint(num_values, (count, max_pairs), generator=generator) + FIRST_SYMBOL + num_keys
        asked = (torch.rand(count, generator=generator) * pairs).long()
        queries = keys.gather(1, asked[:, None])
        rows = torch.stack([keys, values], dim=2).flatten(1).tolist()
        return [
            (*row[: 2 * n], *query)
            for row, n, query in zip(rows, pairs.tolist(), queries.tolist(), strict=True)
        ]

    def answer(row: tuple[int, ...]) -> tuple[int, ...]:
        return (row[row.index(row[-1]) + 1],)

    possible = sum(math.perm(num_keys, n) * num_values**n * n for n in range(min_pairs, max_pairs + 1))
    symbols = (*_names("key ", num_keys), *_names("", num_values))
    return _splits("recall", draw, answer, possible, train_size, test_size, symbols, seed)


def _of_symbols(
    name: str,
    answer: Callable[[tuple[int, ...]], tuple[int, ...]],
    train_size: int,
    test_size: int,
    num_symbols: int,
    min_length: int,
    max_length: int,
    seed: int,
) -> SequenceSplits:
    at_least(name, 1, num_symbols=num_symbols, min_length=min_length, max_length=max_length)
    in_order(name, min_length=min_length, max_length=max_length)

    def draw(count: int, generator: torch.Generator) -> list[tuple[int, ...]]:
        lengths = torch.randint(min_length, max_length + 1, (count,), generator=generator).tolist()
        rows = torch.randint(num_symbols, (count, max_length), generator=generator) + FIRST_SYMBOL
        return [tuple(row[:length]) for row, length in zip(rows.tolist(), lengths, strict=True)]

    possible = sum(num_symbols**length for length in range(min_length, max_length + 1))
    return _splits(name, draw, answer, possible, train_size, test_size, _names("", num_symbols), seed)


def _splits(
    name: str,
    draw: Callable[[int, torch.Generator], list[tuple[int, ...]]],
    answer: Callable[[tuple[int, ...]], tuple[int, ...]],
    possible: int,
    train_size: int,
    test_size: int,
    symbols: tuple[str, ...],
    seed: int,
) -> SequenceSplits:
    at_least(name, 1, train_size=train_size, test_size=test_size)
    at_least(name, 0, seed=seed)
    wanted = train_size + test_size
    if wanted > possible / 2:
        raise ValueError(
            f"{name}: {train_size} + {test_size} different sequences are asked for, and only {possible} exist, "
            f"of which half are on offer. Ask for fewer, or for longer ones, or for more symbols."
        )
    generator = torch.Generator().manual_seed(seed)
    different: dict[tuple[int, ...], None] = {}  # a set that keeps its order
    while len(different) < wanted:
        different.update(dict.fromkeys(draw(2 * wanted, generator)))
    # Short sequences come early, as there are few of them: shuffle, so that both parts get their share.
    sources = list(different)[:wanted]
    sources = [sources[number] for number in torch.randperm(wanted, generator=generator).tolist()]
    source = _padded(sources)
    target = _padded([(BOS_ID, *answer(row), EOS_ID) for row in sources])
    train, test = (
        TensorDataset(source[part], target[part]) for part in (slice(train_size), slice(train_size, None))
    )
    return SequenceSplits(name, train, test, (*SPECIALS, *symbols))


def _names(before: str, count: int) -> tuple[str, ...]:
    return tuple(f"{before}{number}" for number in range(count))


def _padded(rows: list[tuple[int, ...]]) -> Int[Tensor, "N length"]:
    width = max(map(len, rows))
    return torch.tensor([row + (PAD_ID,) * (width - len(row)) for row in rows])
