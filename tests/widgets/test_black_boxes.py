"""The six boxes in Python: the lab's own, told apart by the inputs on offer, and a still picture of that."""

import re
from base64 import b64decode
from collections.abc import Callable
from importlib.resources import files
from json import loads
from typing import Any

import pytest
import torch
from traitlets import TraitError

import plenary.widgets
from plenary.exercises.catch_the_bug.boxes import RIGHT, Box
from plenary.exercises.catch_the_bug.find_bug import FIND_BUG
from plenary.widgets.black_boxes import (
    BOXES,
    LETTERS,
    PROBES,
    TRUTH,
    BlackBoxes,
    answers,
    companions,
    differ,
)


def kept() -> dict[str, list[Any]]:
    """What the page tells at the end: the text in black_boxes.mjs that is not to be read by accident."""
    source = files(plenary.widgets).joinpath("black_boxes.mjs").read_text(encoding="utf-8")
    return loads(b64decode("".join(re.findall(r'^\s+"([\w+/=]{20,})" \+$', source, flags=re.M))))


def as_candidate(box: Box) -> Callable[..., Any]:
    return lambda query, key, value, mask=None: box.attend(query, key, value, mask)


def test_the_boxes_are_the_labs_and_at_least_two_are_right() -> None:
    assert list(BOXES) == list(LETTERS)
    assert len(set(TRUTH.values())) == 6
    assert all(FIND_BUG.oracles and box in FIND_BUG.oracles.values() for box in BOXES.values())
    right = [box for box in BOXES.values() if box in RIGHT]
    assert len(right) == sum(one for one, _ in TRUTH.values()) == 2
    verdicts = {letter: FIND_BUG.reference(as_candidate(box)) for letter, box in BOXES.items()}
    assert verdicts == {letter: not right for letter, (right, _) in TRUTH.items()}


def test_the_page_tells_what_is_true() -> None:
    assert {letter: (right, what) for letter, (right, what, _, _) in kept().items()} == TRUTH
    for right, _, shown, remark in kept().values():
        assert bool(shown) is not right
        assert len(remark.split()) > 8


def test_square_input_tells_nobody_and_every_wrong_box_shows_somewhere() -> None:
    alone = {probe: [one for one in LETTERS if not companions(one, probe)] for probe in PROBES}
    assert alone["square"] == []
    wrong = {letter for letter, (right, _) in TRUTH.items() if not right}
    assert set().union(*map(set, alone.values())) == wrong
    assert all(len(alone[probe]) == 1 for probe in PROBES if probe != "square")
    # The right boxes agree with the formula everywhere.
    for probe, given in PROBES.items():
        query, key, value, mask = given.tensors()
        scores = query @ key.mT / key.shape[-1] ** 0.5
        scores = scores if mask is None else scores.masked_fill(~mask, -torch.inf)
        weights = scores.softmax(-1).nan_to_num()
        for letter, (right, _) in TRUTH.items():
            assert right <= (not differ(answers(letter, probe), (weights @ value, weights)))


def test_probes_are_what_their_names_say() -> None:
    sizes = {name: (len(p.query), len(p.key), len(p.key[0]), len(p.value[0])) for name, p in PROBES.items()}
    assert len(set(sizes["sizes"])) == 4
    assert sizes["wide"][2] == 6
    assert PROBES["square"].query == PROBES["square"].key == PROBES["square"].value
    query, key, _, _ = PROBES["large"].tensors()
    assert (query @ key.mT).max() / 2**0.5 > 800
    mask = PROBES["mask"].tensors()[3]
    assert mask is not None
    assert mask.any(-1).all()
    assert not mask.all()
    empty = PROBES["empty"].tensors()[3]
    assert empty is not None
    assert (~empty.any(-1)).sum() == 1


def test_still_has_words_and_a_table_of_what_the_boxes_return() -> None:
    still = BlackBoxes().still()
    alt = re.search('aria-label="([^"]+)"', still)
    assert alt
    assert "a square, Q = K = V: all six agree" in alt[1]
    assert alt[1].count("1 of six stands alone") == 5
    assert "needs JavaScript" in still
    cells = re.findall(r"<td>([^<]*)</td>", still)
    assert len(cells) == 36
    output, weights = answers("F", "mask")
    said = f"{output[1, 0]:.2f}, {output[1, 1]:.2f} ({weights[1].sum():.2f})"
    assert cells[6 * list(PROBES).index("mask") + LETTERS.index("F")] == said
    assert cells[6 * list(PROBES).index("large") + LETTERS.index("E")] == "nan, nan (nan)"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"box": "G"}, "BlackBoxes: box is 'G'; expected a letter from 'A' to 'F'"),
        ({"box": 1}, "BlackBoxes: box is 1; expected a letter from 'A' to 'F'"),
        (
            {"probe": "round"},
            "BlackBoxes: probe is 'round'; expected one of 'square', 'sizes', 'large', 'mask', 'empty', 'wide'",
        ),
        (
            {"accused": ["A", "A"]},
            "BlackBoxes: accused is ['A', 'A']; expected a list of some of A, B, C, D, E, F, each at most once",
        ),
        (
            {"accused": "AB"},
            "BlackBoxes: accused is 'AB'; expected a list of some of A, B, C, D, E, F, each at most once",
        ),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TraitError) as raised:
        BlackBoxes(**settings)
    assert str(raised.value) == message


def test_settings_are_reported_and_the_twin_is_small() -> None:
    widget = BlackBoxes(box="C", probe="mask", accused=["F", "B"])
    assert widget.state() == {"box": "C", "probe": "mask", "accused": ["B", "F"], "edits": {}}
    assert len(widget.twin().encode()) - len(widget.still().encode()) < 60_000


def test_the_page_does_not_give_the_answers_away() -> None:
    html = BlackBoxes().twin()
    assert not [what for _, what in TRUTH.values() if what in html]


CHANGED = {"query": [[1, 2]], "key": [[3, 4], [5, 6]], "value": [[7], [8]], "mask": [[True, False]]}


def test_a_changed_input_is_kept_and_one_that_does_not_fit_is_refused() -> None:
    widget = BlackBoxes(edits=CHANGED)
    assert widget.edits == CHANGED
    assert type(widget.edits["query"][0][0]) is float
    assert BlackBoxes(edits=CHANGED | {"mask": None}).edits["mask"] is None
    assert BlackBoxes().edits == {}
    for wrong in (
        {"query": [[1, 2]]},
        CHANGED | {"query": [[1, 2, 3]]},
        CHANGED | {"value": [[7]]},
        CHANGED | {"key": [[3, 4], [5]]},
        CHANGED | {"query": [[float("nan"), 2]]},
        CHANGED | {"mask": [[1, 0]]},
        CHANGED | {"mask": [[True]]},
        [],
    ):
        with pytest.raises(TraitError, match=r"expected \{\}, or a dict of query, key, value and mask"):
            BlackBoxes(edits=wrong)
