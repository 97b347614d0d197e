"""What a known mistake does to a small example, as HTML: what goes in, what is asked for, what comes out."""

import re
from html import escape

import numpy as np

from plenary.checks.agreement import close
from plenary.checks.answer import Fault
from plenary.checks.diagnose import known, reference_answers
from plenary.checks.evidence import first_difference
from plenary.checks.exercise import Exercise, Misconception
from plenary.checks.judge import LARGEST_EXAMPLE
from plenary.checks.report import Example, Report, slices, table

LONGEST_MESSAGE = 200
WIDE = 6
SAME = 1e-6
"""How near two numbers must be to count as the same, as in a report's own example."""


def example_html(exercise: Exercise, mistake: Misconception, report: Report, seed: int) -> str:
    """Write the worked example of a mistake's report; where there is none, say in words what breaks first."""
    example = report.example
    # What is derived from an answer (whether the future shows, say) has names that mean little without a sentence.
    if example is None or not _is_seen(example) or example.output not in exercise.outputs:
        return f"<p><i>What breaks:</i> {escape(in_words(exercise, mistake, report, seed))}</p>"
    inputs = "".join(
        f"<code>{escape(name)} = {escape(_literal(value))}</code>" for name, value in example.inputs.items()
    )
    weights = "Weights are the same for both." if exercise.is_class else ""
    said = f"<p class='in'>For example {inputs}{weights}</p>" if inputs else ""
    remark = f"<p>{escape(example.remark)}</p>" if example.remark else ""
    return said + _comparison(example) + remark


def _is_seen(example: Example) -> bool:
    """Say whether numbers show it: few enough to read, and different in the digits that are written."""
    given, expected = example.given, example.expected
    return expected.size <= LARGEST_EXAMPLE and (given is None or not close(given, expected, SAME).all())


def in_words(exercise: Exercise, mistake: Misconception, report: Report, seed: int) -> str:
    """Say what breaks first: the property, and the first number that is wrong or what was raised."""
    part = next(part for part in report.parts if not part.passed)
    detail = part.detail or "does not hold"
    fault = _fault(exercise, mistake, seed)
    if fault is not None and fault.brief == detail:
        detail = f"your {'class' if exercise.is_class else 'function'} {_short(fault.message)}"
    detail = re.sub(r"^(.+) is (\S+), expected \2$", r"\1 is \2 to three digits, and no further", detail)
    if re.match(r"[a-z]+ ", detail) and detail.split()[0] not in exercise.outputs:
        detail = detail[0].upper() + detail[1:]
    return f"{part.title.rstrip('.')}. {detail.rstrip('.')}."


def _short(message: str) -> str:
    """Leave out where in a file of ours something was raised, and all but the beginning of a long list."""
    words = re.sub(r"\s*\(line \d+: .*\)\.?$", "", " ".join(message.split()))
    return words if len(words) <= LONGEST_MESSAGE else words[:LONGEST_MESSAGE].rsplit(" ", 1)[0] + " ..."


def _fault(exercise: Exercise, mistake: Misconception, seed: int) -> Fault | None:
    """Return the first fault of a mistake where there should have been numbers."""
    expected = reference_answers(exercise, seed)
    suspect = next(one for one in known(exercise, seed) if one.mistake is mistake)
    faults = (suspect.answer(p).fault for p in suspect.probes if expected[p.name].fault is None)
    return next(filter(None, faults), None)


def _comparison(example: Example) -> str:
    """Set what is expected beside what is given."""
    name, expected, given = example.output, example.expected, example.given
    if given is not None and given.size == expected.size == 1 and given.shape == expected.shape:
        return f"<p>{escape(first_difference(name, given, expected, SAME))}.</p>"
    asked = _tables(f"expected {name}", expected, np.ones(expected.shape, dtype=bool), given)
    if given is None:  # too large; the remark says its shape
        return f"<div class='pair'>{asked}</div>"
    good = (
        close(given, expected, SAME) if given.shape == expected.shape else np.zeros(given.shape, dtype=bool)
    )
    return f"<div class='pair'>{asked}{_tables(f'{name} with the mistake', given, good, expected)}</div>"


def _tables(caption: str, array: np.ndarray, good: np.ndarray, other: np.ndarray | None) -> str:
    """Write an array as tables of two axes side by side, with as many digits as the other one."""
    beside = array if other is None or other.dtype != array.dtype else np.append(array, other)
    texts = [text for row in table(beside.reshape(1, -1)) for text in row][: array.size]
    cells = np.array(texts, dtype=object).reshape(array.shape)
    made = "".join(
        _table(f"{caption}{place}" if i == 0 or place else "", np.atleast_2d(part), np.atleast_2d(marks[1]))
        for i, ((place, part), marks) in enumerate(zip(slices(cells), slices(good), strict=True))
    )
    # What may have to be scrolled sideways on a phone can be reached by keyboard.
    wide = " tabindex='0'" if max(cells.shape[-1:], default=0) >= WIDE else ""
    return f"<div{wide}>{made}</div>"


def _table(caption: str, cells: np.ndarray, good: np.ndarray) -> str:
    rows = "".join(
        f"<tr>{''.join(map(_cell, row, marks))}</tr>" for row, marks in zip(cells, good, strict=True)
    )
    return f"<table><caption>{escape(caption)}</caption><tbody>{rows}</tbody></table>"


def _cell(text: str, good: bool) -> str:
    return f"<td>{escape(text)}</td>" if good else f"<td><b>{escape(text)}</b></td>"


def _literal(value: object) -> str:
    """Write an input as one would type it, with no digits that say nothing."""
    if not isinstance(value, (np.ndarray, np.generic)):
        return repr(value).replace("'", '"')
    if value.ndim:
        return f"[{', '.join(map(_literal, np.asarray(value)))}]"
    if value.dtype == bool:
        return str(bool(value))
    return f"{float(value):.4g}" if value.dtype.kind == "f" else str(int(value))
