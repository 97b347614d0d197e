"""The kill matrix: every known mistake must be caught and named, every correct variant must pass."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from plenary.checks.answer import Answers
from plenary.checks.catalogue import exercises
from plenary.checks.diagnose import known
from plenary.checks.exercise import Exercise, Function, Misconception
from plenary.checks.judge import judge
from plenary.checks.pool import pool
from plenary.checks.put import answers_of
from plenary.checks.report import Report


@dataclass(frozen=True)
class Row:
    """What became of one candidate at one seed; ``right`` if that is what should have become of it."""

    exercise: str
    candidate: str
    mistake: str | None
    seed: int
    outcome: str
    score: float
    right: bool


def kill_matrix(seeds: Iterable[int], jobs: int = 1) -> Iterator[Row]:
    """Judge all mistakes, each way of making them, and all correct variants of all exercises at these seeds.

    With several ``jobs``, exercises are judged in that many processes; the rows come in the same order.
    """
    seeds = list(seeds)
    if jobs == 1:
        for name in exercises():
            yield from rows_of(name, seeds)
        return
    with pool(jobs) as processes:
        for rows in processes.map(partial(rows_of, seeds=seeds), exercises()):
            yield from rows


def rows_of(name: str, seeds: Iterable[int]) -> list[Row]:
    """Judge the candidates of one exercise."""
    return [row for seed in seeds for row, _ in judged(name, seed)]


def judged(name: str, seed: int) -> Iterator[tuple[Row, Report]]:
    """Judge the candidates of one exercise at one seed; each row comes with what the check says."""
    exercise = exercises()[name]
    for label, function, mistake in candidates(exercise):
        report = judge(exercise, seed, _answers(exercise, function, mistake, seed))
        yield _row(exercise, label, mistake, seed, report), report


def candidates(exercise: Exercise) -> Iterator[tuple[str, Function, Misconception | None]]:
    """Yield what is to be judged: a label, the function, and the mistake that should be named."""
    for number, function in enumerate(exercise.correct, start=1):
        name = getattr(function, "__name__", "").strip("_").replace("<lambda>", "")
        yield f"correct {number} {name}".strip(), function, None
    for mistake in exercise.mistakes:
        ways = mistake.wrong[exercise.name]
        for number, wrong in enumerate(ways, start=1):
            yield mistake.id if len(ways) == 1 else f"{mistake.id}, way {number}", wrong, mistake


def _answers(exercise: Exercise, function: Function, mistake: Misconception | None, seed: int) -> Answers:
    """Ask a candidate. At the first seed a mistake is asked anew; at others its fingerprint's answers do."""
    if mistake is None or seed == 0:
        return answers_of(exercise, function, seed)
    return next(suspect.answers() for suspect in known(exercise, seed) if suspect.wrong is function)


def _row(exercise: Exercise, label: str, mistake: Misconception | None, seed: int, report: Report) -> Row:
    outcome = "passes" if report.passed else report.diagnosis or "fails, unnamed"
    if mistake is None:
        right = report.passed and report.score == 1 and report.diagnosis is None
    elif mistake.harmless:
        right = report.passed and report.score == 1 and mistake.title in report.message
    else:
        right = not report.passed and report.score < 1 and report.diagnosis == mistake.id
    return Row(exercise.name, label, mistake and mistake.id, seed, outcome, report.score, right)
