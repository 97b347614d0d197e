"""Is every known mistake caught and named, does every right answer pass, and do the links lead somewhere?"""

import re
from pathlib import Path

import pytest

from plenary.checks import exercises
from plenary.checks.matrix import kill_matrix

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = sorted(exercises())
MISCONCEPTIONS = {(name, m.id): m for name in EXERCISES for m in exercises()[name].mistakes}


@pytest.mark.parametrize("seed", [0, 101, 102, 103])
def test_every_mistake_is_named_and_every_right_answer_passes(seed):
    rows = list(kill_matrix([seed]))
    assert len(rows) > 60
    missed = [f"{row.exercise}: {row.candidate} -> {row.outcome}" for row in rows if not row.right]
    assert not missed, "\n".join(missed)


def test_the_matrix_can_fail(monkeypatch):
    """A mistake that is none, and a right answer that is wrong, both show."""
    from dataclasses import replace

    from plenary.checks import matrix

    exercise = exercises()["attention_scores"]
    right, wrong = exercise.correct[0], exercise.mistakes[0].wrong["attention_scores"][0]
    harmless = replace(exercise.mistakes[1], wrong={"attention_scores": (right,)})
    broken = replace(exercise, correct=(wrong,), misconceptions=(exercise.mistakes[0], harmless))
    monkeypatch.setattr(matrix, "exercises", lambda: {"attention_scores": broken})
    assert [row.right for row in kill_matrix([0])] == [False, True, False]


@pytest.mark.parametrize("name", EXERCISES)
def test_there_is_enough_of_everything(name):
    exercise = exercises()[name]
    assert len(exercise.correct) >= 4
    assert len(exercise.mistakes) >= (10 if name == "scaled_dot_product_attention" else 5)


@pytest.mark.parametrize(
    "named",
    [
        ("attention_scores", {"no-scaling", "divides-by-d_k", "root-of-length", "scores-from-queries"}),
        (
            "scaled_dot_product_attention",
            {
                "no-scaling",
                "divides-by-d_k",
                "root-of-length",
                "scale-after-softmax",
                "softmax-over-queries",
                "scores-from-queries",
                "keys-as-values",
                "mask-after-softmax",
                "mask-inverted",
                "mask-filled-with-zero",
            },
        ),
        ("softmax_jacobian", {"diagonal-only"}),
    ],
)
def test_the_mistakes_of_the_syllabus_are_there(named):
    name, ids = named
    assert ids <= {m.id for m in exercises()[name].mistakes}


@pytest.mark.parametrize(("name", "mistake"), MISCONCEPTIONS)
def test_a_misconception_is_complete_and_its_paragraph_exists(name, mistake):
    m = MISCONCEPTIONS[name, mistake]
    assert re.fullmatch(r"[a-z0-9_-]+", m.id)
    for text in (m.title, m.belief, m.hint, m.section):
        assert text.strip() == text != ""
        assert not re.search(r"\b(simply|obviously|just|incorrect|please)\b", text, re.IGNORECASE), text
    assert m.title.endswith(".")
    assert m.evidence is None or m.evidence.startswith("https://")
    page = (ROOT / "book" / f"{exercises()[name].page}.md").read_text()
    assert f"({m.anchor})=" in page


def test_an_id_means_one_belief_in_the_whole_course():
    by_id = {}
    for m in MISCONCEPTIONS.values():
        assert by_id.setdefault(m.id, m) is m


@pytest.mark.parametrize("name", EXERCISES)
def test_probe_sizes_tell_axes_apart(name):
    """On some probe all sizes of the arguments differ, and some probe is square, float32, and without a batch."""
    probes = exercises()[name].probes(0)
    kinds = {array.dtype.name for probe in probes for array in probe.arguments.values()}
    assert {"float32", "float64"} <= kinds
    assert any(len(set(size := next(iter(p.arguments.values())).shape)) == len(size) > 2 for p in probes)
    assert len({p.name for p in probes}) == len(probes)


def test_some_probe_overflows_a_naive_exponential():
    probes = {p.name: p for p in exercises()["scaled_dot_product_attention"].probes(0)}
    for name, dtype, limit in (("scores of 300", "float32", 88.8), ("scores of 1000", "float64", 709.8)):
        arguments = probes[name].arguments
        assert arguments["query"].dtype == dtype
        scores = arguments["query"] @ arguments["key"].swapaxes(-1, -2) / arguments["query"].shape[-1] ** 0.5
        assert scores.max() > limit


def test_some_probe_lets_a_weak_mask_win():
    for seed in range(20):
        probes = {p.name: p for p in exercises()["scaled_dot_product_attention"].probes(seed)}
        arguments = probes["scores below -500"].arguments
        assert (arguments["query"] @ arguments["key"].swapaxes(-1, -2) / 2).max() < -500


def test_masks_are_neither_causal_nor_symmetric():
    for probe in exercises()["scaled_dot_product_attention"].probes(3):
        mask = probe.arguments.get("mask")
        if mask is not None and mask.shape[-1] == mask.shape[-2]:
            assert (mask != mask.swapaxes(-1, -2)).any()
            assert mask[..., 0, -1].any() or mask[..., 0, 1:].any()
