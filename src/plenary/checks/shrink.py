"""Find a smaller input on which a wrong function still shows its mistake, and show that one.

Sizes in a probe are pairwise different, so a size tells its axis: cutting every axis of size 7 down to 2 keeps
together what belongs together.
"""

from dataclasses import replace

import numpy as np

from plenary.checks.agreement import agree
from plenary.checks.answer import Answers
from plenary.checks.ask import ask
from plenary.checks.exercise import Exercise, Function, tolerance
from plenary.checks.judge import example_of
from plenary.checks.probe import Call, Probe
from plenary.checks.report import Example

SMALLEST = (1, 2, 3)
SECONDS = 2.0
FOUND = "This is the smallest input that was found to show it."
LARGEST = 2000
"""Numbers in a probe; what is larger is not worth the search."""


def smallest(exercise: Exercise, candidate: Function, seed: int, answers: Answers) -> Example | None:
    """Return the smallest counter-example that can be found to a function; None for classes and for behaviour.

    Only probes to which there were numbers are made smaller: a candidate that hangs is not asked again.
    """
    if exercise.is_class or exercise.derive or exercise.numbers or exercise.collect:
        return None
    if any(one.fault and one.fault.kind == "timeout" for one in answers.by_probe.values()):
        return None

    def fails(probe: Probe) -> bool:
        return _example(exercise, candidate, probe) is not None

    answered = [p for p in exercise.probes(seed) if not answers[p.name].fault]
    calls = [replace(p, steps=p.steps[:1]) for p in answered if isinstance(p.steps[0], Call)]
    failing = [p for p in calls if _numbers(p) <= LARGEST and fails(p)]
    if not failing:
        return None
    probe = min(failing, key=_numbers)
    for size in sorted({n for array in probe.arrays for n in array.shape if n > 1}, reverse=True):
        cuts = (_cut(probe, size, to) for to in SMALLEST if to < size)
        probe = next(filter(fails, cuts), probe)
    rounded = _rounded(probe)
    found = _example(exercise, candidate, rounded if fails(rounded) else probe)
    return found and replace(found, remark=" ".join(filter(None, (found.remark, FOUND))))


def _example(exercise: Exercise, candidate: Function, probe: Probe) -> Example | None:
    """Return what a candidate gets wrong on one probe, if it gives numbers and the reference does."""
    right = ask(exercise.reference, [probe], exercise.form, SECONDS, exercise.serve)[probe.name]
    given = ask(candidate, [probe], exercise.form, SECONDS, exercise.serve)[probe.name]
    if right.fault or given.fault or agree(given, right, tolerance(probe)):
        return None
    return example_of(exercise, probe, given, right)


def _cut(probe: Probe, size: int, to: int) -> Probe:
    def cut(value: object) -> object:
        if isinstance(value, np.ndarray):
            return value[tuple(slice(to) if n == size else slice(None) for n in value.shape)]
        return [cut(one) for one in value] if isinstance(value, list) else value

    return _changed(probe, cut)


def _rounded(probe: Probe) -> Probe:
    """Round all reals to halves: easier to read and to recompute."""
    return _changed(
        probe,
        lambda value: (
            np.round(2 * value) / 2 if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
        ),
    )


def _changed(probe: Probe, change: "Function") -> Probe:
    call = probe.steps[0]
    assert isinstance(call, Call)
    arguments = {name: change(value) for name, value in call.arguments.items()}
    return replace(probe, steps=(Call(arguments),))  # type: ignore[arg-type]


def _numbers(probe: Probe) -> int:
    return sum(array.size for array in probe.arrays)
