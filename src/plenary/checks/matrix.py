"""The kill matrix: every known mistake must be caught and named, every correct variant must pass."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from plenary.checks.ask import ask
from plenary.checks.catalogue import exercises
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
    """Judge all mistakes and all correct variants of all exercises at these seeds."""
    for seed in seeds:
        for exercise in exercises().values():
            suspects = [(f"correct: {f.__name__.strip('_')}", f, None) for f in exercise.correct]
            suspects += [(m.id, wrong, m.id) for m in exercise.mistakes for wrong in m.wrong[exercise.name]]
            for label, function, diagnosis in suspects:
                report = judge(exercise, seed, ask(function, exercise.probes(seed), exercise.outputs))
                right = (
                    report.passed
                    if diagnosis is None
                    else not report.passed and report.diagnosis == diagnosis
                )
                outcome = "passes" if report.passed else report.diagnosis or "fails, unnamed"
                yield Row(
                    exercise.name,
                    label,
                    seed,
                    outcome,
                    report.score,
                    right and (report.score < 1) == (diagnosis is not None),
                )
