"""What the settings of widgets take, what they keep of it, and what they say to everything else."""

from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from traitlets import TraitError

from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Asset, Choice, Grid, Number, Numbers, Picks, Text

FOLDER = Path(__file__).parents[2] / "src" / "plenary" / "widgets"


class Example(PlenaryWidget):
    module = "scaling.mjs"
    weights = Asset("shared.css")
    way = Choice(("before", "after"), default="before", expected="before or after")
    share = Number(0, 2, default=1)
    place = Numbers((2,), -3, 3, default=[0, 1])
    mask = Grid(2, 3, default=[[True, False, True], [False, False, True]])
    words = Text("a room", longest=10)
    boxes = Picks("ABC", default=["B"])


DEFAULTS = {
    "way": "before",
    "share": 1.0,
    "place": [0.0, 1.0],
    "mask": [[True, False, True], [False, False, True]],
    "words": "a room",
    "boxes": ["B"],
}


def test_starts_from_the_defaults_each_its_own():
    first, second = Example(), Example()
    assert first.state() == second.state() == DEFAULTS
    assert list(DEFAULTS) == Example.settings()


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("way", "after", "after"),
        ("share", 2, 2.0),
        ("share", np.float64(0.5), 0.5),
        ("place", (-3, 3), [-3.0, 3.0]),
        ("mask", ((False,) * 3,) * 2, [[False] * 3] * 2),
        ("words", "", ""),
        ("boxes", ["C", "A"], ["A", "C"]),
        ("boxes", [], []),
    ],
)
def test_keeps_plain_python(name: str, value: Any, kept: Any):
    widget = Example(**{name: value})
    found = getattr(widget, name)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("way", "sideways", "before or after"),
        ("way", 0, "before or after"),
        ("share", 2.1, "a number from 0 to 2"),
        ("share", True, "a number from 0 to 2"),
        ("share", float("nan"), "a number from 0 to 2"),
        ("share", "1", "a number from 0 to 2"),
        ("place", [0], "2 numbers from -3 to 3, in lists"),
        ("place", [0, 4], "2 numbers from -3 to 3, in lists"),
        ("place", None, "2 numbers from -3 to 3, in lists"),
        ("mask", [[True] * 3], "2 lists of 3 values, each True or False"),
        ("mask", [[1, 0, 1], [0, 0, 1]], "2 lists of 3 values, each True or False"),
        ("words", "a crowded room", "a text of at most 10 characters"),
        ("words", 3, "a text of at most 10 characters"),
        ("boxes", ["D"], "a list of some of A, B, C, each at most once"),
        ("boxes", ["A", "A"], "a list of some of A, B, C, each at most once"),
        ("boxes", "A", "a list of some of A, B, C, each at most once"),
        ("weights", "bm90aGluZw==", "nothing: it is the file shared.css, and stays so"),
    ],
)
def test_refuses_and_says_what_it_expects(name: str, value: Any, expected: str):
    with pytest.raises(TraitError) as raised:
        Example(**{name: value})
    assert str(raised.value) == f"Example: {name} is {value!r}; expected {expected}"
    widget = Example()
    with pytest.raises(TraitError):
        widget.set_trait(name, value)
    assert widget.state() == DEFAULTS


def test_an_asset_is_the_file_and_reaches_the_page_but_not_the_settings():
    widget = Example()
    assert b64decode(widget.weights) == (FOLDER / "shared.css").read_bytes()
    assert "weights" not in widget.state()
    assert f'"weights": "{widget.weights}"' in widget.twin()
    assert "weights" not in repr(widget)
