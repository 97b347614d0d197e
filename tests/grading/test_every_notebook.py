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


def test_a_large_figure_under_a_slider_does_not_stop_the_grader(tmp_path):
    """Stock nbclient misses the reply to such a cell nearly every time, see nbgrader_config.py."""
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    draw = """
from IPython.display import HTML
from ipywidgets import interact

_ = interact(lambda x: HTML("x" * 4_000_000), x=3)
"""
    notebook = nbformat.read(ROOT / "solutions" / "class_token" / "class_token.ipynb", as_version=4)
    notebook.cells[1:1] = [nbformat.v4.new_code_cell(draw) for _ in range(10)]
    nbformat.write(notebook, tmp_path / "figures.ipynb")
    words = ("validate", "--ExecutePreprocessor.timeout=60", "figures.ipynb")
    assert "Success! Your notebook passes all the tests." in nbgrader(tmp_path, *words)


def validate(folder: Path, notebook: Path) -> str:
    """What the Validate button does, on a copy: a notebook that trains leaves files where it runs."""
    for file in (notebook, ROOT / "nbgrader_config.py"):
        shutil.copy(file, folder)
    return nbgrader(folder, "validate", "--ExecutePreprocessor.timeout=900", notebook.name)


def test_validate_passes_the_solution_and_fails_the_release(tmp_path):
    """Of one notebook here; of every one in `make audit`."""
    name = "class_token"
    done = validate(tmp_path, ROOT / "solutions" / name / f"{name}.ipynb")
    assert "Success! Your notebook passes all the tests." in done
    done = validate(tmp_path, ROOT / "exercises" / name / f"{name}.ipynb")
    assert "VALIDATION FAILED ON 3 CELL(S)!" in done


@pytest.mark.audit
@each_name
def test_validate_passes_every_solution(tmp_path, name):
    done = validate(tmp_path, ROOT / "solutions" / name / f"{name}.ipynb")
    assert "Success! Your notebook passes all the tests." in done


@pytest.mark.audit
@each_name
def test_validate_fails_every_graded_cell_of_a_release(tmp_path, name):
    notebook = ROOT / "exercises" / name / f"{name}.ipynb"
    cells = nbformat.read(notebook, as_version=4).cells
    graded = [c for c in cells if c.metadata.nbgrader.grade]  # answers that a person reads are missing too
    done = validate(tmp_path, notebook)
    assert f"VALIDATION FAILED ON {len(graded)} CELL(S)!" in done


# What becomes of functions of the notebook `masking`, and what has to be said of each. A body of None renames
# the function, an empty one stands for a cell that nobody has run.
SPOILT = {
    "one": {
        "causal_mask": ("    raise RuntimeError('not today')", "raised RuntimeError: not today"),
        "padding_mask": ("    while True:\n        pass", "did not return within 10 s"),
        "combine_masks": (None, "There is no combine_masks here yet"),
    },
    "two": {
        "causal_mask": ("    for line in range(100_000):\n        print('round', line)", "returned None"),
        "combine_masks": ("    return causal * padding[:, None, None, :] * float('nan')", "nan"),
        "masked_softmax": ("", "There is no masked_softmax here yet"),
    },
    "three": {
        "causal_mask": ("    raise SystemExit", "raised SystemExit"),
        "padding_mask": ("    return [[True] * max_length for _ in lengths]", "a value of type list"),
        "masked_softmax": ("    return scores.masked_fill_(~mask, -1e9).softmax(-1)", "in place"),
    },
}


@pytest.fixture(scope="module")
def spoilt_course(tmp_path_factory):
    """Three students, each with one function right and three that are spoilt in ways of their own."""
    course, name = tmp_path_factory.mktemp("spoilt"), "masking"
    shutil.copy(ROOT / "nbgrader_config.py", course)
    shutil.copytree(ROOT / "solutions" / name, course / "solutions" / name)
    nbgrader(course, "generate_assignment", name)
    for student, functions in SPOILT.items():
        notebook = nbformat.read(ROOT / "solutions" / name / f"{name}.ipynb", as_version=4)
        for function, (body, _) in functions.items():
            cell = next(c for c in notebook.cells if c.id == function)
            head = cell.source[: cell.source.index("    ### BEGIN SOLUTION")]
            renamed = cell.source.replace(f"def {function}", f"def {function[:-1]}")
            cell.source = renamed if body is None else head + body if body else "# to be done"
        there = course / "grading" / "submitted" / student / name
        there.mkdir(parents=True)
        nbformat.write(notebook, there / f"{name}.ipynb")
    nbgrader(course, "autograde", name)
    return course / "grading" / "autograded"


@pytest.mark.parametrize(("student", "function"), [(s, f) for s, spoilt in SPOILT.items() for f in spoilt])
def test_a_spoilt_function_says_why_and_earns_little(spoilt_course, student, function):
    earned, out_of, said = graded_cell(spoilt_course, student, function)
    assert earned < out_of
    assert SPOILT[student][function][1] in said, said


@pytest.mark.parametrize("student", SPOILT)
def test_the_others_of_the_notebook_are_graded_all_the_same(spoilt_course, student):
    whole = {"causal_mask", "padding_mask", "combine_masks", "masked_softmax"} - set(SPOILT[student])
    assert whole
    for function in whole:
        earned, out_of, said = graded_cell(spoilt_course, student, function)
        assert earned == out_of, said


def graded_cell(autograded: Path, student: str, function: str) -> tuple[float, float, str]:
    """The points that a function earned, those it could, and what was said."""
    notebook = nbformat.read(autograded / student / "masking" / "masking.ipynb", as_version=4)
    cell = next(c for c in notebook.cells if c.id == f"{function}-points")
    texts = [str(output.get("data", {}).get("text/plain", "")) for output in cell.outputs]
    return float(texts[-1]), cell.metadata.nbgrader.points, "\n".join(texts[:-1])
