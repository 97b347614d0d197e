"""Judge: given only a candidate's answers, say what holds, what does not, and which mistake explains it."""

from collections.abc import Sequence

import numpy as np

from plenary.checks.agreement import agree, close
from plenary.checks.answer import Answer, Answers
from plenary.checks.book import link
from plenary.checks.diagnose import Diagnosis, derived, diagnose, reference_answers
from plenary.checks.evidence import difference, relation
from plenary.checks.exercise import Exercise, Property, tolerance
from plenary.checks.probe import Construct, Made, Probe, Stub
from plenary.checks.report import Example, Part, Report

LARGEST_EXAMPLE = 60
"""Numbers in one array of a worked counter-example; more than this nobody reads."""


def judge(exercise: Exercise, seed: int, answers: Answers) -> Report:
    """Judge a candidate's answers to the probes of this seed. No code of the candidate runs here."""
    probes = exercise.probes(seed)
    expected = reference_answers(exercise, seed)
    given = derived(exercise, probes, answers)
    if all(_unwritten(given[p.name]) for p in probes if expected[p.name].fault is None):
        # A table of parts that are all open would say less.
        message = _unnamed(exercise, probes, expected, given)
        return Report(exercise.name, False, 0.0, None, message, printed=given.printed)
    parts = (*_parts(exercise, probes, expected, given), *_manners(probes, expected, given))
    if all(part.passed for part in parts):
        return Report(exercise.name, True, 1.0, None, "Right on every probe.", parts, printed=given.printed)
    diagnosis = diagnose(exercise, seed, answers)
    mistake = diagnosis.primary
    if all(part.passed for part in parts if part.weight):
        message = f"Right in all that is asked.\n{_message(exercise, probes, expected, given, diagnosis)}"
        remark = mistake and link(exercise.page, mistake.anchor, mistake.section)
        return Report(exercise.name, True, 1.0, None, message, parts, link=remark, printed=given.printed)
    return Report(
        name=exercise.name,
        passed=False,
        score=_score(exercise, expected, parts),
        diagnosis=mistake.id if mistake else None,
        message=_message(exercise, probes, expected, given, diagnosis),
        parts=parts,
        example=_example(exercise, probes, expected, given),
        link=link(exercise.page, mistake.anchor, mistake.section) if mistake else None,
        printed=given.printed,
    )


def _parts(
    exercise: Exercise, probes: Sequence[Probe], expected: Answers, given: Answers
) -> tuple[Part, ...]:
    """Judge the properties that the exercise names."""
    by_name = {probe.name: probe for probe in probes}
    parts = []
    for wanted in exercise.properties:
        details = (_detail(wanted, by_name[name], expected[name], given[name]) for name in wanted.probes)
        detail = next((found for found in details if found), None)
        parts.append(Part(wanted.title, detail is None, wanted.weight, detail))
    return tuple(parts)


def _detail(wanted: Property, probe: Probe, expected: Answer, given: Answer) -> str | None:
    """Say what keeps a property from holding on one probe, if anything does."""
    if wanted.law is None or given.fault or expected.fault:
        return difference(given, expected, tolerance(probe), wanted.outputs)
    return wanted.law(probe, given)


def _manners(probes: Sequence[Probe], expected: Answers, given: Answers) -> tuple[Part, ...]:
    """Judge what every function of the course keeps: its inputs as they were, and their dtype."""
    asked = [p for p in probes if expected[p.name].fault is None]
    silent = None if any(given[p.name].fault is None for p in asked) else "no numbers came back"
    changed = sorted({name for p in probes for name in given[p.name].changed})
    changed_detail = (
        f"it changed {' and '.join(changed)} in place (an operator such as *= or /=, or a name that ends in _)"
        if changed
        else None
    )
    parts = [
        Part("leaves its inputs as they were", not (changed_detail or silent), 1, changed_detail or silent)
    ]
    # Python numbers have no dtype to keep.
    if any(expected[p.name].dtypes for p in asked):
        detail = next(filter(None, (_dtype_detail(p, expected[p.name], given[p.name]) for p in asked)), None)
        parts.append(Part("gives the right dtype", not (detail or silent), 1, detail or silent))
    return tuple(parts)


def _dtype_detail(probe: Probe, expected: Answer, given: Answer) -> str | None:
    for name, dtype in expected.dtypes.items():
        found = given.dtypes.get(name, dtype)
        if found != dtype:
            sent = next((a.dtype.name for a in probe.arrays if a.dtype.name == dtype), None)
            asked = f"for inputs in {dtype} it returned {name} in {found}"
            return asked if sent else f"it returned {name} in {found}, expected {dtype}"
    return None


def _score(exercise: Exercise, expected: Answers, parts: Sequence[Part]) -> float:
    """Add up the weights of what holds.

    Good manners alone earn nothing: a constant has them too. Nor does refusing alone: raising is easy.
    """
    if exercise.scoring is not None:
        return float(min(max(exercise.scoring(parts), 0.0), 1.0))
    judged = zip(exercise.properties, parts, strict=False)
    earned = [
        p
        for wanted, p in judged
        if p.passed and p.weight and any(expected[n].fault is None for n in wanted.probes)
    ]
    if not earned:
        return 0.0
    return sum(part.weight for part in parts if part.passed) / sum(part.weight for part in parts)


