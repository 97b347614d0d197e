"""Do the schedules start, peak and end where their formulas say?"""

import math

import pytest

from plenary.training import warmup_cosine, warmup_lr


def test_warmup_lr_peaks_at_the_end_of_the_warmup():
    assert warmup_lr(0, 512, 4000) == 0.0
    assert warmup_lr(1, 512, 4000) == pytest.approx(512**-0.5 * 4000**-1.5)
    assert warmup_lr(4000, 512, 4000) == pytest.approx((512 * 4000) ** -0.5)
    assert warmup_lr(16_000, 512, 4000) == pytest.approx((512 * 16_000) ** -0.5)
    rates = [warmup_lr(step, 7, 11) for step in range(40)]
    assert max(rates) == rates[11]


def test_warmup_cosine_at_its_corners():
    assert warmup_cosine(0, 5, 23) == 0.0
    assert warmup_cosine(3, 5, 23) == 3 / 5
    assert warmup_cosine(5, 5, 23) == 1.0
    assert warmup_cosine(14, 5, 23) == pytest.approx(0.5)
    assert warmup_cosine(11, 5, 23) == pytest.approx((1 + math.cos(math.pi / 3)) / 2)
    assert warmup_cosine(23, 5, 23) == pytest.approx(0.0)
    assert warmup_cosine(31, 5, 23) == pytest.approx(0.0)


def test_without_a_warmup_it_starts_at_the_top():
    assert warmup_cosine(0, 0, 7) == 1.0


@pytest.mark.parametrize("arguments", [(-1, 2, 7), (0, 7, 7), (0, -1, 7), (0, 0, 0)])
def test_warmup_cosine_says_what_it_expects(arguments):
    with pytest.raises(ValueError, match="expected step >= 0 and 0 <= warmup_steps < total_steps; step is"):
        warmup_cosine(*arguments)


@pytest.mark.parametrize("arguments", [(-1, 2, 7), (0, 0, 7), (0, 2, 0)])
def test_warmup_lr_says_what_it_expects(arguments):
    with pytest.raises(
        ValueError, match="expected step >= 0, embed_dim >= 1 and warmup_steps >= 1; they are"
    ):
        warmup_lr(*arguments)
