"""Build both notebooks of an exercise from its text, one way and always to the same bytes.

``solutions/<name>.py`` (py:percent) becomes ``solutions/<name>/<name>.ipynb``, nbgrader's source, and from that
nbgrader's own converter makes ``exercises/<name>/<name>.ipynb``, the release.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

NBGRADER_SCHEMA = 3


def build(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the path and text of every notebook that belongs under ``root``.

    Raises:
        ValueError: a text is not what nbgrader needs; the message names the file, the cell, and what to do.
    """
    for text in sorted((root / "solutions").glob("*.py")):
        source = nbformat.writes(source_notebook(text)) + "\n"
        yield root / "solutions" / text.stem / f"{text.stem}.ipynb", source
        yield root / "exercises" / text.stem / f"{text.stem}.ipynb", release(root, text.stem, source)


def write(root: Path) -> list[Path]:
    """Write the notebooks whose bytes have changed, and return their paths."""
    changed = []
    for path, text in build(root):
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed.append(path)
    return changed


def source_notebook(text: Path) -> NotebookNode:
    """Turn a py:percent text into nbgrader's source notebook, with cell ids taken from ``grade_id``."""
    _expect_prose_in_comments(text)
    notebook = jupytext.read(text, fmt="py:percent")
    seen: set[str] = set()
    for number, cell in enumerate(notebook.cells, start=1):
        grading = cell.metadata.get("nbgrader")
        if not grading or "grade_id" not in grading:
            raise ValueError(
                f'{text}: cell {number} has no nbgrader grade_id; add nbgrader={{"grade_id": ...}}.'
            )
        name = grading["grade_id"]
        if name in seen:
            raise ValueError(f"{text}: two cells have the grade_id {name!r}; each needs its own.")
        seen.add(name)
        if grading["grade"] and not grading["solution"] and not _ends_in_points(cell.source):
            raise ValueError(
                f"{text}: graded cell {name!r} must end with report.points(...); a graded cell that ends otherwise "
                f"gives full marks to everybody."
            )
        cell.id = name
        cell.metadata = NotebookNode(
            nbgrader={
                "schema_version": NBGRADER_SCHEMA,
                "task": False,
                "cell_type": cell.cell_type,
                **grading,
            }
        )
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook.metadata = NotebookNode(kernelspec=kernel, language_info={"name": "python"})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return notebook


def release(root: Path, name: str, source: str) -> str:
    """Let nbgrader make the release of a source notebook, in a course folder of its own."""
    # nbgrader calls the program alembic by name.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder)
        (course / "source" / name).mkdir(parents=True)
        (course / "source" / name / f"{name}.ipynb").write_text(source)
        config = Config(PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config())
        config.CourseDirectory = Config(
            root=folder, assignment_id=name, db_url=f"sqlite:///{course}/gradebook.db"
        )
        converter = GenerateAssignment(coursedir=CourseDirectory(config=config), config=config)
        converter.log.setLevel(logging.ERROR)
        converter.start()
        return (course / "release" / name / f"{name}.ipynb").read_text()


def _ends_in_points(source: str) -> bool:
    return source.strip().splitlines()[-1].startswith("report.points(")


def _expect_prose_in_comments(text: Path) -> None:
    """Raise if code stands in a markdown cell, where jupytext would turn it into prose without a word."""
    in_prose = False
    for number, line in enumerate(text.read_text().splitlines(), start=1):
        if line.startswith("# %%"):
            in_prose = "[markdown]" in line
        elif in_prose and line and not line.startswith("#"):
            raise ValueError(
                f"{text}, line {number}: code in a markdown cell: {line!r}. Start a code cell before it: # %%"
            )
