"""Put an exercise's questions to a candidate in this process: the two sides of the wall, without the wall."""

from plenary.checks.answer import Answers
from plenary.checks.ask import ask
from plenary.checks.exercise import Exercise, Function


def answers_of(exercise: Exercise, candidate: Function, seed: int, seconds: float | None = None) -> Answers:
    """Return what a candidate answers to an exercise's probes at this seed."""
    limit = exercise.seconds if seconds is None else seconds
    return ask(candidate, exercise.probes(seed), exercise.form, limit, exercise.serve)
