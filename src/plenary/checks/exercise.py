"""What an exercise module declares: the function that is asked for, its properties, and the known mistakes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from plenary.checks.answer import Answer, Fault
from plenary.checks.form import Collect, Form, Maker
from plenary.checks.probe import Probe

if TYPE_CHECKING:
    from plenary.checks.report import Part

Function = Callable[..., object]
Law = Callable[[Probe, Answer], str | None]
"""Looks at one answer and says in a clause what it breaks ("row 2 of the weights sums to 0.83"), or None."""


@dataclass(frozen=True, eq=False)
class Misconception:
    """A belief that leads to wrong code, with the wrong code itself for every function where it occurs.

    Attributes:
        id: Short name, unique in the course; what ``Report.diagnosis`` holds.
        title: One sentence that says what the code does ("Your scores are not divided by the root of d_k.").
        belief: The thought behind it, taken seriously.
        hint: The way out, without giving the line of code away.
        anchor: The paragraph of the exercise's page that clears it up.
        section: That paragraph's name, for readers.
        wrong: The mistake written out, by name of the function in which it is made; where there are several
            ways of making it, each of them.
        evidence: A public address where people are seen to make it, where there is one.
        harmless: Whether the answer counts as right all the same: the learner is told, and loses nothing.
    """

    id: str
    title: str
    belief: str
    hint: str
    anchor: str
    section: str
    wrong: Mapping[str, tuple[Function, ...]]
    evidence: str | None = None
    harmless: bool = False


@dataclass(frozen=True)
class Property:
    """One thing that a right answer does, worth ``weight`` parts of the score.

    It holds if, on every probe named, every output named agrees with the reference; or, where there is a
    ``law``, if that finds nothing to say. With weight 0 it is good to have and not asked for: breaking it costs
    nothing and is worth a remark.
    """

    title: str
    weight: int
    probes: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    law: Law | None = None


@dataclass(frozen=True, eq=False)
class Exercise:
    """A function or class that learners write, and everything needed to ask for it and to judge it.

    Attributes:
        name: The function's name, unique in the course.
        signature: What the notebook asks for.
        page: The page of the book, without ending, relative to ``book/``.
        outputs: Names of what is returned, in order; a single name means a bare value, not a tuple.
        probes: Makes the probes from a seed; the plainest come first.
        reference: The right answers, from torch's own functions, never from this package.
        properties: What is judged, in the order in which a learner should put it right.
        misconceptions: The known mistakes of the module; those that name this function are its own.
        correct: Right answers written in different ways; every one must pass.
        laws: What can be said of an answer without knowing the right one; for mistakes nobody has named yet.
        numbers: Whether Python numbers or booleans are returned instead of tensors.
        makers: What builds arguments beside the candidate; see ``Form``.
        collect: What takes the outputs out of something that is neither tensor nor tuple; see ``Form``.
        oracles: Functions that stay with the judge; a ``Stub`` of that name calls them with arrays.
        derive: Turns an answer into what is compared, where the numbers themselves cannot be: whether a change
            in the future shows, say, for a model whose weights are its own. Properties and laws see the result.
        scoring: Makes the score of the parts, where adding up their weights will not do.
        borrowed: Full names of what would be using the answer instead of writing it, such as
            ``torch.nn.functional.softmax``; ``.softmax`` means any method of that name. ``plenary`` always is.
        seconds: Limit for all probes together; more than the usual only where something is trained.
    """

    name: str
    signature: str
    page: str
    outputs: tuple[str, ...]
    probes: Callable[[int], Sequence[Probe]]
    reference: Function
    properties: tuple[Property, ...]
    misconceptions: tuple[Misconception, ...]
    correct: tuple[Function, ...]
    laws: tuple[Law, ...] = ()
    numbers: bool = False
    makers: Mapping[str, Maker] = field(default_factory=dict)
    collect: Collect | None = None
    oracles: Mapping[str, Function] = field(default_factory=dict)
    derive: Callable[[Probe, Answer], Answer] | None = None
    scoring: Callable[[Sequence["Part"]], float] | None = None
    borrowed: tuple[str, ...] = ()
    seconds: float = 10.0

    @property
    def form(self) -> Form:
        """Return what the asking side has to know."""
        return Form(self.outputs, self.numbers, self.makers, self.collect)

    @property
    def is_class(self) -> bool:
        """Whether a class is asked for, not a function."""
        return isinstance(self.reference, type)

    @property
    def mistakes(self) -> tuple[Misconception, ...]:
        """Return the misconceptions that occur in this function."""
        return tuple(m for m in self.misconceptions if self.name in m.wrong)

    def serve(self, oracle: str, *arguments: object, **named: object) -> object:
        """Answer for a stub. Whatever goes wrong in it, the candidate's side sees a RuntimeError."""
        try:
            return self.oracles[oracle](*arguments, **named)
        except Exception as error:
            raise RuntimeError(f"the function raised {type(error).__name__}: {error}") from None

    def derived(self, probe: Probe, answer: Answer) -> Answer:
        """Return what is compared of an answer. What cannot be derived from has another form than was asked for."""
        if self.derive is None or answer.fault:
            return answer
        try:
            return self.derive(probe, answer)
        except Exception:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in answer.arrays.items())
            said = f"returned what does not fit together: {shapes}."
            return Answer(fault=Fault("structure", said, "unfit"), changed=answer.changed)


def tolerance(probe: Probe) -> float:
    """Return how far a right answer may be off, relative and absolute, given the precision of the probe.

    float32 keeps seven digits; a score of 300 then carries an error of about 3e-5 into the exponential.
    """
    return 1e-3 if any(array.dtype == np.float32 for array in probe.arrays) else 1e-8
