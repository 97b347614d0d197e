"""Checks that name the mistake: ask a candidate, then judge its answers.

``check`` does both in this process, which is how a learner uses it. Where it counts, the two halves run on the two
sides of a wall: ``ask`` sees the candidate and no answers, ``judge`` sees answers and no candidate.
"""

import difflib
import sys
from dataclasses import replace
from typing import Any

from torch import nn

from plenary.checks.answer import Answer, Answers, Fault
from plenary.checks.ask import ask
from plenary.checks.borrowed import borrowed_by
from plenary.checks.catalogue import exercises, find
from plenary.checks.exercise import Exercise, Misconception, Property
from plenary.checks.form import Form
from plenary.checks.judge import judge
from plenary.checks.put import answers_of
from plenary.checks.report import Report
from plenary.checks.shrink import smallest

__all__ = [
    "Answer",
    "Answers",
    "Exercise",
    "Fault",
    "Form",
    "Misconception",
    "Property",
    "Report",
    "answers_of",
    "ask",
    "check",
    "exercises",
    "find",
    "judge",
]

_FROM_CALLER = object()


def check(name: str, candidate: Any = _FROM_CALLER, seed: int = 0, seconds: float | None = None) -> Report:
    """Check a function or class that a learner wrote, and say what is wrong with it.

    Args:
        name: The function's name in the course, such as ``"attention_scores"``.
        candidate: The learner's function. Left out, it is the one of that name where ``check`` is called, so
            that a name that is not there ends in a report as well. Whatever it does (raise, hang, return
            nonsense) ends in a report.
        seed: Draws the random probes; grading uses one that the learner has not seen.
        seconds: Limit for all probes together; ``None`` takes the exercise's own.

    Raises:
        LookupError: no exercise has this name.
    """
    exercise = find(name)
    if candidate is _FROM_CALLER:
        around = sys._getframe(1).f_globals
        if name not in around:
            return _nothing(name, _missing(name, around))
        candidate = around[name]
    if not callable(candidate):
        found = type(candidate).__name__ if candidate is not None else "None"
        what = "make" if exercise.is_class else "call"
        kind = "class" if exercise.is_class else "function"
        return _nothing(
            name, f"There is nothing to {what}: expected the {kind} {exercise.signature}, got {found}."
        )
    if exercise.is_class and not (isinstance(candidate, type) and issubclass(candidate, nn.Module)):
        found = f"the class {candidate.__name__}" if isinstance(candidate, type) else type(candidate).__name__
        message = f"Expected a class that is a torch.nn.Module, {exercise.signature}, got {found}."
        return _nothing(name, message)
    answers = answers_of(exercise, candidate, seed, seconds)
    report = judge(exercise, seed, answers)
    if not report.passed and report.example is None:
        report = replace(report, example=smallest(exercise, candidate, seed, answers))
    used = borrowed_by(name, candidate, exercise.borrowed)
    return replace(report, note=_kindly(name, used)) if used else report


def _nothing(name: str, message: str) -> Report:
    return Report(name, passed=False, score=0.0, diagnosis=None, message=message)


def _missing(name: str, around: dict[str, Any]) -> str:
    own = [n for n, value in around.items() if callable(value) and not n.startswith("_")]
    near = difflib.get_close_matches(name, own, n=1, cutoff=0.75)
    renamed = f" There is {near[0]!r}; if that is it, give it its name back." if near else ""
    return (
        f"There is no {name} here yet.\nRun the cell that defines it; if it was deleted or renamed, write it again "
        f"under this name.{renamed}"
    )


def _kindly(name: str, used: list[str]) -> str:
    """Say that the answer was used instead of written."""
    what = " and ".join(one.lstrip(".") + ("()" if one.startswith(".") else "") for one in used)
    return (
        f"{what} already holds what {name} is about. It is good to know and right to use later; here the point is "
        f"to write it once yourself, from simpler parts."
    )
