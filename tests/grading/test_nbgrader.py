"""Does the whole way of a grade work with nbgrader's own commands, from release to feedback and export?"""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

# Five notebooks are run, and each imports torch: that is minutes where the machine is busy.
pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).resolve().parents[2]
NAME = "scaled_dot_product"
BIN = Path(sys.executable).parent
ATTACK = """
from IPython.display import HTML
display(HTML("<script>the-script-of-a-student()</script>"))
"""
STUDENTS = {
    # What a student wrote instead of a line of the solution, and what the feedback must tell them.
    "unscaled": [
        (
            "return query @ key.mT / math.sqrt(d_k)",
            "return query @ key.mT",
            "not divided by the root of d_k",
        ),
    ],
    "two-mistakes": [
        (
            "weights = scores.softmax(dim=-1)\n",
            "weights = scores.softmax(dim=-2)\n",
            "runs over the queries; it should run over the keys",
        ),
        (
            "return torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)",
            "return torch.diag_embed(p * (1 - p))",
            "the diagonal p (1 - p) and zeros beside it",
        ),
    ],
}


def nbgrader(course: Path, *words: str, expect: int = 0) -> str:
    done = subprocess.run(
        [BIN / "nbgrader", *words],
        cwd=course,
        capture_output=True,
        text=True,
        env={**os.environ, "NBGRADER_LOG": ""},
        timeout=800,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """A course folder like the repository, graded for a class of four."""
    course = tmp_path_factory.mktemp("course")
    shutil.copy(ROOT / "nbgrader_config.py", course)
    shutil.copytree(ROOT / "solutions", course / "solutions")
    nbgrader(course, "generate_assignment", NAME)
    release = course / "exercises" / NAME / f"{NAME}.ipynb"
    solution = course / "solutions" / NAME / f"{NAME}.ipynb"
    submit(course, "untouched", release.read_text())
    submit(course, "right", solution.read_text())
    for student, mistakes in STUDENTS.items():
        notebook = nbformat.read(solution, as_version=4)
        for line, wrong, _ in mistakes:
            touched = [cell for cell in notebook.cells if line in cell.source]
            assert len(touched) == 1
            touched[0].source = touched[0].source.replace(line, wrong) + ATTACK
        submit(course, student, nbformat.writes(notebook))
    nbgrader(course, "autograde", NAME)
    nbgrader(course, "generate_feedback", NAME)
    nbgrader(course, "export")
    return course


def submit(course: Path, student: str, notebook: str) -> None:
    folder = course / "grading" / "submitted" / student / NAME
    folder.mkdir(parents=True)
    (folder / f"{NAME}.ipynb").write_text(notebook)


def scores(course: Path) -> dict[str, tuple[float, float]]:
    with (course / "grading" / "grades.csv").open() as file:
        return {
            row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(file)
        }


def feedback(course: Path, student: str) -> str:
    return (course / "grading" / "feedback" / student / NAME / f"{NAME}.html").read_text()


def test_nbgrader_makes_the_very_release_that_is_committed(course):
    released = (course / "exercises" / NAME / f"{NAME}.ipynb").read_bytes()
    assert released == (ROOT / "exercises" / NAME / f"{NAME}.ipynb").read_bytes()


def test_the_untouched_release_scores_zero_and_the_solution_full_marks(course):
    assert scores(course)["untouched"] == (0.0, 11.0)
    assert scores(course)["right"] == (11.0, 11.0)


@pytest.mark.parametrize("student", STUDENTS)
def test_a_mistake_loses_points_and_its_feedback_names_it(course, student):
    score, out_of = scores(course)[student]
    assert 0 < score < out_of
    page = feedback(course, student)
    for _, _, said in STUDENTS[student]:
        assert said in page
    assert "<caption style" in page, "the tables of the report should get through the sanitizer"
    assert "&lt;caption" not in page


def test_feedback_runs_no_script_of_a_student(course):
    page = feedback(course, "unscaled")
    assert "the-script-of-a-student" in page
    assert "<script>the-script-of-a-student" not in page


def test_validate_passes_the_solution_and_fails_the_release(course):
    done = nbgrader(course, "validate", f"solutions/{NAME}/{NAME}.ipynb")
    assert "Success! Your notebook passes all the tests." in done
    done = nbgrader(course, "validate", f"exercises/{NAME}/{NAME}.ipynb")
    assert "VALIDATION FAILED ON 3 CELL(S)!" in done
