"""Is every known mistake caught and named, does every right answer pass, and do the links lead somewhere?"""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from plenary.checks import exercises
from plenary.checks.matrix import kill_matrix, rows_of

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = sorted(exercises())
TEN = {
    "scaled_dot_product_attention",
    "MultiHeadAttention",
    "EncoderLayer",
    "patchify",
    "VisionTransformer",
}
MISCONCEPTIONS = {(name, m.id): m for name in EXERCISES for m in exercises()[name].mistakes}


def graded_seeds(text: Path) -> list[tuple[str, int]]:
    """The name and the seed of every graded cell of a text."""
    found = re.findall(r'report = check\("(\w+)", seed=(\d+)\)', text.read_text())
    return [(name, int(seed)) for name, seed in found]


def graded_names(text: Path) -> list[str]:
    return [name for name, _ in graded_seeds(text)]


SEEDS = range(20)


@pytest.fixture(scope="module")
def rows():
    return list(kill_matrix(SEEDS, jobs=2))


@pytest.mark.timeout(1200)
def test_every_mistake_is_named_and_every_right_answer_passes_at_every_seed(rows):
    """A hundred per cent: no variant fails, no mistake passes, and no diagnosis changes with the random numbers."""
    assert len(rows) > 800 * len(SEEDS)
    missed = [
        f"{row.exercise}: {row.candidate} at {row.seed} -> {row.outcome}" for row in rows if not row.right
    ]
    assert not missed, "\n".join(missed)


@pytest.mark.parametrize(
    "name", sorted({n for t in (ROOT / "solutions").glob("*.py") for n in graded_names(t)})
)
def test_the_graded_seeds_too(name):
    """Grading uses seeds that no learner has seen; the matrix holds at those as well."""
    seeds = [
        seed for text in (ROOT / "solutions").glob("*.py") for n, seed in graded_seeds(text) if n == name
    ]
    assert seeds
    missed = [
        f"{row.candidate} at {row.seed} -> {row.outcome}" for row in rows_of(name, seeds) if not row.right
    ]
    assert not missed, "\n".join(missed)


def test_the_matrix_can_fail(monkeypatch):
    """A mistake that is none, and a right answer that is wrong, both show."""
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
    assert len(exercise.correct) >= 3
    assert len(exercise.mistakes) >= (10 if name in TEN else 5)


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


def arrays_of(name: str) -> list:
    return [array for probe in exercises()[name].probes(0) for array in probe.arrays]


WITH_REALS = [name for name in EXERCISES if any(a.dtype.kind == "f" for a in arrays_of(name))]


def test_most_functions_take_real_numbers():
    """The others take whole numbers, masks, or something that is made for them."""
    assert len(WITH_REALS) >= 28, set(EXERCISES) - set(WITH_REALS)


@pytest.mark.parametrize("name", EXERCISES)
def test_every_probe_has_a_name_of_its_own(name):
    probes = exercises()[name].probes(0)
    assert len({p.name for p in probes}) == len(probes)
    assert {n for wanted in exercises()[name].properties for n in wanted.probes} <= {p.name for p in probes}


# A kernel's sides, a rollout's tables of tokens by tokens, and pictures that have to be square.
SQUARE_BY_NATURE = {
    "linear_weight_from_conv",
    "attention_rollout",
    "class_attention_map",
    "roundtrip",
    "capstone",
}


@pytest.mark.parametrize("name", WITH_REALS)
def test_probe_sizes_tell_axes_apart(name):
    """On some probe all sizes of an array differ, and there are both float32 and float64."""
    arrays = arrays_of(name)
    if not exercises()[name].derive:  # what is derived does not depend on the precision
        assert {"float32", "float64"} <= {a.dtype.name for a in arrays}
    assert any(len(set(a.shape)) == a.ndim > 1 for a in arrays) or name in SQUARE_BY_NATURE


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
