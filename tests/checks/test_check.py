"""Does a check tell right from wrong, whatever it is handed, and say so in words a learner can use?"""

import asyncio
import math
import re
import threading
import time

import numpy as np
import pytest
import torch

from plenary.checks import Answers, ask, check, find, judge
from plenary.exercises.scaled_dot_product.build import attention, right_scores


def scores(query, key):
    return query @ key.mT / math.sqrt(query.shape[-1])


def unscaled(query, key):
    return query @ key.mT


def changes_its_input(query, key):
    query /= math.sqrt(query.shape[-1])
    return query @ key.mT


def never_returns(query, key):
    while True:
        pass


def swallows_one_alarm(query, key):
    try:
        never_returns(query, key)
    except BaseException:
        never_returns(query, key)


def unwritten(query, key):
    raise NotImplementedError


def exits(query, key):
    raise SystemExit("bye")


def cancels(query, key):
    raise asyncio.CancelledError


def breaks_down(query, key):
    return query @ key.transpose(0, 5)


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (None, "There is nothing to call: .* got None"),
        (3, "There is nothing to call: .* got int"),
        (unwritten, "not written yet"),
        (breaks_down, r"raised IndexError: .* \(line \d+: return query @ key.transpose\(0, 5\)\)"),
        (exits, "raised SystemExit: bye"),
        (cancels, "raised CancelledError"),
        (lambda query: query, "raised TypeError: .* takes 1 positional argument but 2 were given"),
        (lambda query, key: None, "returned None; expected a torch.Tensor"),
        (lambda query, key: scores(query, key).tolist(), "a value of type list; expected a torch.Tensor"),
        (lambda query, key: scores(query, key).detach().numpy(), "numpy.ndarray; expected a torch.Tensor"),
        (lambda query, key: (query, key), "a tuple of 2; expected a torch.Tensor"),
        (lambda query, key: scores(query, key) * math.nan, r"scores\[0, 0\] is nan, expected 1.000"),
        (lambda query, key: query, r"scores has shape \(3, 4\), expected \(3, 3\)"),
        (lambda query, key: torch.zeros(2000, 2000), "with 4,000,000 numbers"),
        (lambda query, key: scores(query, key).detach(), "no gradient can flow through"),
        (lambda query, key: scores(query, key).double(), "in float32 it returned scores in float64"),
        (changes_its_input, "it changed query in place"),
    ],
)
def test_nonsense_gets_its_own_message(candidate, said):
    report = check("attention_scores", candidate)
    assert not report.passed
    assert report.score < 1
    assert report.diagnosis is None
    assert re.search(said, report.message), report.message


def test_a_mask_that_is_turned_round_in_place_is_noticed():
    def turns_the_mask(query, key, value, mask=None):
        result = attention()(query, key, value, mask)
        if mask is not None:
            mask.logical_not_()
        return result

    report = check("scaled_dot_product_attention", turns_the_mask)
    assert report.message.startswith("The numbers are right, but it changed mask in place")


@pytest.mark.parametrize("candidate", [never_returns, swallows_one_alarm])
def test_a_hang_ends_in_a_report(candidate):
    started = time.monotonic()
    report = check("attention_scores", candidate, seconds=0.5)
    assert "did not return within 0.5 s" in report.message
    assert report.score == 0
    assert time.monotonic() - started < 30


def test_a_hang_off_the_main_thread_ends_too():
    reports = []
    thread = threading.Thread(
        target=lambda: reports.append(check("attention_scores", never_returns, seconds=0.5))
    )
    thread.start()
    thread.join(timeout=60)
    assert "did not return within 0.5 s" in reports[0].message


def test_a_key_press_still_stops_the_notebook():
    def interrupted(query, key):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("attention_scores", interrupted)


def test_the_right_answer_passes_at_any_seed():
    for seed in range(5):
        report = check("attention_scores", scores, seed)
        assert report.passed
        assert report.score == 1.0
        assert report.diagnosis is None


def test_nothing_reaches_stdout_or_stderr(capfd):
    def talks(query, key):
        import sys
        import warnings

        print("hello", "x" * 10_000)
        print("trouble", file=sys.stderr)
        warnings.warn("careful", stacklevel=1)
        return unscaled(query, key)

    report = check("attention_scores", talks)
    assert capfd.readouterr() == ("", "")
    assert report.printed.startswith("hello xxx")
    assert len(report.printed) <= 400
    assert report.diagnosis == "no-scaling"


def test_random_numbers_go_on_as_if_there_had_been_no_check():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)

    def draws(query, key):
        torch.manual_seed(0)
        return scores(query, key) + 0 * torch.rand(1)

    assert check("attention_scores", draws).passed
    assert torch.equal(torch.rand(2), expected)


def test_a_diagnosis_names_belief_numbers_and_way_out(monkeypatch):
    monkeypatch.setenv("PLENARY_BOOK_URL", "https://example.org/course/")
    report = check("attention_scores", unscaled)
    assert report.diagnosis == "no-scaling"
    assert "not divided by the root of d_k" in report.message
    assert report.example is not None
    assert report.link is not None
    assert report.example.given is not None
    assert report.example.given.shape == (3, 3)
    np.testing.assert_allclose(report.example.given, 2 * report.example.expected)
    assert report.example.remark == "Each of your numbers is 2 times the expected one."
    expected = "https://example.org/course/book/attention/scaled_dot_product.html#sdp-root"
    assert report.link.address == expected
    text = str(report)
    assert "your scores" in text
    assert expected in text