def _message(
    exercise: Exercise, probes: Sequence[Probe], expected: Answers, given: Answers, diagnosis: Diagnosis
) -> str:
    """Say what is wrong, the belief behind it, and the way out; a line each."""
    if diagnosis.primary is not None:
        lines = [diagnosis.primary.title, diagnosis.primary.belief, diagnosis.primary.hint]
    else:
        lines = [_unnamed(exercise, probes, expected, given)]
    lines += [f"Also: {_lower_first(mistake.title)}" for mistake in diagnosis.also]
    return "\n".join(lines)


def _unnamed(exercise: Exercise, probes: Sequence[Probe], expected: Answers, given: Answers) -> str:
    """Describe a mistake that has no name yet by the first thing that it breaks."""
    manners = [part.detail for part in _manners(probes, expected, given) if not part.passed]
    wrong = [p for p in probes if not agree(given[p.name], expected[p.name], tolerance(p))]
    # Changing an input often raises later, where a gradient is wanted: then it is the change that counts.
    if manners and all(given[p.name].fault for p in wrong) and not given[probes[0].name].fault:
        return f"The numbers are right, but {manners[0]}."
    if not wrong:  # a property with a law of its own
        judged = _parts(exercise, probes, expected, given)
        return next(f"{part.title}: {part.detail}." for part in judged if not part.passed and part.weight)
    # Of the probes that show it, the one with the fewest numbers; numbers say more than an exception.
    probe = min(
        wrong,
        key=lambda p: (
            given[p.name].fault is not None,
            expected[p.name].fault is not None,
            sum(array.size for array in p.arrays),
        ),
    )
    answer, right = given[probe.name], expected[probe.name]
    subject = "class" if exercise.is_class else "function"
    if right.fault:
        did = answer.fault.message.rstrip(".") if answer.fault else "took it as it came"
        return f"Your {subject} was given {probe}, which has to be refused with a ValueError; it {did}."
    if answer.fault:
        place = "" if answer.fault.kind in ("unwritten", "weights") else f" It was given {probe}."
        return f"Your {subject} {answer.fault.message.rstrip('.')}.{place}"
    same_shapes = all(
        name in answer.arrays and answer.arrays[name].shape == array.shape
        for name, array in right.arrays.items()
    )
    broken = (law(probe, answer) for law in exercise.laws) if same_shapes else ()
    said = next(filter(None, broken), None) or difference(
        answer, right, tolerance(probe), tuple(right.arrays)
    )
    return f"In your answer {said}. It was given {probe}."


def _example(
    exercise: Exercise, probes: Sequence[Probe], expected: Answers, given: Answers
) -> Example | None:
    """Show the first wrong output on a probe that is small enough to follow with a pencil."""
    for probe in probes:
        answer, right = given[probe.name], expected[probe.name]
        if not probe.shown or answer.fault or right.fault or agree(answer, right, tolerance(probe)):
            continue
        found = example_of(exercise, probe, answer, right)
        if found is not None:
            return found
    return None


def example_of(exercise: Exercise, probe: Probe, answer: Answer, right: Answer) -> Example | None:
    """Show what went into one probe, what came out, and what should have."""
    # The last of several outputs is the earliest in the computation: weights come before the output.
    names = [n for n in reversed(exercise.outputs) if n in right.arrays] or list(right.arrays)
    wrong = (n for n in names if _wrong(answer.arrays.get(n), right.arrays[n], tolerance(probe)))
    name = next(wrong, names[0])
    if name not in answer.arrays:
        return None
    array = answer.arrays[name]
    shown = array if array.size <= LARGEST_EXAMPLE and array.ndim <= 4 else None
    remark = relation(array, right.arrays[name])
    if array.shape != right.arrays[name].shape:
        remark = f"Your {name} has shape {array.shape}, expected {right.arrays[name].shape}."
    return Example(_inputs(probe), name, shown, right.arrays[name], remark)


def _wrong(given: np.ndarray | None, right: np.ndarray, allowed: float) -> bool:
    return given is None or given.shape != right.shape or not bool(close(given, right, allowed).all())


def _inputs(probe: Probe) -> dict[str, object]:
    """Return what went in and can be shown: how it was built, and the arguments; not the weights."""
    built = next((dict(step.arguments) for step in probe.steps if isinstance(step, Construct)), {})
    inputs: dict[str, object] = {**built, **probe.arguments}
    return {
        name: value
        for name, value in inputs.items()
        if not isinstance(value, (Made, Stub))
        and not (isinstance(value, np.ndarray) and value.size > LARGEST_EXAMPLE)
    }


def _unwritten(answer: Answer) -> bool:
    return answer.fault is not None and answer.fault.kind == "unwritten"


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
