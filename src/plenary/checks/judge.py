"""Judge: given only a candidate's answers, say what holds, what does not, and which mistake explains it."""

from collections.abc import Sequence

from plenary.checks.agreement import agree, close
from plenary.checks.answer import Answers
from plenary.checks.book import link
from plenary.checks.diagnose import Diagnosis, diagnose, reference_answers
from plenary.checks.evidence import difference, relation
from plenary.checks.exercise import Exercise, tolerance
from plenary.checks.probe import Probe
from plenary.checks.report import Example, Part, Report


def judge(exercise: Exercise, seed: int, given: Answers) -> Report:
    """Judge a candidate's answers to the probes of this seed. No code of the candidate runs here."""
    probes = exercise.probes(seed)
    expected = reference_answers(exercise, seed)
    parts = (*_parts(exercise, probes, expected, given), *_manners(probes, expected, given))
    if all(part.passed for part in parts):
        return Report(exercise.name, True, 1.0, None, "Right on every probe.", parts, printed=given.printed)
    diagnosis = diagnose(exercise, seed, given)
    mistake = diagnosis.primary
    if all(part.passed for part in parts if part.weight):
        message = f"Right in all that is asked.\n{_message(exercise, probes, expected, given, diagnosis)}"
        remark = mistake and link(exercise.page, mistake.anchor, mistake.section)
        return Report(exercise.name, True, 1.0, None, message, parts, link=remark, printed=given.printed)
    return Report(
        name=exercise.name,
        passed=False,
        score=_score(exercise, parts),
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
        details = (
            difference(given[name], expected[name], tolerance(by_name[name]), wanted.outputs)
            for name in wanted.probes
        )
        detail = next((found for found in details if found), None)
        parts.append(Part(wanted.title, detail is None, wanted.weight, detail))
    return tuple(parts)


def _manners(probes: Sequence[Probe], expected: Answers, given: Answers) -> tuple[Part, ...]:
    """Judge what every function of the course keeps: its inputs as they were, and their dtype."""
    answered = [p for p in probes if given[p.name].fault is None]
    silent = None if answered else "no numbers came back"
    changed = sorted({name for p in probes for name in given[p.name].changed})
    changed_detail = (
        f"it changed {' and '.join(changed)} in place (an operator such as *= or /=, or a name that ends in _)"
        if changed
        else None
    )
    dtype_detail = None
    for probe in probes:
        for name, dtype in expected[probe.name].dtypes.items():
            found = given[probe.name].dtypes.get(name, dtype)
            if found != dtype and dtype_detail is None:
                dtype_detail = f"for inputs in {dtype} it returned {name} in {found}"
    return tuple(
        Part(title, not (detail or silent), 1, detail or silent)
        for title, detail in (
            ("leaves its inputs as they were", changed_detail),
            ("keeps the dtype of its inputs", dtype_detail),
        )
    )


def _score(exercise: Exercise, parts: Sequence[Part]) -> float:
    """Add up the weights of what holds. Good manners alone earn nothing: a constant has them too."""
    if not any(part.passed and part.weight for part in parts[: len(exercise.properties)]):
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
    probe = wrong[0]
    answer, right = given[probe.name], expected[probe.name]
    if answer.fault:
        place = "" if answer.fault.kind == "unwritten" else f" It was given {probe}."
        return f"Your function {answer.fault.message.rstrip('.')}.{place}"
    same_shapes = all(answer.arrays[name].shape == array.shape for name, array in right.arrays.items())
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
        if not probe.shown or answer.fault or agree(answer, right, tolerance(probe)):
            continue
        name = next(
            n
            for n in reversed(exercise.outputs)
            if answer.arrays[n].shape != right.arrays[n].shape
            or not close(answer.arrays[n], right.arrays[n], tolerance(probe)).all()
        )
        array = answer.arrays[name]
        shown = array if array.ndim in (1, 2) and max(array.shape) <= 6 else None
        remark = relation(array, right.arrays[name])
        if shown is None:
            remark = f"Your {name} has shape {array.shape}, expected {right.arrays[name].shape}."
        return Example(dict(probe.arguments), name, shown, right.arrays[name], remark)
    return None


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
