"""Does an unknown mistake come with a small input that shows it?"""

import math
from typing import Any

import numpy as np
import pytest
import torch

from plenary.checks import answers_of, check, find
from plenary.checks.shrink import FOUND, smallest
from plenary.exercises.scaled_dot_product.build import attention, right_weights


def numbers_in(example) -> int:
    return sum(value.size for value in example.inputs.values() if isinstance(value, np.ndarray))


def found(name, candidate, seed=0, seconds=None):
    exercise = find(name)
    return smallest(exercise, candidate, seed, answers_of(exercise, candidate, seed, seconds))


right: Any = attention()


def heads_swapped(query, key, value, mask=None):
    output, weights = right(query, key, value, mask)
    return (output.flip(1), weights.flip(1)) if query.ndim == 4 else (output, weights)


def test_a_mistake_that_shows_only_on_large_probes_is_shown_on_a_small_one():
    """Two heads, one query, two keys, one feature: with fewer, nothing would be swapped."""
    report = check("scaled_dot_product_attention", heads_swapped)
    assert report.diagnosis is None
    assert report.example is not None
    probes = find("scaled_dot_product_attention").probes(0)
    failing = next(p for p in probes if p.name == "batch and heads")
    assert numbers_in(report.example) < sum(a.size for a in failing.arrays) / 20
    assert report.example.remark is not None
    assert report.example.remark.endswith(FOUND)


def test_what_is_shown_really_is_wrong():
    example = found("scaled_dot_product_attention", heads_swapped, seed=3)
    assert example is not None
    arrays = [torch.tensor(value) for value in example.inputs.values()]
    given, expected = heads_swapped(*arrays), right(*arrays)
    place = ("output", "weights").index(example.output)
    assert example.given is not None
    np.testing.assert_allclose(given[place].numpy(), example.given)
    np.testing.assert_allclose(expected[place].numpy(), example.expected)
    assert not np.allclose(example.given, example.expected)


def test_a_mistake_that_needs_a_length_keeps_that_length():
    def forgets_the_third_key(query, key, value, mask=None):
        def weigh(scores, mask):
            weights = right_weights(scores, mask)
            if scores.ndim == 4 and scores.shape[-1] > 2:
                weights = weights.clone()
                weights[..., 2] = 0
            return weights

        return attention(weigh=weigh)(query, key, value, mask)

    example = found("scaled_dot_product_attention", forgets_the_third_key)
    assert example is not None
    key: Any = example.inputs["key"]
    assert key.shape[-2] == 3


@pytest.mark.parametrize("name", ["MultiHeadAttention", "count_parameters", "parameter_groups", "find_bug"])
def test_what_has_weights_or_no_arrays_is_left_alone(name):
    assert found(name, find(name).mistakes[0].wrong[name][0]) is None


def test_a_right_answer_has_no_counter_example():
    def scores(query, key):
        return query @ key.mT / math.sqrt(query.shape[-1])

    assert found("attention_scores", scores) is None


def test_an_exception_is_no_counter_example():
    def breaks(query, key):
        raise RuntimeError("no")

    assert found("attention_scores", breaks) is None


def test_what_hangs_is_not_asked_again():
    asked = []

    def hangs(query, key):
        asked.append(query.shape)
        while True:
            pass

    assert found("attention_scores", hangs, seconds=0.2) is None
    assert len(asked) == 1
