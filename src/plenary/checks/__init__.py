"""Checks that name the mistake: ask a candidate, then judge its answers.

``check`` does both in this process, which is how a learner uses it. Where it counts, the two halves run on the two
sides of a wall: ``ask`` sees the candidate and no answers, ``judge`` sees answers and no candidate.
"""

from typing import Any

from plenary.checks.answer import Answer, Answers, Fault
from plenary.checks.ask import ask
from plenary.checks.catalogue import exercises, find
from plenary.checks.exercise import Exercise, Misconception, Property
from plenary.checks.judge import judge
from plenary.checks.report import Report

__all__ = [
    "Answer",
    "Answers",
    "Exercise",
    "Fault",
    "Misconception",
    "Property",
    "Report",
    "ask",
    "check",
    "exercises",
    "find",
    "judge",
]


def check(name: str, candidate: Any, seed: int = 0, seconds: float = 10.0) -> Report:
    """Check a function that a learner wrote, and say what is wrong with it.

    Args:
        name: The function's name in the course, such as ``"attention_scores"``.
        candidate: The learner's function. Whatever it does (raise, hang, return nonsense) ends in a report.
        seed: Draws the random probes; grading uses one that the learner has not seen.
        seconds: Limit for all probes together.

    Raises:
        LookupError: no exercise has this name.
    """
    exercise = find(name)
    if not callable(candidate):
        found = f"{type(candidate).__name__}" if candidate is not None else "None"
        message = f"There is nothing to call: expected the function {exercise.signature}, got {found}."
        return Report(name, passed=False, score=0.0, diagnosis=None, message=message)
    return judge(exercise, seed, ask(candidate, exercise.probes(seed), exercise.outputs, seconds))
