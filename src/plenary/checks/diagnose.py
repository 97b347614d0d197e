"""Name a mistake by its fingerprint: the numbers that it, and only it, gives on the probes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from plenary.checks.agreement import agree, bears_the_mark_of, same_manners
from plenary.checks.answer import Answer, Answers
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
    suspects = known(exercise, seed)
    if not failing:
        return Diagnosis(_by_manners(suspects, given))

    def convinces(suspect: Suspect) -> bool:
        # An exception alone is weak evidence: it has to account for everything that went wrong.
        needed = numeric[:1] or failing
        return all(suspect.explains(p, given[p.name]) for p in needed)

    def weight(suspect: Suspect) -> tuple[int, int]:
        explained = sum(suspect.explains(p, given[p.name]) for p in failing)
        return explained, -sum(suspect.spoils(p) for p in probes if p not in failing)

    primary = max(filter(convinces, suspects), key=weight, default=None)
    left = [p for p in failing if primary is None or not primary.explains(p, given[p.name])]
    others = [suspect for suspect in suspects if primary is None or suspect.mistake is not primary.mistake]
    return Diagnosis(primary and primary.mistake, _beside(others, left, expected, given))


def _by_manners(suspects: Sequence["Suspect"], given: Answers) -> Misconception | None:
    """Find the mistake that has all numbers right too, and the same dtypes and changed inputs."""
    for suspect in suspects:
        harmless = not any(suspect.spoils(p) for p in suspect.probes)
        if harmless and all(same_manners(given[p.name], suspect.answer(p)) for p in suspect.probes):
            return suspect.mistake
    return None


def _beside(
    suspects: list["Suspect"], left: list[Probe], expected: Answers, given: Answers
) -> tuple[Misconception, ...]:
    """Account for what is left over with as few further mistakes as possible, and the least sweeping ones."""
    found: list[Misconception] = []
    while left:
        marked = [
            [
                p
                for p in left
                if given[p.name].fault is None
                and bears_the_mark_of(given[p.name], suspect.answer(p), expected[p.name], RESEMBLANCE)
            ]
            for suspect in suspects
        ]
        most = max(map(len, marked), default=0)
        if not most:
            break
        best = max(
            (i for i, probes in enumerate(marked) if len(probes) == most),
            key=lambda i: -sum(suspects[i].spoils(p) for p in suspects[i].probes),
        )
        found.append(suspects[best].mistake)
        left = [p for p in left if p not in marked[best]]
    return tuple(dict.fromkeys(found))


class Suspect:
    """One way of making a known mistake. It is asked a probe when that is needed, and once."""

    def __init__(
        self,
        exercise: Exercise,
        probes: Sequence[Probe],
        expected: Answers,
        mistake: Misconception,
        wrong: Function,
    ) -> None:
        self.mistake, self.wrong = mistake, wrong
        self.probes = probes
        self._exercise, self._expected = exercise, expected
        self._raw: dict[str, Answer] = {}
        self._derived: dict[str, Answer] = {}
        self._spoils: dict[str, bool] = {}

    def answers(self) -> Answers:
        """Return what the mistake answers to all probes, as it comes."""
        self._ask([probe for probe in self.probes if probe.name not in self._raw])
        return Answers(dict(self._raw))

    def answer(self, probe: Probe) -> Answer:
        """Return what the mistake answers to a probe, as it is compared."""
        if probe.name not in self._raw:
            self._ask([probe])
        if probe.name not in self._derived:
            self._derived[probe.name] = self._exercise.derived(probe, self._raw[probe.name])
        return self._derived[probe.name]

    def _ask(self, probes: Sequence[Probe]) -> None:
        self._raw |= asked(self._exercise, probes, self.wrong).by_probe

    def explains(self, probe: Probe, given: Answer) -> bool:
        """Say whether a candidate answered a probe as the mistake does, which gets it wrong.

        A mistake that gets the probe right explains nothing, near as its numbers may lie.
        """
        return agree(given, self.answer(probe), RESEMBLANCE) and self.spoils(probe)

    def spoils(self, probe: Probe) -> bool:
        """Say whether the mistake gets a probe wrong."""
        if probe.name not in self._spoils:
            right = self._expected[probe.name]
            self._spoils[probe.name] = not agree(self.answer(probe), right, tolerance(probe))
        return self._spoils[probe.name]


def derived(exercise: Exercise, probes: Sequence[Probe], answers: Answers) -> Answers:
    """Return answers as they are compared."""
    if exercise.derive is None:
        return answers
    return Answers({p.name: exercise.derived(p, answers[p.name]) for p in probes}, answers.printed)


@lru_cache(maxsize=64)
def reference_answers(exercise: Exercise, seed: int) -> Answers:
    """Return the right answers to the probes of this seed, as they are compared."""
    probes = exercise.probes(seed)
    return derived(exercise, probes, asked(exercise, probes, exercise.reference))


@lru_cache(maxsize=64)
def known(exercise: Exercise, seed: int) -> tuple[Suspect, ...]:
    """Return every known mistake, in each way of making it, for the probes of this seed."""
    probes, expected = exercise.probes(seed), reference_answers(exercise, seed)
    return tuple(
        Suspect(exercise, probes, expected, mistake, wrong)
        for mistake in exercise.mistakes
        for wrong in mistake.wrong[exercise.name]
    )


def asked(exercise: Exercise, probes: Sequence[Probe], function: Function) -> Answers:
    """Ask a function of the exercise's own, which may take its time on a busy machine."""
    return ask(function, probes, exercise.form, seconds=10 * exercise.seconds, serve=exercise.serve)
