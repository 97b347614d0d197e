"""The mistakes that the checks know, as a page: what each does, why it is made, whether it is caught and named."""

from collections.abc import Iterable, Sequence
from html import escape

from plenary.checks.catalogue import exercises
from plenary.checks.exercise import Exercise, Misconception
from plenary.checks.matrix import Row

COLUMNS = ("ways", "caught", "named", "score kept")


def gallery(rows: Sequence[Row], page: str) -> str:
    """Write one page's part of the kill matrix as HTML: a table for each function, its mistakes unfolding in place.

    Links are relative to ``book/``, as is ``page``.

    Raises:
        LookupError: no exercise belongs to the page.
    """
    found = [exercise for exercise in exercises().values() if exercise.page == page]
    if not found:
        raise LookupError(f"no exercise belongs to the page {page!r}.")
    return "".join(_table(e, [row for row in rows if row.exercise == e.name]) for e in found)


def totals(rows: Iterable[Row]) -> dict[str, int]:
    """Count functions, mistakes, ways of making them, correct variants, and what was not judged as it should be."""
    rows = list(rows)
    return {
        "functions and classes": len({row.exercise for row in rows}),
        "mistakes": len({row.mistake for row in rows if row.mistake}),
        "wrong answers": sum(row.mistake is not None for row in rows),
        "right answers": sum(row.mistake is None for row in rows),
        "judged otherwise than they should be": sum(not row.right for row in rows),
    }


def _table(exercise: Exercise, rows: list[Row]) -> str:
    variants = [row for row in rows if row.mistake is None]
    passed = sum(row.right for row in variants)
    body = "".join(
        _row(exercise, mistake, [r for r in rows if r.mistake == mistake.id]) for mistake in exercise.mistakes
    )
    head = "".join(f"<th scope='col'>{title}</th>" for title in ("mistake", *COLUMNS))
    return (
        f"<table class='plenary-mistakes' id='mistakes-of-{escape(exercise.name)}'>"
        f"<caption><code>{escape(exercise.name)}</code>: {len(exercise.mistakes)} mistakes; "
        f"{passed} of {len(variants)} right answers pass</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row(exercise: Exercise, mistake: Misconception, rows: list[Row]) -> str:
    total = len(rows)
    caught = sum(row.outcome != "passes" for row in rows)
    named = sum(row.outcome == mistake.id or (mistake.harmless and row.right) for row in rows)
    kept = f"{max((row.score for row in rows), default=0):.2f}"
    seen = (
        f"<p><a href='{escape(mistake.evidence)}'>Where people are seen to make it</a></p>"
        if mistake.evidence
        else ""
    )
    address = escape(f"{exercise.page}.html#{mistake.anchor}")
    about = (
        f"<details id='mistake-{escape(exercise.name)}-{escape(mistake.id)}'>"
        f"<summary>{escape(mistake.title)}</summary><p>{escape(mistake.belief)}</p><p>{escape(mistake.hint)}</p>"
        f"<p>Read: <a href='{address}'>{escape(mistake.section)}</a></p>{seen}</details>"
    )
    caught_said = "right, with a remark" if mistake.harmless else f"{caught} of {total}"
    values = (str(total), caught_said, f"{named} of {total}", kept)
    cells = "".join(f"<td data-label='{c}'>{v}</td>" for c, v in zip(COLUMNS, values, strict=True))
    return f"<tr><th scope='row'>{about}</th>{cells}</tr>"
