"""Read the text of an exercise: its cells, and the functions that its solution defines."""

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import jupytext

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


@dataclass(frozen=True)
class Cell:
    """A code cell that is needed to run the solution. ``grade_id`` is the function's name where it is one."""

    grade_id: str
    source: str
    solution: bool


def cells(text: Path) -> list[Cell]:
    """Return the code cells of a text that define something: its imports, what is given, and the solutions.

    Checks, points and figures are left out. A cell is given if its grade_id ends in "-given".
    """
    notebook = jupytext.read(text, fmt="py:percent")
    found = []
    for cell in notebook.cells:
        grading = cell.metadata.get("nbgrader", {})
        name = grading.get("grade_id", "")
        if cell.cell_type == "code" and (
            grading.get("solution") or name == "imports" or name.endswith("-given")
        ):
            found.append(Cell(name, cell.source, bool(grading.get("solution"))))
    return found


@contextlib.contextmanager
def workplace(name: str) -> Iterator[ModuleType]:
    """Work in a new folder that has what the notebook's solution would find; yield the exercise's package.

    A notebook that trains leaves files behind. An exercise whose package has a function ``furnish`` lays out
    committed ones in their place.
    """
    package = import_module(f"plenary.exercises.{name}")
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        if hasattr(package, "furnish"):
            package.furnish(Path(folder))
        os.chdir(folder)
        try:
            yield package
        finally:
            os.chdir(before)


def run(cells: list[Cell], replaced: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run cells in order and return what they define; ``replaced`` has other code for some, by grade_id."""
    module = ModuleType("solution")
    namespace = module.__dict__
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells:
            code = (replaced or {}).get(cell.grade_id)
            exec(code or compile(cell.source, f"<{cell.grade_id}>", "exec"), namespace)
    return namespace
