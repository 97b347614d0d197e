"""The mistakes that the checks know, as a page: what each does, why it is made, whether it is caught and named."""

from collections import defaultdict
from collections.abc import Iterable
from html import escape

from plenary.checks.catalogue import exercises
from plenary.checks.exercise import Exercise, Misconception
from plenary.checks.matrix import Row


def gallery(rows: Iterable[Row]) -> str:
    """Write the kill matrix as HTML: a table for each function, the belief behind each mistake folded into its row.

    Links are relative to ``book/``.
    """
    by_exercise: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_exercise[row.exercise].append(row)
    pages: dict[str, list[Exercise]] = defaultdict(list)
    for exercise in exercises().values():
        pages[exercise.page].append(exercise)
    return "".join(_table(e, by_exercise[e.name]) for group in pages.values() for e in group)


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
    head = "".join(
        f"<th scope='col'>{title}</th>" for title in ("mistake", "ways", "caught", "named", "score kept")
    )
    return (
        f"<table class='plenary-mistakes' id='mistakes-of-{escape(exercise.name)}'>"
        f"<caption><code>{escape(exercise.name)}</code>: {passed} of {len(variants)} right answers pass</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row(exercise: Exercise, mistake: Misconception, rows: list[Row]) -> str:
    caught = sum(row.outcome != "passes" for row in rows)
    named = sum(row.outcome == mistake.id or (mistake.harmless and row.right) for row in rows)
    kept = f"{max((row.score for row in rows), default=0):.2f}"
    total = len(rows)
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
    caught_said = "counts as right, with a remark" if mistake.harmless else f"{caught} of {total}"
    cells = f"<td>{total}</td><td>{caught_said}</td><td>{named} of {total}</td><td>{kept}</td>"
    return f"<tr><td>{about}</td>{cells}</tr>"
