"""A report as HTML for a notebook: no script, no style sheet, colours that follow light and dark."""

from html import escape

import numpy as np

from plenary.checks.agreement import close
from plenary.checks.book import Link
from plenary.checks.report import Example, Part, Report, slices, table

# Text keeps the notebook's own colour; only rules and marks are coloured, in tones that stand out on light
# and dark. What is wrong is also said in words or underlined, never by colour alone.
_RIGHT = "var(--plenary-accent, #2a9d8f)"
_WRONG = "var(--plenary-wrong, #d1495b)"
_CELL = "padding:.1em .6em;text-align:right;font-variant-numeric:tabular-nums;border:0;background:none"


def html(report: Report) -> str:
    """Render a report; whatever came from the candidate is escaped."""
    colour = _RIGHT if report.passed else _WRONG
    inner = [f"<p style='margin:.2em 0'><code>{escape(report.name)}</code>: {_prose(report.message)}</p>"]
    if report.note:
        inner.append(f"<p style='margin:.4em 0'>{escape(report.note)}</p>")
    if report.example:
        inner.append(_example(report.example))
    if report.link:
        inner.append(f"<p style='margin:.4em 0'>Read in the book: {_link(report.link)}</p>")
    if any(not part.passed for part in report.parts):
        rows = "".join(map(_part, report.parts))
        inner.append(f"<ul style='margin:.4em 0;padding-left:0;list-style:none'>{rows}</ul>")
    if report.printed:
        inner.append(
            f"<details><summary>What it printed while it was checked</summary>"
            f"<pre style='background:none'>{escape(report.printed)}</pre></details>"
        )
    style = (
        f"border-left:4px solid {colour};padding:.1em 0 .1em .9em;margin:.5em 0;max-width:46em;color:inherit"
    )
    return f"<div class='plenary-report' style='{style}'>{''.join(inner)}</div>"


def _prose(message: str) -> str:
    first, *rest = escape(message).split("\n")
    return f"<strong>{first}</strong>" + "".join(f"</p><p style='margin:.4em 0'>{line}" for line in rest)


def _link(link: Link) -> str:
    if link.address is None:
        return escape(str(link))
    return f"<a href='{escape(link.address)}' target='_blank' rel='noopener'>{escape(link.title)}</a>"


def _part(part: Part) -> str:
    mark, colour = ("&#10003; right", _RIGHT) if part.passed else ("&#10007; wrong", _WRONG)
    detail = f": {escape(part.detail)}" if part.detail else ""
    return (
        f"<li style='margin:.1em 0;border-left:3px solid {colour};padding-left:.5em'>"
        f"{mark}: {escape(part.title)}{detail}</li>"
    )


def _example(example: Example) -> str:
    inputs: list[str] = []
    for name, value in example.inputs.items():
        if isinstance(value, np.ndarray):
            inputs += _tables(name, value)
        else:
            inputs.append(f"<p style='margin:.4em 0'>{escape(f'{name} = {value}')}</p>")
    given = (
        []
        if example.given is None
        else _tables(f"your {example.output}", example.given, wrong=example.expected)
    )
    expected = _tables(f"expected {example.output}", example.expected)
    # One table beside the other can be compared at a glance; of several, all of one kind stand in a row.
    rows = [inputs, given + expected] if len(given) + len(expected) <= 2 else [inputs, given, expected]
    remark = f"<p style='margin:.3em 0'>{escape(example.remark)}</p>" if example.remark else ""
    style = "display:flex;flex-wrap:wrap;gap:0 1.5em;align-items:end;overflow-x:auto"
    return "".join(f"<div style='{style}'>{''.join(row)}</div>" for row in rows if row) + remark


def _tables(caption: str, array: np.ndarray, wrong: np.ndarray | None = None) -> list[str]:
    others = slices(wrong) if wrong is not None and wrong.shape == array.shape else None
    return [
        _table(f"{caption}{place}", part, wrong if others is None else others[i][1])
        for i, (place, part) in enumerate(slices(array))
    ]


def _table(caption: str, array: np.ndarray, wrong: np.ndarray | None = None) -> str:
    cells = table(array)
    good = np.ones_like(np.atleast_2d(array), dtype=bool)
    if wrong is not None:
        good = np.atleast_2d(close(wrong, array, 1e-6))
    rows = "".join(
        "<tr style='background:none'>"
        + "".join(_cell(c, bool(g)) for c, g in zip(row, flags, strict=True))
        + "</tr>"
        for row, flags in zip(cells, good, strict=True)
    )
    return (
        f"<table style='border-collapse:collapse;margin:.4em 0;width:auto;color:inherit;border:0'>"
        f"<caption style='caption-side:top;text-align:left;color:inherit;white-space:nowrap'>"
        f"{escape(caption)}</caption>"
        f"<tbody>{rows}</tbody></table>"
    )


def _cell(text: str, good: bool) -> str:
    mark = (
        "" if good else f";text-decoration:underline 2px {_WRONG};text-underline-offset:.2em;font-weight:bold"
    )
    return f"<td style='{_CELL}{mark}'>{escape(text)}</td>"
