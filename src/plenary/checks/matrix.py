"""The kill matrix: every known mistake must be caught and named, every correct variant must pass."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from plenary.checks.ask import ask
from plenary.checks.catalogue import exercises
from plenary.checks.exercise import Exercise, Function
from plenary.checks.judge import judge


@dataclass(frozen=True)
class Row:
    """What became of one candidate at one seed; ``right`` if that is what should have become of it."""

    exercise: str
    candidate: str
    seed: int
    outcome: str
    score: float
    right: bool


def kill_matrix(seeds: Iterable[int]) -> Iterator[Row]:
    """Judge all mistakes, each way of making them, and all correct variants of all exercises at these seeds."""
    for seed in seeds:
        for exercise in exercises().values():
            for label, function, diagnosis in _candidates(exercise):
                report = judge(exercise, seed, ask(function, exercise.probes(seed), exercise.outputs))
                expected = diagnosis is None, 1.0 if diagnosis is None else min(report.score, 0.99), diagnosis
                right = (report.passed, report.score, report.diagnosis) == expected
                outcome = "passes" if report.passed else report.diagnosis or "fails, unnamed"
                yield Row(exercise.name, label, seed, outcome, report.score, right)


def _candidates(exercise: Exercise) -> Iterator[tuple[str, Function, str | None]]:
    """Yield what is to be judged: a label, the function, and the diagnosis it should get."""
    for function in exercise.correct:
        yield f"correct {function.__name__.strip('_')}", function, None
    for mistake in exercise.mistakes:
        ways = mistake.wrong[exercise.name]
        for number, wrong in enumerate(ways, start=1):
            yield mistake.id if len(ways) == 1 else f"{mistake.id}, way {number}", wrong, mistake.id
