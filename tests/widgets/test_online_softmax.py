"""The blocks of *One block at a time* in Python, against softmax attention."""

import pytest
import torch

from plenary.widgets.online_softmax import KEYS, ROWS, OnlineSoftmax, attention, read


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("block", [1, 2, 4, 8])
def test_every_block_ends_at_attention_over_what_was_read(row: str, block: int) -> None:
    scores = torch.tensor(ROWS[row], dtype=torch.float64)
    found = read(scores, block)
    assert len(found) == KEYS // block
    for end, kept in zip(range(block, KEYS + 1, block), found, strict=True):
        part = torch.full_like(scores, -torch.inf)
        part[:end] = scores[:end]
        assert kept.output == pytest.approx(attention(part), abs=1e-12)
        assert kept.largest == scores[:end].max()


def test_the_mistakes_are_mistakes() -> None:
    last, first, high = (
        torch.tensor(ROWS[name], dtype=torch.float64)
        for name in ("the largest comes last", "the largest comes first", "around ninety")
    )
    assert abs(read(last, 2, "not rescaled")[-1].output[0] - attention(last)[0]) > 0.1
    # Where the maximum never grows there is nothing to rescale.
    assert read(first, 2, "not rescaled")[-1].output == pytest.approx(attention(first))
    assert read(last.float(), 2, "no maximum")[-1].output == pytest.approx(attention(last), abs=1e-5)
    assert all(part != part for part in read(high.float(), 2, "no maximum")[-1].output)


def test_the_still_says_what_is_kept_and_wrong_settings_are_named() -> None:
    still = OnlineSoftmax(block=4).still()
    assert "<table" in still
    assert "read 4 at a time. The largest so far is 1, 4 after the blocks" in still
    for settings in ({"block": 3}, {"scores": [0.0] * 7}, {"mistake": "all"}, {"read": 9}):
        with pytest.raises(Exception, match=next(iter(settings))):
            OnlineSoftmax(**settings)
