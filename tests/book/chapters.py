"""A chapter as its tests read it: its text, its cells, and what is known before each of them."""

import io
import os
import re
import tomllib
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jupytext

ROOT = Path(__file__).parents[2]
CLAIMS = Path(__file__).parent / "wrong_claims"
WHOLE = tuple(sorted(path.stem for path in CLAIMS.glob("*.toml")))
"""The chapters that keep every promise of a chapter: those whose claims are put to the test."""


@dataclass(frozen=True)
class Chapter:
    """One chapter, by the name of its file."""

    name: str

    @cached_property
    def path(self) -> Path:
        """Where its text is."""
        (path,) = (
            path for path in (ROOT / "book").glob(f"*/{self.name}.md") if path.parent.name != "mistakes"
        )
        return path

    @cached_property
    def text(self) -> str:
        """What is written in it."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def cells(self) -> tuple[str, ...]:
        """The sources of its code cells, in order."""
        return tuple(cell.source for cell in jupytext.read(self.path).cells if cell.cell_type == "code")

    @cached_property
    def claims(self) -> dict[str, dict[str, list[str]]]:
        """By the label of what is claimed: what it says, and what a wrong page might say instead."""
        return tomllib.loads((CLAIMS / f"{self.name}.toml").read_text(encoding="utf-8"))

    @cached_property
    def boxed(self) -> list[str]:
        """The labels of its boxed results; a box without one gives an empty string."""
        displays = re.findall(r"^\$\$\n(.*?)^\$\$(?: \(([\w-]+)\))?$", self.text, re.DOTALL | re.MULTILINE)
        return [label for formula, label in displays if r"\boxed" in formula]

    @cached_property
    def self_checks(self) -> dict[str, list[tuple[str, str, str]]]:
        """By its title, the choices of each question: letter, what it says, why."""
        pattern = r"^::::\{admonition\} (Check yourself.*?)\n:class: self-check\n(.*?)^::::$"
        choice = r"^:::\{dropdown\} \*\*([a-z])\.\*\* (.+?)\n(.*?)^:::$"
        flags = re.DOTALL | re.MULTILINE
        return {
            title: [
                (letter, said, " ".join(why.split())) for letter, said, why in re.findall(choice, body, flags)
            ]
            for title, body in re.findall(pattern, self.text, flags)
        }

    def section(self, heading: str) -> str:
        """The text under the first heading that matches, up to the next heading of its level or above."""
        level, found, fenced = 0, [], False
        for line in self.text.splitlines(keepends=True):
            fenced ^= line.startswith("```")
            marks = 0 if fenced else len(re.match("#*", line)[0])  # type: ignore[index]
            if level and 0 < marks <= level:
                break
            if level:
                found.append(line)
            elif marks and re.fullmatch(heading, line.strip("# \n")):
                level = marks
        assert level, f"{self.name} has no heading {heading!r}"
        return "".join(found)

    @cached_property
    def ran(self) -> "Run":
        """The chapter run once, cell after cell."""
        return Run(self)


class Run:
    """What a chapter's cells leave behind."""

    def __init__(self, chapter: Chapter) -> None:
        self.chapter = chapter
        self.glued: list[str] = []
        self.before: list[dict[str, Any]] = []
        """The names known before each cell, so that a test need only run the cell that it changes."""
        namespace: dict[str, Any] = {"__name__": "chapter"}
        for source in chapter.cells:
            self.before.append(dict(namespace))
            self.cell(source, namespace)

    def cell(self, source: str, namespace: dict[str, Any]) -> None:
        """Run one cell; a warning is an error, as in the build."""

        def glue(name: str, *_: Any, **__: Any) -> None:
            self.glued.append(name)

        here = os.getcwd()
        os.chdir(self.chapter.path.parent)  # where the build runs it
        try:
            with redirect_stdout(io.StringIO()), warnings.catch_warnings(), patch("myst_nb.glue", glue):
                warnings.simplefilter("error")
                exec(compile(source, str(self.chapter.path), "exec"), namespace)
        finally:
            os.chdir(here)


@cache
def chapter(name: str) -> Chapter:
    """The chapter of this name, read once."""
    return Chapter(name)
