"""Does stock nbgrader release and grade every notebook: nothing for the untouched one, all for the solution?

Real notebooks in real kernels, those that train included: minutes, with two notebooks at the same time.
"""

import csv
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.timeout(1800)

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "solutions").glob("*.py"))
BIN = Path(sys.executable).parent
each_name = pytest.mark.parametrize("name", NAMES)


def nbgrader(course: Path, *words: str) -> str:
    done = subprocess.run(
        [BIN / "nbgrader", *words],
        cwd=course,
        capture_output=True,
        text=True,
        env={**os.environ, "NBGRADER_LOG": "", "OMP_NUM_THREADS": "1"},
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def grade(course: Path, name: str) -> dict[str, tuple[float, float]]:
    """Release, collect an untouched notebook and the solution, grade both, and read the exported scores."""
    shutil.copy(ROOT / "nbgrader_config.py", course)
    shutil.copytree(ROOT / "solutions" / name, course / "solutions" / name)
    nbgrader(course, "generate_assignment", name)
    for student, folder in (("untouched", "exercises"), ("right", "solutions")):
        there = course / "grading" / "submitted" / student / name
        there.mkdir(parents=True)
        shutil.copy(course / folder / name / f"{name}.ipynb", there)
    nbgrader(course, "autograde", name)
    nbgrader(course, "export")
    with (course / "grading" / "grades.csv").open() as file:
        return {
            row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(file)
        }


@pytest.fixture(scope="module")
def courses(tmp_path_factory):
    """A course folder for each notebook, graded; two at a time."""
    folders = {name: tmp_path_factory.mktemp(name) for name in NAMES}
    with ThreadPoolExecutor(2) as pool:
        scores = dict(zip(NAMES, pool.map(lambda name: grade(folders[name], name), NAMES), strict=True))
    return folders, scores


def points(name: str, manual: bool) -> float:
    """The points of a notebook that are given automatically, or by hand."""
    source = nbformat.read(ROOT / "solutions" / name / f"{name}.ipynb", as_version=4)
    graded = [c.metadata.nbgrader for c in source.cells if c.metadata.nbgrader.grade]
    return sum(g.points for g in graded if g.solution == manual)


@each_name
def test_the_release_is_the_committed_one(courses, name):
    released = (courses[0][name] / "exercises" / name / f"{name}.ipynb").read_bytes()
    assert released == (ROOT / "exercises" / name / f"{name}.ipynb").read_bytes()


@each_name
def test_the_untouched_release_earns_nothing(courses, name):
    assert courses[1][name]["untouched"] == (0.0, points(name, manual=False) + points(name, manual=True))


@each_name
def test_the_solution_earns_all_that_is_given_automatically(courses, name):
    earned, out_of = courses[1][name]["right"]
    assert earned == points(name, manual=False) > 0
    assert out_of == earned + points(name, manual=True)


@each_name
def test_no_cell_of_the_solution_fails_or_writes_to_stderr(courses, name):
    graded = courses[0][name] / "grading" / "autograded" / "right" / name / f"{name}.ipynb"
    for cell in nbformat.read(graded, as_version=4).cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", f"{cell.id}: {output.get('evalue')}"
            assert output.get("name") != "stderr", f"{cell.id}: {output.get('text')}"


@each_name
def test_the_untouched_notebook_runs_to_its_end_and_says_what_is_missing(courses, name):
    """The figures wait politely, and every check says that there is nothing yet."""
    graded = courses[0][name] / "grading" / "autograded" / "untouched" / name / f"{name}.ipynb"
    said = 0
    for cell in nbformat.read(graded, as_version=4).cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", f"{cell.id}: {output.get('ename')}: {output.get('evalue')}"
            said += "not written yet" in str(output.get("data", {}).get("text/plain", ""))
    assert said >= 2


def test_validate_says_so_too(courses):
    """The button in JupyterLab. Of one notebook here; of every one in `make audit`."""
    course = courses[0]["class_token"]
    done = nbgrader(course, "validate", "solutions/class_token/class_token.ipynb")
    assert "Success! Your notebook passes all the tests." in done
    done = nbgrader(course, "validate", "exercises/class_token/class_token.ipynb")
    assert "VALIDATION FAILED ON 3 CELL(S)!" in done
