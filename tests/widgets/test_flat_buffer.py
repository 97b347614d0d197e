"""The row of memory, without a browser: its settings, its steps, and what stands there without JavaScript."""

import re

import pytest
import torch
from bs4 import BeautifulSoup
from traitlets import TraitError

from plenary import split_heads
from plenary.widgets.flat_buffer import CELLS, WIDTH, WORDS, FlatBuffer, held, walk

HEADS = (2, 3)


def test_settings_and_state() -> None:
    widget = FlatBuffer(heads=3, straight=True, step="view", cell=0)
    assert widget.state() == {"heads": 3, "straight": True, "step": "view", "cell": 0}
    assert FlatBuffer().state() == {"heads": 2, "straight": False, "step": "start", "cell": 8}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": 4}, "FlatBuffer: heads is 4; expected 2 or 3"),
        ({"straight": 1}, "FlatBuffer: straight is 1; expected True or False"),
        ({"step": "merge"}, "FlatBuffer: step is 'merge'; expected start, view, transpose or contiguous"),
        ({"cell": 24}, "FlatBuffer: cell is 24; expected an address from 0 to 23"),
        ({"cell": True}, "FlatBuffer: cell is True; expected an address from 0 to 23"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings: dict, message: str) -> None:
    with pytest.raises(TraitError, match=f"^{re.escape(message)}$"):
        FlatBuffer(**settings)


@pytest.mark.parametrize("heads", HEADS)
def test_steps_are_what_their_code_says(heads: int) -> None:
    x = torch.arange(CELLS).view(1, len(WORDS), WIDTH)
    for straight in (False, True):
        steps = walk(heads, straight)
        assert len(steps) == (2 if straight else 4)
        tensor = x
        for one in steps[1:]:
            # The code as it stands on the page, run on the tensor before it.
            code = one.code if one.code.startswith("x") else f"x{one.code}"
            tensor = eval(code, {"x": tensor})
            assert torch.equal(tensor, one.tensor)
            assert (tuple(tensor.shape), tensor.stride()) == (one.shape, one.strides)
            assert one.memory == tensor.as_strided((CELLS,), (1,), 0).tolist()
        moved = [one.memory != list(range(CELLS)) for one in steps]
        assert moved == ([False] * 2 if straight else [False, False, False, True])


@pytest.mark.parametrize("heads", HEADS)
def test_the_right_way_is_the_course_s_and_the_other_is_not(heads: int) -> None:
    right = split_heads(torch.arange(float(CELLS)).view(1, len(WORDS), WIDTH), heads).long()
    assert torch.equal(walk(heads, straight=False)[-1].tensor, right)
    assert not torch.equal(walk(heads, straight=True)[-1].tensor, right)
    d = WIDTH // heads
    assert held(heads, straight=False) == [[list(range(d * h, d * h + d))] * len(WORDS) for h in range(heads)]
    for h, parts in enumerate(held(heads, straight=True)):
        addresses = [WIDTH * word + feature for word, some in enumerate(parts) for feature in some]
        assert addresses == list(range(CELLS // heads * h, CELLS // heads * (h + 1)))


@pytest.mark.parametrize("heads", HEADS)
def test_still_picture_has_words_and_a_table(heads: int) -> None:
    still = BeautifulSoup(FlatBuffer(heads=heads).still(), "html.parser")
    said = str(still.select_one("[role=img]")["aria-label"])  # type: ignore[index]
    assert f"head 0 holds features 0 to {WIDTH // heads - 1} of all 4 words" in said
    assert (
        f"the first {CELLS // heads} cells: all 6 features of we{' and met' if heads == 2 else ''}," in said
    )
    rows = [[cell.get_text() for cell in row.select("th, td")] for row in still.select("tbody tr")]
    assert [row[0] for row in rows] == list(WORDS)
    last = f"{WIDTH - WIDTH // heads} to 5"
    assert rows[0][1] == f"0 to {WIDTH // heads - 1}"
    assert rows[3][heads] == last
    assert rows[0][1 + heads :] == ["0 to 5", *["none"] * (heads - 1)]


def test_twin_is_small() -> None:
    widget = FlatBuffer()
    assert len(widget.twin().encode()) - len(widget.still().encode()) < 60_000
