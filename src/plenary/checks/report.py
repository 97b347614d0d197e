"""What a check says: to a learner in words and tables, to a gradebook as a number."""

from dataclasses import dataclass

import numpy as np

from plenary.checks.book import Link
from plenary.checks.evidence import number


@dataclass(frozen=True)
class Part:
    """One property, whether it holds, and if not, the first thing that is wrong."""

    title: str
    passed: bool
    weight: int
    detail: str | None = None


@dataclass(frozen=True)
class Example:
    """The smallest probe that shows the mistake: what went in, what came out, what should have."""

    inputs: dict[str, object]
    output: str
    given: np.ndarray | None
    expected: np.ndarray
    remark: str | None = None


@dataclass(frozen=True)
class Report:
    """The result of a check. It shows itself as text, and as a table in a notebook.

    Attributes:
        name: The function that was checked.
        passed: Whether everything holds.
        score: The share of the points that is earned, from 0 to 1.
        diagnosis: The id of the misconception that explains the answer, or None.
        message: What is wrong and what to do, in a few sentences.
        parts: The properties that were judged.
        example: A small worked counter-example, if there is one.
        link: The paragraph of the book that clears it up.
        printed: The beginning of what the candidate printed while it was checked.
        note: What is said beside the judgement, such as that the answer was used and not written.
    """

    name: str
    passed: bool
    score: float
    diagnosis: str | None
    message: str
    parts: tuple[Part, ...] = ()
    example: Example | None = None
    link: Link | None = None
    printed: str = ""
    note: str | None = None

    def points(self, out_of: float) -> float:
        """Return the points earned, a plain float between 0 and ``out_of``, fit to end a graded cell with."""
        return float(min(max(round(self.score * out_of, 2), 0.0), out_of))

    def __str__(self) -> str:
        """Write the report as text."""
        lines = [f"{self.name}: {self.message}"]
        if self.note:
            lines.append(f"Note: {self.note}")
        if self.example:
            lines += ["", *_example_lines(self.example)]
        if any(not part.passed for part in self.parts):
            lines += ["", *(_part_line(part) for part in self.parts)]
        if self.printed:
            lines += ["", "It printed while it was checked:", self.printed.rstrip()]
        if self.link:
            lines += ["", f"Read: {self.link}"]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from plenary.checks.render import html

        return html(self)


def slices(array: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Cut an array into tables of at most two axes, each with its place: "[0, 1]"."""
    if array.ndim <= 2:
        return [("", array)]
    if all(size == 1 for size in array.shape[:-2]):
        return [("", array.reshape(array.shape[-2:]))]
    places = np.ndindex(array.shape[:-2])
    return [(f"[{', '.join(map(str, place))}]", array[place]) for place in places]


def table(array: np.ndarray) -> list[list[str]]:
    """Write an array of one or two axes as rows of numbers; a mask as yes and no, whole numbers as such."""
    rows = np.atleast_2d(array)
    if rows.dtype == bool:
        return [["yes" if cell else "no" for cell in row] for row in rows]
    if _whole(rows):
        return [[str(int(cell)) for cell in row] for row in rows]
    return [[number(cell) for cell in row] for row in rows]


def _whole(numbers: np.ndarray) -> bool:
    """Say whether a table holds whole numbers that are short enough to be written out."""
    return bool(
        np.isfinite(numbers).all() and (numbers == np.round(numbers)).all() and (abs(numbers) < 1e5).all()
    )


def _part_line(part: Part) -> str:
    return f"  {'right' if part.passed else 'WRONG'}  {part.title}" + (
        f": {part.detail}" if part.detail else ""
    )


def _example_lines(example: Example) -> list[str]:
    lines = []
    for name, value in example.inputs.items():
        if isinstance(value, np.ndarray):
            lines += [f"  {name} =", *_rows(value)]
        else:
            lines.append(f"  {name} = {value}")
    if example.given is None:
        lines += ["  expected:", *_rows(example.expected)]
    else:
        lines += [f"  your {example.output}:", *_rows(example.given), "  expected:", *_rows(example.expected)]
    return lines + ([f"  {example.remark}"] if example.remark else [])


def _rows(array: np.ndarray) -> list[str]:
    lines = []
    for place, part in slices(array):
        lines += [f"    {place}"] if place else []
        lines += ["    " + "  ".join(f"{cell:>8}" for cell in row) for row in table(part)]
    return lines
