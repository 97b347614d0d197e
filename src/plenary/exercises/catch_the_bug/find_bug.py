"""A test as an answer: it is put to boxes, wrong and right, and earns by finding and loses by accusing."""

import random
import secrets
from collections.abc import Sequence

import numpy as np
import torch

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Law, Property
from plenary.checks.probe import Call, Probe, Stub
from plenary.checks.report import Part
from plenary.exercises.catch_the_bug import boxes, planted
from plenary.exercises.catch_the_bug.boxes import Box
from plenary.exercises.catch_the_bug.comparing import COMPARING
from plenary.exercises.catch_the_bug.correct import CORRECT
from plenary.exercises.catch_the_bug.trying import TRYING
from plenary.exercises.catch_the_bug.verdicts import VERDICTS

# Every group has one right box and three wrong ones, so that the place of a call in the order gives nothing away.
_GROUPS = {
    group: (*wrong, right) for (group, wrong), right in zip(planted.GROUPS.items(), boxes.RIGHT, strict=True)
}
_WRONG = tuple(box for wrong in planted.GROUPS.values() for box in wrong)
_ACCUSED = "it was accused"

# What a stub is called reaches the candidate's side. So it is drawn anew in every process, and says nothing.
_TOKENS = {box.what: secrets.token_hex(8) for group in _GROUPS.values() for box in group}


def probes(seed: int) -> list[Probe]:
    """Hand over the boxes of each group in an order of the seed's: a call for each, which sees no other."""
    order = random.Random(seed)
    return [
        Probe(
            group,
            tuple(
                Call({"candidate": Stub(_TOKENS[box.what])}, label=f" {number}")
                for number, box in enumerate(order.sample(held, len(held)), start=1)
            ),
        )
        for group, held in _GROUPS.items()
    ]


def reference(candidate: object) -> bool:
    """Ask with torch's own attention as a measure."""
    return CORRECT[0](candidate)  # type: ignore[return-value]


def verdict(returned: object, _arguments: dict[str, object]) -> tuple[bool]:
    """Take True or False, from Python, numpy or torch; anything else is no verdict."""
    if isinstance(returned, torch.Tensor) and returned.dtype == torch.bool and returned.numel() == 1:
        return (bool(returned),)
    if isinstance(returned, (bool, np.bool_)):
        return (bool(returned),)
    if returned is None:
        raise ValueError(
            "returned None for one of the boxes; expected True or False. A return may be missing at its end."
        )
    raise TypeError(f"returned a value of type {type(returned).__name__}; expected True or False.")


def _asked(box: Box, probe: Probe, answer: Answer) -> bool | None:
    """Return what was said of a box in this probe, or None if it was not in it."""
    for step in probe.steps:
        if isinstance(step, Call) and step.arguments["candidate"] == Stub(_TOKENS[box.what]):
            return bool(answer.arrays[f"is_wrong{step.label}"])
    return None


def _finds(box: Box) -> Law:
    return lambda probe, answer: "it passed as right" if _asked(box, probe, answer) is False else None


def _acquits(box: Box) -> Law:
    return lambda probe, answer: _ACCUSED if _asked(box, probe, answer) else None


def _property(box: Box, group: str) -> Property:
    if box in _WRONG:
        return Property(f"finds: {box.what}", 1, (group,), law=_finds(box))
    return Property(f"acquits: {box.what}", 1, (group,), law=_acquits(box))


_PROPERTIES = tuple(_property(box, group) for group, held in _GROUPS.items() for box in held)


def scoring(parts: Sequence[Part]) -> float:
    """Give the share of the wrong boxes that was found, less the share of the right ones that was accused.

    A test that always says the same gets zero, and so does a tossed coin, on average.
    """
    judged = parts[: len(_PROPERTIES)]
    found = sum(part.passed for part in judged if part.title.startswith("finds"))
    accused = sum(part.detail == _ACCUSED for part in judged)
    return found / len(_WRONG) - accused / len(boxes.RIGHT)


def one_was_missed(probe: Probe, answer: Answer) -> str | None:
    """Name the first box of a group that was judged wrongly, the right ones first."""
    held = _GROUPS[probe.name]
    for box in (one for one in held if one not in _WRONG):
        if _asked(box, probe, answer):
            return f"a right box is called wrong: {box.what}"
    for box in (one for one in held if one in _WRONG):
        if not _asked(box, probe, answer):
            return f"a wrong box is called right, {_with_article(box.what)}"
    return None


def _with_article(what: str) -> str:
    return f"the one with {what}"


FIND_BUG = Exercise(
    name="find_bug",
    signature="find_bug(candidate) -> bool",
    page="attention/catch_the_bug",
    outputs=("is_wrong",),
    probes=probes,
    reference=reference,
    properties=_PROPERTIES,
    laws=(one_was_missed,),
    misconceptions=(VERDICTS[0], *COMPARING, *VERDICTS[1:], *TRYING),
    correct=CORRECT,
    numbers=True,
    collect=verdict,
    oracles={_TOKENS[box.what]: box for held in _GROUPS.values() for box in held},
    scoring=scoring,
)
