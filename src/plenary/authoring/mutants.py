"""Judge every single change to the solutions: what no check notices, a learner could get away with.

The list of known mistakes is what somebody thought of; this is the measure for the others.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plenary.authoring.changes import Mutant, mutants
from plenary.authoring.texts import Cell, cells, run, workplace
from plenary.checks import answers_of, judge
from plenary.checks.exercise import Exercise

SECONDS = 10.0
"""Limit for all probes of one mutant, where the exercise has no longer one. Several never end."""


@dataclass(frozen=True)
class Outcome:
    """What the checks made of a mutant. ``reason`` says why one that passes is no mistake, if that is known."""

    exercise: str
    id: str
    caught: bool
    message: str
    reason: str | None

    @property
    def right(self) -> bool:
        """Whether it is as it should be: caught, or passing and explained."""
        return self.caught != (self.reason is not None)


def survey(root: Path, name: str) -> Iterator[Outcome]:
    """Judge every mutant of every function in ``solutions/<name>.py``."""
    parts = cells(root / "solutions" / f"{name}.py")
    known = equivalent(root, name)
    with workplace(name) as package:
        asked = {exercise.name: exercise for exercise in package.EXERCISES}
        for cell in parts:
            exercise = asked.get(cell.grade_id)
            if not cell.solution or exercise is None:
                continue
            for mutant in mutants(cell):
                caught, message = _judged(exercise, parts, mutant)
                reason = known.get(exercise.name, {}).get(mutant.id)
                yield Outcome(exercise.name, mutant.id, caught, message, reason)


def listed(root: Path, name: str) -> list[Outcome]:
    """Judge every mutant of a text, for a process of its own."""
    return list(survey(root, name))


def equivalent(root: Path, name: str) -> dict[str, dict[str, str]]:
    """Return the mutants that change nothing that is asked for, with the reason, by function."""
    file = root / "tests" / "exercises" / "equivalent" / f"{name}.toml"
    return tomllib.loads(file.read_text()) if file.exists() else {}


def _judged(exercise: Exercise, parts: list[Cell], mutant: Mutant) -> tuple[bool, str]:
    code = compile(mutant.tree, f"<{exercise.name}>", "exec")
    try:
        candidate = run(parts, {exercise.name: code})[exercise.name]
    except Exception as error:  # a class body that does not run
        return True, f"{type(error).__name__}: {error}"
    report = judge(exercise, 0, answers_of(exercise, candidate, 0, max(SECONDS, exercise.seconds)))
    return not report.passed, report.message