def test_an_unknown_mistake_fails_with_the_property_it_breaks():
    squared = attention(weigh=lambda scores, mask: scores.softmax(-1) ** 2)
    report = check("scaled_dot_product_attention", squared)
    assert report.diagnosis is None
    assert "of the weights sums to 0." in report.message
    leaky = attention(
        weigh=lambda scores, mask: (scores if mask is None else scores * 0.9 + 0.1 * mask).softmax(-1)
    )
    report = check("scaled_dot_product_attention", leaky)
    assert report.diagnosis is None
    assert "is forbidden to query" in report.message


def test_two_mistakes_are_both_seen():
    twice = attention(
        score=unscaled,
        weigh=lambda scores, mask: (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(
            -1
        ),
    )
    report = check("scaled_dot_product_attention", twice)
    assert report.diagnosis == "no-scaling"
    assert "Also: a query that may attend to nothing gets NaN" in report.message


def test_a_rare_mistake_comes_before_a_common_one_that_shows_later():
    """d_k / 2 agrees with the root where d_k = 4; the NaN on an empty row must not take its place."""
    both = attention(
        score=lambda query, key: query @ key.mT / (query.shape[-1] ** 1 / 2),
        weigh=lambda scores, mask: (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(
            -1
        ),
    )
    report = check("scaled_dot_product_attention", both)
    assert report.diagnosis == "half-instead-of-root"
    assert "Also: a query that may attend to nothing gets NaN" in report.message


def test_what_is_right_but_unwise_passes_with_a_remark():
    def additive(scores, mask):
        bias = 0 if mask is None else mask.to(scores.dtype).log()
        return (scores + bias).softmax(-1).nan_to_num(0.0)

    report = check("scaled_dot_product_attention", attention(weigh=additive))
    assert report.passed
    assert report.score == 1.0
    assert report.diagnosis is None
    assert report.message.startswith("Right in all that is asked.")
    assert "an empty row makes the gradient NaN" in report.message


def test_partly_right_earns_its_part():
    no_mask = attention(weigh=lambda scores, mask: scores.softmax(-1))
    report = check("scaled_dot_product_attention", no_mask)
    assert report.diagnosis == "mask-ignored"
    passed = {part.title for part in report.parts if part.passed}
    assert {"weights without a mask", "output without a mask"} <= passed
    assert 0.3 < report.score < 0.7
    assert report.points(5) == pytest.approx(5 * report.score, abs=0.01)


@pytest.mark.parametrize("out_of", [1, 3, 5, 7.5])
def test_points_are_plain_floats_within_range(out_of):
    for candidate in (scores, unscaled, changes_its_input):
        points = check("attention_scores", candidate).points(out_of)
        assert type(points) is float
        assert 0.0 <= points <= out_of
        assert float(repr(points)) <= out_of


def test_the_judge_needs_only_plain_arrays():
    exercise = find("scaled_dot_product_attention")
    for candidate in (attention(score=unscaled), attention(), unwritten):
        answers = ask(candidate, exercise.probes(7), exercise.form)
        sent = Answers.from_bytes(answers.to_bytes())
        assert str(judge(exercise, 7, sent)) == str(judge(exercise, 7, answers))
        assert judge(exercise, 7, sent).score == judge(exercise, 7, answers).score


def test_bytes_that_are_no_answers_are_refused():
    import pickle

    for data in (b"", b"nonsense", pickle.dumps({"probes": {}}), Answers({}).to_bytes()[:-30]):
        with pytest.raises(ValueError, match="not packed answers"):
            Answers.from_bytes(data)


def test_missing_answers_are_wrong_answers():
    exercise = find("attention_scores")
    assert judge(exercise, 0, Answers({})).score == 0
    all_but_one = ask(right_scores, exercise.probes(0), exercise.form)
    del all_but_one.by_probe["wide"]
    assert not judge(exercise, 0, all_but_one).passed


def test_a_name_that_is_not_there_suggests_one_that_is():
    with pytest.raises(LookupError, match="did you mean 'attention_scores'"):
        check("attention_score", scores)


def test_html_shows_what_text_shows_and_escapes_it():
    def attacks(query, key):
        print("<script>alert(1)</script>")
        raise ValueError("<img src=x onerror=alert(1)>")

    page = check("attention_scores", attacks)._repr_html_()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;img" in page
    assert "your scores" in check("attention_scores", unscaled)._repr_html_()


def test_a_layer_may_stand_under_a_second_name():
    """An nn.Sequential of the named layers is a way of writing the forward pass, not another model."""
    from torch import nn

    class FeedForward(nn.Module):
        def __init__(self, embed_dim, hidden_dim, dropout=0.0):
            super().__init__()
            self.linear1 = nn.Linear(embed_dim, hidden_dim)
            self.linear2 = nn.Linear(hidden_dim, embed_dim)
            self.net = nn.Sequential(self.linear1, nn.GELU(), nn.Dropout(dropout), self.linear2)

        def forward(self, x):
            return self.net(x)

    assert check("FeedForward", FeedForward).passed


def test_a_layer_without_a_size_is_refused_with_a_message():
    from torch import nn

    class FeedForward(nn.Module):
        def __init__(self, embed_dim, hidden_dim, dropout=0.0):
            super().__init__()
            self.linear1 = nn.LazyLinear(hidden_dim)
            self.linear2 = nn.Linear(hidden_dim, embed_dim)

        def forward(self, x):
            return self.linear2(nn.functional.gelu(self.linear1(x)))

    assert "without a size until it is called" in check("FeedForward", FeedForward).message
