"""The mask to paint, without a browser: its settings, its numbers, and what stands there without JavaScript."""

import re
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from traitlets import TraitError

from plenary import causal_mask, masked_softmax, padding_mask
from plenary.widgets.paint_mask import (
    BOTH,
    CAUSAL,
    EVERYTHING,
    NOTHING,
    PADDING,
    WORDS,
    PaintMask,
    moved,
    scores,
    weigh,
)

EMPTY_ROW = [
    [True] * 5,
    [False] * 5,
    [True, False, False, True, True],
    [False, True] * 2 + [False],
    [True] * 5,
]


def test_settings_and_state() -> None:
    widget = PaintMask(mask=CAUSAL, changed="sea", way="fill", fill=-10)
    assert widget.state() == {
        "mask": [list(row) for row in CAUSAL],
        "changed": "sea",
        "way": "fill",
        "fill": -10,
    }
    assert PaintMask().mask == [list(row) for row in BOTH]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask": [[True] * 4] * 5}, "expected 5 lists of 5 values, each True or False"),
        ({"mask": [[1] * 5] * 5}, "expected 5 lists of 5 values, each True or False"),
        ({"changed": "dog"}, "PaintMask: changed is 'dog'; expected nothing or one of we, met, at, sea, pad"),
        ({"way": "during"}, "PaintMask: way is 'during'; expected before, after or fill"),
        ({"fill": -5}, "PaintMask: fill is -5; expected 0 or -10"),
        ({"fill": False}, "PaintMask: fill is False; expected 0 or -10"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings: dict, message: str) -> None:
    with pytest.raises(TraitError, match=re.escape(message)):
        PaintMask(**settings)


def test_presets_are_the_masks_of_the_course() -> None:
    assert torch.equal(torch.tensor(CAUSAL), causal_mask(5))
    assert torch.equal(torch.tensor(PADDING), padding_mask(torch.tensor([4]), 5).expand(5, 5))
    assert torch.equal(torch.tensor(BOTH), torch.tensor(CAUSAL) & torch.tensor(PADDING))
    assert torch.tensor(EVERYTHING).all()
    assert not torch.tensor(NOTHING).any()


@pytest.mark.parametrize("mask", [EVERYTHING, NOTHING, CAUSAL, BOTH, EMPTY_ROW])
def test_numbers_are_those_of_torch(mask: list) -> None:
    for changed in ("nothing", "sea"):
        numbers, value = scores(changed)
        may = torch.tensor(mask)
        before, after, fill = (weigh(mask, way, -10, changed) for way in ("before", "after", "fill"))
        # Torch's own attention, with these scores as the mask that it adds to scores of zero.
        added = numbers.masked_fill(~may, -torch.inf)[None]
        zeros, identity = torch.zeros(1, 5, 1).double(), torch.eye(5).double()[None]
        expected = F.scaled_dot_product_attention(zeros, zeros, identity, attn_mask=added)[0]
        expected = expected.masked_fill(~may.any(-1, keepdim=True), 0.0)
        assert torch.allclose(before.weights, expected, atol=1e-12)
        assert torch.allclose(before.weights, masked_softmax(numbers, may), atol=1e-12)
        assert torch.equal(after.weights, numbers.softmax(-1) * may)
        assert torch.equal(fill.weights, torch.where(may, numbers, -10.0).softmax(-1))
        assert torch.allclose(before.sums, may.any(-1).double(), atol=1e-12)
        assert torch.allclose(fill.sums, torch.ones(5).double(), atol=1e-12)
        assert torch.allclose(after.outputs, after.weights @ value, atol=1e-12)


def test_with_minus_infinity_only_those_who_may_hear_a_word_notice_it() -> None:
    for mask, word in product((CAUSAL, PADDING, BOTH, EMPTY_ROW, NOTHING), WORDS):
        may = [listener for listener, row in zip(WORDS, mask, strict=True) if row[WORDS.index(word)]]
        assert moved(mask, "before", 0, word) == may
    # The two other ways let words through that nobody may hear: this is what the figure is for.
    assert moved(CAUSAL, "after", 0, "sea") == list(WORDS)
    assert moved(CAUSAL, "fill", 0, "sea") == list(WORDS)
    assert moved(CAUSAL, "fill", -10, "sea") == list(WORDS)


def test_still_picture_has_words_and_a_table() -> None:
    still = PaintMask(mask=CAUSAL).still()
    lowest = weigh(CAUSAL, "after").sums.min()
    assert re.search(r'aria-label="10 of 25 pairs are forbidden\. .*as little as ' + f"{lowest:.2f}", still)
    assert "needs JavaScript" in still
    cells = re.findall(r"<td>([\d.]+)</td>", still)
    expected = [weigh(CAUSAL, way) for way in ("before", "after", "fill")]
    assert cells == [
        text for t in range(5) for one in expected for text in (f"{one.sums[t]:.2f}", f"{one.outputs[t]:.1f}")
    ]


def test_twin_is_small() -> None:
    widget = PaintMask()
    assert len(widget.twin().encode()) - len(widget.still().encode()) < 60_000
