"""Are the notebooks exactly what the texts give, and does a text that nbgrader would misread say so?"""

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from plenary.authoring import notebooks

ROOT = Path(__file__).resolve().parents[2]
TEXTS = sorted((ROOT / "solutions").glob("*.py"))


def test_the_committed_notebooks_are_the_generated_ones_byte_for_byte():
    built = dict(notebooks.build(ROOT))
    assert len(built) == 2 * len(TEXTS) > 0
    for path, text in built.items():
        assert path.read_text() == text, f"{path} is not what its text gives; run: make notebooks"


def test_nothing_lies_beside_a_source_notebook():
    """nbgrader copies every file beside it into the release."""
    for text in TEXTS:
        folder = ROOT / "solutions" / text.stem
        assert [p.name for p in folder.iterdir() if p.name != ".ipynb_checkpoints"] == [f"{text.stem}.ipynb"]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_the_release_holds_no_solution_and_no_output(text):
    release = nbformat.read(ROOT / "exercises" / text.stem / f"{text.stem}.ipynb", as_version=4)
    source = nbformat.read(ROOT / "solutions" / text.stem / f"{text.stem}.ipynb", as_version=4)
    assert [cell.id for cell in release.cells] == [cell.id for cell in source.cells]
    solutions = [cell for cell in release.cells if cell.metadata.nbgrader.solution]
    stubs = [cell.source for cell in solutions if cell.cell_type == "code"]
    assert stubs
    assert all(re.search(r"# YOUR CODE HERE\n +raise NotImplementedError\(\)", stub) for stub in stubs)
    assert all(cell.source == "YOUR ANSWER HERE" for cell in solutions if cell.cell_type == "markdown")
    for cell in release.cells + source.cells:
        assert not cell.get("outputs")
        assert cell.id == cell.metadata.nbgrader.grade_id
    assert "SOLUTION" not in json.dumps(release)
    assert "jupytext" not in json.dumps(release.metadata)


def test_a_second_run_writes_nothing(tmp_path):
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    (tmp_path / "solutions").mkdir()
    shutil.copy(TEXTS[0], tmp_path / "solutions")
    assert len(notebooks.write(tmp_path)) == 2
    assert notebooks.write(tmp_path) == []


CELL = (
    '# %% nbgrader={"grade_id": "GRADE_ID", "locked": true, "grade": GRADE, "solution": false, "points": 1}\n'
)


def cell(grade_id: str, source: str, grade: bool = False) -> str:
    return CELL.replace("GRADE_ID", grade_id).replace("GRADE", json.dumps(grade)) + source + "\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# %%\n1 + 1\n", "cell 1 has no nbgrader grade_id"),
        (cell("a", "1") + cell("a", "2"), "two cells have the grade_id 'a'"),
        (cell("a", "def test():\n    assert False", grade=True), "'a' must end with report.points"),
        ("# %% [markdown]\n# Prose.\nx = 1\n", "line 3: code in a markdown cell: 'x = 1'"),
    ],
)
def test_a_text_that_would_be_misread_is_refused(tmp_path, text, said):
    file = tmp_path / "text.py"
    file.write_text(text)
    with pytest.raises(ValueError, match=said):
        notebooks.source_notebook(file)
