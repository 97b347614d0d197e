"""The kill matrix: every known mistake must be caught and named, every correct variant must pass."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from plenary.checks.catalogue import exercises
from plenary.checks.exercise import Exercise, Function, Misconception
from plenary.checks.judge import judge
from plenary.checks.put import answers_of


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
            for label, function, mistake in _candidates(exercise):
                report = judge(exercise, seed, answers_of(exercise, function, seed))
                outcome = "passes" if report.passed else report.diagnosis or "fails, unnamed"
                if mistake is None:
                    right = report.passed and report.score == 1 and report.diagnosis is None
                elif mistake.harmless:
                    right = report.passed and report.score == 1 and mistake.title in report.message
                else:
                    right = not report.passed and report.score < 1 and report.diagnosis == mistake.id
                yield Row(exercise.name, label, seed, outcome, report.score, right)


def _candidates(exercise: Exercise) -> Iterator[tuple[str, Function, Misconception | None]]:
    """Yield what is to be judged: a label, the function, and the mistake that should be named."""
    for function in exercise.correct:
        yield f"correct {function.__name__.strip('_')}", function, None
    for mistake in exercise.mistakes:
        ways = mistake.wrong[exercise.name]
        for number, wrong in enumerate(ways, start=1):
            yield mistake.id if len(ways) == 1 else f"{mistake.id}, way {number}", wrong, mistake
