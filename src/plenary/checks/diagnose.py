"""Name a mistake by its fingerprint: the numbers that it, and only it, gives on the probes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from plenary.checks.agreement import agree, bears_the_mark_of, same_manners
from plenary.checks.answer import Answers
from plenary.checks.ask import ask
from plenary.checks.exercise import Exercise, Function, Misconception, tolerance
from plenary.checks.probe import Probe

RESEMBLANCE = 1e-3
"""How near a candidate's numbers must come to a mistake's. Looser than for being right: two ways of making the same
mistake may round differently (a fill of -1e9 swallows seven digits), and mistakes lie far apart."""


@dataclass(frozen=True)
class Diagnosis:
    """The mistake that explains what went wrong, if one does, and others that are seen beside it."""

    primary: Misconception | None = None
    also: tuple[Misconception, ...] = ()


def diagnose(exercise: Exercise, seed: int, given: Answers) -> Diagnosis:
    """Look for the known mistakes in a wrong candidate's answers to the probes of this seed.

    A mistake explains a probe if the candidate answered it exactly as the mistake does. The primary one explains
    the first wrong numbers (the plainest probes come first) and, of several such, the most probes, with the
    fewest that it would have got wrong and the candidate did not. A second mistake is seen where the first
    leaves something over.
    """
    probes, expected = exercise.probes(seed), reference_answers(exercise, seed)
    given = derived(exercise, probes, given)
    failing = [p for p in probes if not agree(given[p.name], expected[p.name], tolerance(p))]
    numeric = [p for p in failing if given[p.name].fault is None]
    suspects = [
        _Suspect(
            mistake,
            wrong,
            spoils=[p for p in probes if not agree(wrong[p.name], expected[p.name], tolerance(p))],
            explains=[p for p in failing if agree(given[p.name], wrong[p.name], RESEMBLANCE)],
        )
        for mistake, wrong in fingerprints(exercise, seed)
    ]

    if not failing:
        return Diagnosis(_by_manners(suspects, probes, given))

    def convinces(suspect: _Suspect) -> bool:
        # An exception alone is weak evidence: it has to account for everything that went wrong.
        return numeric[0] in suspect.explains if numeric else bool(failing) and suspect.explains == failing

    def belied(suspect: _Suspect) -> int:
        return sum(p not in failing for p in suspect.spoils)

    primary = max(
        filter(convinces, suspects),
        key=lambda suspect: (len(suspect.explains), -belied(suspect)),
        default=None,
    )
    left = [p for p in failing if primary is None or p not in primary.explains]
    others = [suspect for suspect in suspects if primary is None or suspect.mistake is not primary.mistake]
    return Diagnosis(primary and primary.mistake, _beside(others, left, expected, given))


def _by_manners(suspects: list["_Suspect"], probes: Sequence[Probe], given: Answers) -> Misconception | None:
    """Find the mistake that has all numbers right too, and the same dtypes and changed inputs."""
    for suspect in suspects:
        if not suspect.spoils and all(same_manners(given[p.name], suspect.wrong[p.name]) for p in probes):
            return suspect.mistake
    return None


def _beside(
    suspects: list["_Suspect"], left: list[Probe], expected: Answers, given: Answers
) -> tuple[Misconception, ...]:
    """Account for what is left over with as few further mistakes as possible, and the least sweeping ones."""
    found: list[Misconception] = []
    while left:
        marked = [
            [
                p
                for p in left
                if bears_the_mark_of(given[p.name], suspect.wrong[p.name], expected[p.name], RESEMBLANCE)
            ]
            for suspect in suspects
        ]
        best = max(
            range(len(suspects)), key=lambda i: (len(marked[i]), -len(suspects[i].spoils)), default=None
        )
        if best is None or not marked[best]:
            break
        found.append(suspects[best].mistake)
        left = [p for p in left if p not in marked[best]]
    return tuple(dict.fromkeys(found))


def derived(exercise: Exercise, probes: Sequence[Probe], answers: Answers) -> Answers:
    """Return answers as they are compared."""
    if exercise.derive is None:
        return answers
    return Answers({p.name: exercise.derived(p, answers[p.name]) for p in probes}, answers.printed)


@lru_cache(maxsize=64)
def reference_answers(exercise: Exercise, seed: int) -> Answers:
    """Return the right answers to the probes of this seed, as they are compared."""
    return _asked(exercise, seed, exercise.reference)


@lru_cache(maxsize=64)
def fingerprints(exercise: Exercise, seed: int) -> list[tuple[Misconception, Answers]]:
    """Return what every known mistake, in each way of making it, answers to the probes of this seed."""
    return [
        (mistake, _asked(exercise, seed, wrong))
        for mistake in exercise.mistakes
        for wrong in mistake.wrong[exercise.name]
    ]


def _asked(exercise: Exercise, seed: int, function: Function) -> Answers:
    probes = exercise.probes(seed)
    answers = ask(function, probes, exercise.form, seconds=10 * exercise.seconds, serve=exercise.serve)
    return derived(exercise, probes, answers)


@dataclass(frozen=True)
class _Suspect:
    mistake: Misconception
    wrong: Answers
    spoils: list[Probe]
    explains: list[Probe]
