"""The mistakes that the checks know, as cards: what each looks like, what it does, and that it is named."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from urllib.parse import urlsplit

from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Number, Operator, String

from plenary.checks.catalogue import exercises
from plenary.checks.example import example_html
from plenary.checks.exercise import Exercise, Misconception
from plenary.checks.matrix import Row, candidates, judged
from plenary.checks.pool import pool
from plenary.checks.report import Report
from plenary.checks.written import Written, alone, written

LONGEST = 15
"""Lines of code that a card shows before they fold."""
SHARED = 3
"""Cards that have to call something before it is written once for all of them."""


@dataclass(frozen=True)
class Cards:
    """One function's cards; shows itself in a notebook."""

    name: str
    rows: tuple[Row, ...]
    html: str

    def _repr_html_(self) -> str:
        return self.html


class Week:
    """The cards of all functions of some chapters; every known mistake is put to the checks to make them.

    Raises:
        LookupError: no exercise belongs to these chapters.
        AssertionError: a mistake was not caught and named, or a right answer did not pass.
    """

    def __init__(self, folder: str, jobs: int = 2) -> None:
        names = [e.name for e in exercises().values() if e.page.split("/")[0] == folder]
        if not names:
            raise LookupError(f"no exercise belongs to a page in {folder!r}.")
        if jobs == 1:
            made = [cards(name) for name in names]
        else:
            with pool(jobs) as processes:
                made = list(processes.map(partial(cards, up="../"), names))
        self._cards = {one.name: one for one in made}
        missed = [f"{r.exercise}: {r.candidate} -> {r.outcome}" for r in self.rows if not r.right]
        assert not missed, "not judged as they should be: " + "; ".join(missed)

    @property
    def rows(self) -> list[Row]:
        """Return what became of every candidate."""
        return [row for one in self._cards.values() for row in one.rows]

    def cards(self, name: str) -> Cards:
        """Return one function's cards."""
        return self._cards[name]

    def _repr_html_(self) -> str:
        counted = totals(self.rows)
        return _SCRIPT.replace("COUNT", str(counted["mistakes"]))


def cards(name: str, up: str = "../", seed: int = 0) -> Cards:
    """Judge one function's mistakes and write a card for each; ``up`` leads from the page to ``book/``."""
    exercise = exercises()[name]
    codes = _Codes(exercise)
    results = list(judged(name, seed))
    made = []
    for mistake in exercise.mistakes:
        own = [(row, report) for row, report in results if row.mistake == mistake.id]
        made.append(_card(exercise, mistake, own, codes, up, seed))
    rows = tuple(row for row, _ in results)
    passed = sum(row.right for row in rows if row.mistake is None)
    count = f"<p class='count'>{len(made)} mistakes; {passed} right answers pass.</p>"
    return Cards(name, rows, f"<div class='plenary-cards'>{count}{codes.shared_html()}{''.join(made)}</div>")


def totals(rows: Iterable[Row]) -> dict[str, int]:
    """Count functions, mistakes, ways of making them, correct variants, and what was not judged as it should be."""
    rows = list(rows)
    return {
        "functions and classes": len({row.exercise for row in rows}),
        "mistakes": len({(row.exercise, row.mistake) for row in rows if row.mistake}),
        "wrong answers": sum(row.mistake is not None for row in rows),
        "right answers": sum(row.mistake is None for row in rows),
        "judged otherwise than they should be": sum(not row.right for row in rows),
    }


COUNTED = ("functions", "mistakes", "ways", "seen in public", "right answers")


def counted(page: str) -> dict[str, int]:
    """Count what is put to the checks for one chapter, without judging it; ``page`` is relative to ``book/``.

    Raises:
        LookupError: no exercise belongs to the page.
    """
    found = [exercise for exercise in exercises().values() if exercise.page == page]
    if not found:
        raise LookupError(f"no exercise belongs to the page {page!r}.")
    mistakes = [mistake for exercise in found for _, _, mistake in candidates(exercise)]
    known = [mistake for exercise in found for mistake in exercise.mistakes]
    seen = sum(mistake.evidence is not None for mistake in known)
    ways = sum(mistake is not None for mistake in mistakes)
    return dict(zip(COUNTED, (len(found), len(known), ways, seen, len(mistakes) - ways), strict=True))


