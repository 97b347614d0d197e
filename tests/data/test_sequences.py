"""Are the answers right, is nothing tested that was trained, and does a seed fix everything?"""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plenary.data import recall, reverse, sort, totals

TASKS = [reverse, totals, sort, recall]
SIZES = {"train_size": 211, "test_size": 53}


def rows(dataset):
    """Sources and targets without their padding."""
    sources, targets = dataset[torch.arange(len(dataset))]
    return [
        ([n for n in source if n], [n for n in target if n])
        for source, target in zip(sources.tolist(), targets.tolist(), strict=True)
    ]


def answers(name, source):
    if name == "reverse":
        return source[::-1]
    if name == "sort":
        return sorted(source)
    if name == "totals":
        return [3 + sum(symbol - 3 for symbol in source[-n:]) % 10 for n in range(1, len(source) + 1)]
    *pairs, query = source
    return [dict(zip(pairs[::2], pairs[1::2], strict=True))[query]]


@pytest.mark.parametrize("task", TASKS)
def test_a_target_is_bos_the_answer_eos_and_padding(task):
    splits = task(**SIZES)
    assert (splits.pad_id, splits.bos_id, splits.eos_id) == (0, 1, 2)
    for dataset, count in ((splits.train, 211), (splits.test, 53)):
        assert len(dataset) == count
        sources, targets = dataset[torch.arange(count)]
        assert sources.dtype == targets.dtype == torch.int64
        assert sources.shape == (count, splits.max_source_length)
        assert targets.shape == (count, splits.max_target_length)
        for tensor in (sources, targets):  # what follows padding is padding
            padding = tensor == 0
            assert (padding[:, 1:] | ~padding[:, :-1]).all()
        for source, target in rows(dataset):
            assert target == [1, *answers(splits.name, source), 2]
            assert all(3 <= symbol < splits.vocab_size for symbol in source)


def test_totals_are_taken_from_the_right():
    splits = totals(11, 1)
    digits = {name: id_ for id_, name in enumerate(splits.symbols)}
    found = totals(5000, 1, min_length=3, max_length=4)
    pairs = {tuple(source): target[1:-1] for source, target in rows(found.train)}
    assert pairs[tuple(digits[d] for d in "359")] == [digits[d] for d in "947"]


def test_symbols_are_named_in_the_order_of_their_ids():
    assert reverse(5, 1, num_symbols=3).symbols == ("<pad>", "<bos>", "<eos>", "0", "1", "2")
    names = recall(5, 1, num_keys=2, num_values=3, max_pairs=2).symbols
    assert names[3:] == ("key 0", "key 1", "0", "1", "2")


@given(st.integers(4, 8), st.integers(0, 4), st.integers(5, 17), st.integers(0, 2**32))
def test_every_length_and_every_symbol_occurs(shortest, more, num_symbols, seed):
    splits = sort(97, 13, num_symbols, min_length=shortest, max_length=shortest + more, seed=seed)
    both = rows(splits.train) + rows(splits.test)
    assert {len(source) for source, _ in both} == set(range(shortest, shortest + 1 + more))
    assert {symbol for source, _ in both for symbol in source} == set(range(3, 3 + num_symbols))
    assert splits.vocab_size == 3 + num_symbols
    assert splits.max_target_length == splits.max_source_length + 2


@given(st.integers(1, 3), st.integers(0, 4), st.integers(0, 2), st.integers(17, 23), st.integers(0, 2**32))
def test_recall_asks_for_one_of_distinct_keys(fewest, more, spare, num_values, seed):
    most = fewest + more
    num_keys = most + spare + 3
    splits = recall(29, 3, num_keys, num_values, min_pairs=fewest, max_pairs=most, seed=seed)
    for source, target in rows(splits.train) + rows(splits.test):
        *pairs, query = source
        keys, values = pairs[::2], pairs[1::2]
        assert fewest <= len(keys) == len(values) <= most
        assert len(set(keys)) == len(keys)
        assert query in keys
        assert set(keys) <= set(range(3, 3 + num_keys))
        assert {*values, *target[1:-1]} <= set(range(3 + num_keys, 3 + num_keys + num_values))
    assert splits.vocab_size == 3 + num_keys + num_values


def test_recall_asks_for_every_place_equally_often():
    splits = recall(3001, 1, min_pairs=5, max_pairs=5)
    places = [source[:-1:2].index(source[-1]) for source, _ in rows(splits.train)]
    assert all(abs(places.count(place) - 600) < 100 for place in range(5))


@pytest.mark.parametrize("task", TASKS)
def test_nothing_is_tested_that_was_trained_and_nothing_occurs_twice(task):
    splits = task(5003, 1009)
    train, test = ([tuple(source) for source, _ in rows(part)] for part in (splits.train, splits.test))
    assert len({*train, *test}) == 6012


def test_both_parts_have_all_lengths():
    # There are 7 sources of one symbol: they are not all in the part that was drawn first.
    splits = reverse(120, 70, num_symbols=7, max_length=3)
    for part in (splits.train, splits.test):
        assert sum(len(source) == 1 for source, _ in rows(part)) > 0


@pytest.mark.parametrize("task", TASKS)
def test_a_seed_gives_the_same_pairs_and_another_one_others(task):
    first, again, other = (task(**SIZES, seed=seed) for seed in (5, 5, 6))
    for a, b, c in zip(first.train.tensors, again.train.tensors, other.train.tensors, strict=True):
        assert torch.equal(a, b)
        assert a.shape != c.shape or not torch.equal(a, c)
    assert torch.equal(first.test.tensors[0], again.test.tensors[0])


def test_half_of_all_sequences_can_be_had():
    splits = reverse(6, 1, num_symbols=2, max_length=3)  # of 2 + 4 + 8
    assert len({tuple(source) for source, _ in rows(splits.train) + rows(splits.test)}) == 7


HALF: Any = 2.5


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: reverse(train_size=0), ValueError, "reverse: train_size must be 1 or more; it is 0"),
        (lambda: sort(test_size=-1), ValueError, "sort: test_size must be 1 or more; it is -1"),
        (lambda: sort(num_symbols=0), ValueError, "sort: num_symbols must be 1 or more"),
        (lambda: sort(min_length=0), ValueError, "sort: min_length must be 1 or more"),
        (lambda: sort(max_length=HALF), TypeError, "sort: max_length must be a whole number; it is 2.5"),
        (lambda: sort(min_length=5, max_length=3), ValueError, "min_length = 5 and max_length = 3"),
        (lambda: reverse(seed=-1), ValueError, "reverse: seed must be 0 or more"),
        (lambda: recall(num_keys=3), ValueError, "min_pairs <= max_pairs <= num_keys is expected"),
        (lambda: recall(num_values=0), ValueError, "recall: num_values must be 1 or more"),
        (
            lambda: reverse(7, 1, num_symbols=2, max_length=3),
            ValueError,
            r"reverse: 7 \+ 1 different sequences are asked for, and only 14 exist",
        ),
        (
            lambda: recall(5, 2, num_keys=2, num_values=2, max_pairs=1),
            ValueError,
            "only 4 exist",
        ),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(call, error, said):
    with pytest.raises(error, match=said):
        call()
