"""Does every notebook ask for what the course lists, earn its solution all points and its release none?"""

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import jupytext
import pytest

from plenary.authoring.texts import BEGIN, END, cells, run, workplace
from plenary.checks import answers_of, check, exercises, judge

ROOT = Path(__file__).resolve().parents[2]
TEXTS = sorted(path.stem for path in (ROOT / "solutions").glob("*.py"))
each_text = pytest.mark.parametrize("name", TEXTS)

# What the syllabus asks for, notebook by notebook. `roundtrip` is the capstone's saving and loading.
SYLLABUS = {
    "soft_lookup": {"softmax", "soft_lookup"},
    "scaled_dot_product": {"attention_scores", "scaled_dot_product_attention", "softmax_jacobian"},
    "masking": {"causal_mask", "padding_mask", "combine_masks", "masked_softmax"},
    "attention_gradients": {"attention_backward"},
    "catch_the_bug": {"find_bug"},
    "multi_head": {"split_heads", "merge_heads", "MultiHeadAttention"},
    "position": {"sinusoidal_encoding", "rotation_matrix", "is_permutation_equivariant"},
    "encoder_block": {"LayerNorm", "FeedForward", "EncoderLayer", "Encoder"},
    "encoder_decoder": {"DecoderLayer", "shift_right", "make_masks", "sequence_loss"},
    "tiny_transformer": {"TinyTransformer", "greedy_decode", "warmup_lr"},
    "patches": {"patchify", "unpatchify", "linear_weight_from_conv", "PatchEmbedding"},
    "class_token": {"prepend_class_token", "add_positions", "interpolate_positions"},
    "vision_transformer": {"VisionTransformer", "count_parameters"},
    "training": {"parameter_groups", "warmup_cosine", "evaluate"},
    "attention_rollout": {"attention_rollout", "class_attention_map"},
    "capstone": {"build_model", "roundtrip", "capstone"},
}


@cache
def text(name: str) -> Any:
    return jupytext.read(ROOT / "solutions" / f"{name}.py", fmt="py:percent")


def asked(name: str) -> dict[str, Any]:
    return {e.name: e for e in import_module(f"plenary.exercises.{name}").EXERCISES}


def graded(name: str) -> list[tuple[str, int, float]]:
    """The name, the seed and the points of each cell that is graded automatically."""
    found = []
    for cell in text(name).cells:
        grading = cell.metadata.nbgrader
        if grading["grade"] and not grading["solution"]:
            called = re.search(r'report = check\("(\w+)", seed=(\d+)\)', cell.source)
            assert called, f"{name}: {grading['grade_id']} checks nothing"
            assert cell.source.rstrip().endswith(f"report.points({grading['points']})")
            found.append((called[1], int(called[2]), grading["points"]))
    return found


def test_every_exercise_of_the_syllabus_has_its_notebook():
    assert set(TEXTS) == set(SYLLABUS)
    for name, functions in SYLLABUS.items():
        assert functions <= set(asked(name)), name
    assert len(exercises()) == sum(len(asked(name)) for name in TEXTS) >= 45


@each_text
def test_each_function_is_introduced_written_tried_and_graded(name):
    ids = [cell.metadata.nbgrader["grade_id"] for cell in text(name).cells]
    graded_names = [function for function, _, _ in graded(name)]
    assert sorted(graded_names) == sorted(asked(name))
    for function in graded_names:
        assert f"{function}-try" in ids
        assert ids.index(f"{function}-try") < ids.index(f"{function}-points")
    shown = [cell.source for cell in text(name).cells if "By hand." in cell.source]
    assert shown, "no example that is small enough for paper"


def test_no_two_graded_cells_share_a_seed():
    seeds = [seed for name in TEXTS for _, seed, _ in graded(name)]
    assert len(seeds) == len(set(seeds))
    assert min(seeds) > 20, "the seeds that a learner's own checks and the kill matrix use are others"


@each_text
def test_a_figure_is_drawn_by_the_learners_own_function(name):
    figures = [c.source for c in text(name).cells if c.cell_type == "code" and "interact(" in c.source]
    assert figures
    own = [c.grade_id for c in cells(ROOT / "solutions" / f"{name}.py") if c.solution]
    for source in figures:
        assert "alt=" in source, "a figure needs alt text"
        assert "NotImplementedError" in source, "the figure has to wait until the function is written"
    assert any(re.search(rf"\b{function}\b", source) for function in own for source in figures)


@each_text
def test_text_keeps_to_the_voice(name):
    prose = "\n".join(cell.source for cell in text(name).cells if cell.cell_type == "markdown")
    assert not re.findall(r"\b(simply|obviously|just)\b", prose, re.IGNORECASE)
    assert not re.search("[\U0001f300-\U0001faff✅]", prose)


@each_text
def test_the_solution_earns_everything_and_the_stub_nothing(name):
    """Run in this process, with what would be trained laid out; the real notebooks run in tests/grading."""
    with workplace(name):
        parts = cells(ROOT / "solutions" / f"{name}.py")
        solved = run(parts)
        stubs = {c.grade_id: compile(stub(c.source), c.grade_id, "exec") for c in parts if c.solution}
        released = run(parts, stubs)
        for function, seed, points in graded(name):
            if function not in solved:  # defined by a cell that trains: judged where the notebooks run
                continue
            report = check(function, solved[function], seed=seed)
            assert report.points(points) == points, str(report)
            assert report.diagnosis is None
            assert report.note is None, "the solution uses what it should write"
            report = check(function, released[function], seed=seed)
            assert report.points(points) == 0, str(report)
            assert "not written yet" in report.message


def stub(source: str) -> str:
    """What nbgrader leaves of a solution."""
    kept, inside = [], False
    for line in source.splitlines():
        if line.strip() == BEGIN:
            inside = True
            kept.append(f"{line[: len(line) - len(line.lstrip())]}raise NotImplementedError()")
        elif line.strip() == END:
            inside = False
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


@pytest.mark.parametrize("name", sorted(exercises()))
def test_a_check_can_fail_in_each_of_its_parts(name):
    """Some known mistake breaks each property: none of them is there for everybody."""
    exercise = exercises()[name]
    broken: set[str] = set()
    for mistake in exercise.mistakes:
        for wrong in mistake.wrong[name]:
            report = judge(exercise, 0, answers_of(exercise, wrong, 0))
            broken |= {part.title for part in report.parts if not part.passed}
    never = [p.title for p in exercise.properties if p.title not in broken]
    assert not never, f"no known mistake breaks: {never}"