def overview(chapters: Mapping[str, str]) -> str:
    """Write a table of the chapters, by page and title, with what is counted for each and in all, as HTML.

    Raises:
        LookupError: the chapters are not those that have exercises.
    """
    if set(chapters) != {exercise.page for exercise in exercises().values()}:
        raise LookupError("the chapters named are not those that have exercises.")
    head = "".join(f"<th scope='col'>{title}</th>" for title in ("chapter", *COUNTED))
    rows, sums = [], Counter[str]()
    for page, title in chapters.items():
        counts = counted(page)
        sums.update(counts)
        folder, name = page.split("/")
        address = escape(f"mistakes/{folder}.html#mistakes-{name.replace('_', '-')}")
        rows.append(_counts(f"<a href='{address}'>{escape(title)}</a>", counts))
    body = "".join(rows)
    foot = _counts("all", sums)
    table = f"<table class='table'><thead><tr>{head}</tr></thead><tbody>{body}</tbody><tfoot>{foot}</tfoot></table>"
    return f"<div class='pst-scrollable-table-container plenary-counts' tabindex='0'>{table}</div>"


def _counts(first: str, counts: Mapping[str, int]) -> str:
    cells = "".join(f"<td>{counts[what]:,}</td>" for what in COUNTED)
    return f"<tr><th scope='row'>{first}</th>{cells}</tr>"


# ---- A card ---------------------------------------------------------------------------------------------------


def _card(
    exercise: Exercise,
    mistake: Misconception,
    results: Sequence[tuple[Row, Report]],
    codes: "_Codes",
    up: str,
    seed: int,
) -> str:
    address = escape(f"{up}{exercise.page}.html#{mistake.anchor}")
    seen = _seen(mistake.evidence)
    return (
        f"<details id='mistake-{escape(exercise.name)}-{escape(mistake.id)}'>"
        f"<summary>{escape(mistake.title)}</summary>"
        f"<p>{escape(mistake.belief)}</p>"
        f"{codes.html(mistake)}"
        f"{example_html(exercise, mistake, results[0][1], seed)}"
        f"<p><i>The way out:</i> {escape(mistake.hint)} <a href='{address}'>{escape(mistake.section)}</a></p>"
        f"<p class='proof'>{seen}{escape(_proof(mistake, [row for row, _ in results]))}</p>"
        "</details>"
    )


def _proof(mistake: Misconception, rows: Sequence[Row]) -> str:
    """Say what became of the mistake in the kill matrix."""
    total = len(rows)
    ways = "one way" if total == 1 else f"{total} ways"
    if mistake.harmless:
        return f"Tried in {ways}: right, with a remark."
    caught = sum(row.outcome != "passes" for row in rows)
    named = sum(row.outcome == mistake.id for row in rows)
    kept = max((row.score for row in rows), default=0)
    share = f"{'' if total == 1 else 'at most '}{100 * kept:.0f}\u202f%" if kept else "none"
    return f"Tried in {ways}: {caught} caught, {named} named; keeps {share} of the points."


def _seen(evidence: str | None) -> str:
    if evidence is None:
        return ""
    return f"Made in public: <a href='{escape(evidence)}'>{escape(place_of(evidence))}</a>. "


def place_of(address: str) -> str:
    """Name a public address for readers: "owner/repo issue 12"."""
    parts = urlsplit(address)
    steps = [one for one in parts.path.split("/") if one]
    if parts.netloc != "github.com" or len(steps) < 2:
        return parts.netloc
    kinds = {"issues": "issue", "pull": "pull request", "discussions": "discussion", "commit": "commit"}
    place = f"{steps[0]}/{steps[1]}"
    if len(steps) > 3 and steps[2] in kinds:
        place += f" {kinds[steps[2]]} {steps[3][:12]}"
    return place


# ---- Its code -------------------------------------------------------------------------------------------------


