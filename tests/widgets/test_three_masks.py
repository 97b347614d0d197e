"""The three-mask board, without a browser: its settings, its masks, and what stands there without JavaScript."""

import re
from itertools import combinations

import pytest
import torch
from traitlets import TraitError

from plenary import make_masks, shift_right
from plenary.widgets import ThreeMasks
from plenary.widgets.three_masks import BOARDS, CELLS, MISTAKES, PAIRS, WORDS, S, T, masks, tally, tokens

FUTURE, CROSS, PADDING = MISTAKES
SUBSETS = [list(some) for size in range(4) for some in combinations(MISTAKES, size)]


def test_settings_and_state() -> None:
    widget = ThreeMasks(pair=1, mistakes=[PADDING, FUTURE], cell="target 5 0")
    assert widget.state() == {"pair": 1, "mistakes": [FUTURE, PADDING], "cell": "target 5 0"}
    assert ThreeMasks().cell == "memory 1 1"
    assert len(CELLS) == S * S + T * T + T * S


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pair": 2}, "ThreeMasks: pair is 2; expected 0 or 1"),
        ({"pair": True}, "ThreeMasks: pair is True; expected 0 or 1"),
        (
            {"cell": "source 0 4"},
            "cell is 'source 0 4'; expected a board, a row and a column, like 'target 2 3'",
        ),
        ({"mistakes": ["no mask"]}, "expected a list of some of no causal mask, causal in the"),
        ({"mistakes": [PADDING, PADDING]}, "each at most once"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings: dict, message: str) -> None:
    with pytest.raises(TraitError, match=re.escape(message)):
        ThreeMasks(**settings)


def test_the_sentences_make_a_batch_with_padding_on_either_side() -> None:
    source, target = tokens()
    assert source.shape == (2, S)
    assert target.shape == (2, T)
    reads = shift_right(target, WORDS.index("BOS"))
    assert [[WORDS[i] for i in row] for row in reads.tolist()] == [list(pair.reads) for pair in PAIRS]
    assert [int((row == 0).sum()) for row in source] == [0, 1]
    # Two paddings are written in the first sentence; the shift has pushed one of them out of what is read.
    assert [int((row == 0).sum()) for row in target] == [2, 0]
    assert [int((row == 0).sum()) for row in reads] == [1, 0]


@pytest.mark.parametrize("pair", [0, 1])
@pytest.mark.parametrize("mistakes", SUBSETS, ids=", ".join)
def test_masks_are_those_of_the_course_or_wrong_as_they_say(pair: int, mistakes: list[str]) -> None:
    source, target = tokens()
    reads = shift_right(target, WORDS.index("BOS"))
    of_source, of_target, of_memory = (mask[pair, 0] for mask in make_masks(source, reads, 0))
    expected = {"source": of_source.expand(S, S), "target": of_target, "memory": of_memory.expand(T, S)}
    real_source, real_target = (ids[pair] != 0 for ids in (source, reads))
    if PADDING in mistakes:
        real_source, real_target = torch.ones_like(real_source), torch.ones_like(real_target)
    triangle = torch.ones(T, T, dtype=torch.bool).tril()
    wrong = {
        "source": real_source.expand(S, S),
        "target": real_target.expand(T, T) if FUTURE in mistakes else real_target & triangle,
        "memory": real_source & triangle[:, :S] if CROSS in mistakes else real_source.expand(T, S),
    }
    made, counts = masks(pair, mistakes), tally(pair, mistakes)
    for board in BOARDS:
        assert torch.equal(made[board], wrong[board]), board
        if not mistakes:
            assert torch.equal(made[board], expected[board])
        assert counts[board].open == int(made[board].sum())
        assert counts[board].wrongly_open == int((made[board] > expected[board]).sum())
        assert counts[board].wrongly_shut == int((made[board] < expected[board]).sum())
    words = int((target[pair, :-1] != 0).sum())
    assert counts["target"].answers == (words if FUTURE in mistakes else 0)


def test_still_picture_has_words_and_a_table() -> None:
    still = ThreeMasks(pair=1, mistakes=[PADDING]).still()
    alt = re.search(r'aria-label="([^"]*)"', still)
    assert alt
    assert "target hears source: 24 of 24 cells open. 10 cells are wrong." in alt[1]
    assert "needs JavaScript" in still
    assert "Mistakes made: padding forgotten." in still
    assert still.count("<tr>") == 1 + S + T + T
    assert "<td>er, schwimmt, gern, pad</td>" in still


def test_twin_is_small() -> None:
    widget = ThreeMasks()
    assert len(widget.twin().encode()) - len(widget.still().encode()) < 60_000