class _Codes:
    """The code of one function's mistakes; what many of them call is written once."""

    def __init__(self, exercise: Exercise) -> None:
        self._written = {m.id: written(m.wrong[exercise.name][0], exercise.name) for m in exercise.mistakes}
        self._called: dict[str, Written] = {}
        needed = {mistake: self._needed(one) for mistake, one in self._written.items()}
        times = Counter(name for names in needed.values() for name in names)
        self._shared = [n for n in self._called if times[n] >= SHARED or not n.startswith("_")]
        self._own = {k: [n for n in names if n not in self._shared] for k, names in needed.items()}
        self._names = self._readable()

    def html(self, mistake: Misconception) -> str:
        """Write the code of a mistake: its steps, and folded what is long."""
        one = self._written[mistake.id]
        steps = [*(self._called[name].text for name in reversed(self._own[mistake.id])), *one.steps]
        return code_html([self._plain(step) for step in steps])

    def shared_html(self) -> str:
        """Write once, folded, what the code of many cards calls."""
        texts = [self._plain(self._called[name].text) for name in self._shared]
        if not texts:
            return ""
        listed = ", ".join(f"<code>{escape(self._plain(name))}</code>" for name in self._shared)
        joined = "\n\n".join(texts)
        summary = f"<summary>What the code below calls: {listed}</summary>"
        return f"<details class='calls'>{summary}{pre(joined)}</details>"

    def _needed(self, one: Written) -> list[str]:
        """Return the names of what some code calls, directly and not."""
        found: list[str] = []
        waiting = list(one.uses.items())
        while waiting:
            name, thing = waiting.pop(0)
            if name in found:
                continue
            if name not in self._called:
                try:
                    self._called[name] = alone(thing, name)
                except LookupError:  # what a module keeps while it runs
                    continue
            found.append(name)
            # A right function says enough by its name; what is private may hold the mistake.
            waiting += [(n, t) for n, t in self._called[name].uses.items() if n.startswith("_")]
        return found

    def _readable(self) -> dict[str, str]:
        """Say which names lose the underscore in front: all that collide with no other."""
        texts = [one.text for one in (*self._written.values(), *self._called.values())]
        words = set(re.findall(r"\w+", " ".join(texts)))
        private = {word for word in words if re.fullmatch(r"_[A-Za-z]\w*", word)}
        bare = Counter(word.lstrip("_") for word in private)
        return {w: w.lstrip("_") for w in private if w.lstrip("_") not in words and bare[w.lstrip("_")] == 1}

    def _plain(self, text: str) -> str:
        return re.sub(r"\b_\w+", lambda found: self._names.get(found[0], found[0]), text)


def code_html(steps: Sequence[str]) -> str:
    """Write steps of code, the whole last: in sight as far as there is room for it, the rest folded."""
    whole = "\n\n".join(steps)
    lines = whole.count("\n") + 1
    if lines <= LONGEST:
        return pre(whole)
    *before, rest = steps
    first = "\n\n".join(before)
    if before and first.count("\n") < LONGEST:
        around = f"The function around it, {_lines(rest)}"
        return f"{pre(first)}<details class='more'><summary>{around}</summary>{pre(rest)}</details>"
    return f"<details class='more'><summary>The code, {_lines(whole)}</summary>{pre(whole)}</details>"


def _lines(code: str) -> str:
    return f"{code.count(chr(10)) + 1} lines"


def pre(code: str) -> str:
    """Colour code as the book does, with the four kinds of word that it tells apart and no more."""
    parts: list[tuple[str, str]] = []
    for token, text in PythonLexer(ensurenl=False).get_tokens(code.rstrip("\n")):
        kind = next((mark for which, mark in _KINDS if token in which), "")
        if parts and (parts[-1][0] == kind or not text.strip()):
            parts[-1] = (parts[-1][0], parts[-1][1] + text)
        else:
            parts.append((kind, text))
    inner = "".join(
        f"<span class={k}>{escape(t, quote=False)}</span>" if k else escape(t, quote=False) for k, t in parts
    )
    return f"<pre class='highlight' tabindex='0'>{inner.rstrip()}</pre>"


_KINDS = ((Keyword, "k"), (Operator.Word, "k"), (String, "s"), (Number, "m"), (Comment, "c"))


_SCRIPT = """<p class='plenary-filter' hidden><label>Show only cards that say
<input type='text' autocomplete='off' spellcheck='false' data-lm-suppress-shortcuts='true'></label>
<output>COUNT cards</output></p>
<script>
(() => {
  const all = () => document.querySelectorAll(".plenary-cards > details[id]");
  const open = () => {
    const found = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!found || !found.matches(".plenary-cards > details[id]")) return;
    found.open = true;
    found.scrollIntoView();
  };
  addEventListener("hashchange", open);
  addEventListener("DOMContentLoaded", open);
  addEventListener("load", open);
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(".plenary-cards details:not([open])")];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
  const bar = document.querySelector(".plenary-filter");
  bar.hidden = false;
  bar.querySelector("input").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0;
    for (const card of all()) {
      const text = `${card.id} ${card.textContent}`.toLowerCase();
      card.hidden = !words.every((word) => text.includes(word));
      shown += !card.hidden;
    }
    for (const part of document.querySelectorAll(".bd-article section section"))
      part.hidden = !part.querySelector(".plenary-cards > details[id]:not([hidden])") && words.length > 0;
    bar.querySelector("output").textContent = `${shown} card${shown === 1 ? "" : "s"}`;
  });
})();
</script>"""
