"""The gallery: a card for every mistake, whose code does what the mistake does and whose example shows it."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from bs4 import BeautifulSoup, Tag

from plenary.checks import exercises, gallery
from plenary.checks.agreement import agree, same_manners
from plenary.checks.diagnose import RESEMBLANCE, asked, known
from plenary.checks.gallery import Cards, Week, cards, counted, overview, place_of, pre, totals
from plenary.checks.matrix import rows_of
from plenary.checks.written import written
from plenary.checks.written.wrap import WIDTH, wrapped

ROOT = Path(__file__).resolve().parents[2]
WEEKS = ("attention", "transformer", "vision_transformer")
EXERCISES = sorted(exercises())
PAGES = sorted({exercise.page for exercise in exercises().values()})

# A layer that is drawn anew takes other random numbers than one that is kept: there dropout falls elsewhere.
BY_CHANCE = {"DecoderLayer": "dropout inside"}


@pytest.fixture(scope="module", params=WEEKS)
def week(request) -> Week:
    return Week(request.param)


def names_of(week: Week) -> list[str]:
    return list(dict.fromkeys(row.exercise for row in week.rows))


@cache
def soup_of(cards: Cards) -> BeautifulSoup:
    return BeautifulSoup(cards.html, "html.parser")


def card(cards: Cards, mistake: str) -> Tag:
    found = soup_of(cards).select(f'.plenary-cards > details[id="mistake-{cards.name}-{mistake}"]')
    assert len(found) == 1
    return found[0]


@pytest.mark.timeout(600)
def test_every_mistake_has_one_card_with_all_that_it_says(week: Week):
    ids = []
    for name in names_of(week):
        soup, exercise = soup_of(week.cards(name)), exercises()[name]
        ids += [tag["id"] for tag in soup.select("[id]")]
        for mistake in exercise.mistakes:
            found = card(week.cards(name), mistake.id)
            said = found.get_text()
            assert found.find("summary").get_text() == mistake.title  # type: ignore[union-attr]
            assert mistake.belief in said
            assert mistake.hint in said
            code = found.find_all("pre")[-1].get_text()
            assert f"{name}" in code
            links = [str(a["href"]) for a in found.find_all("a")]
            assert f"../{exercise.page}.html#{mistake.anchor}" in links
            assert (mistake.evidence in links) == (mistake.evidence is not None)
            assert re.search(r"Tried in (one way|\d+ ways): ", said)
            if not mistake.harmless:
                ways, caught, named = re.search(
                    r"Tried in (one|\d+) ways?: (\d+) caught, (\d+) named", said
                ).groups()  # type: ignore[union-attr]
                assert ways.replace("one", "1") == caught == named == str(len(mistake.wrong[name]))
    assert len(ids) == len(set(ids)) == sum(len(exercises()[name].mistakes) for name in names_of(week))


def test_every_example_shows_a_difference(week: Week):
    tables = 0
    for name in names_of(week):
        for found in soup_of(week.cards(name)).select(".plenary-cards > details[id]"):
            sides = found.select(".pair > div")
            said = found.get_text()
            assert "np." not in said
            if len(sides) == 2:
                tables += 1
                assert sides[1].select("td b")
                assert not sides[0].select("td b")
                expected, given = ([td.get_text() for td in side.select("td")] for side in sides)
                assert expected != given or found.select(".pair ~ p"), found["id"]
            else:
                words = [
                    p.get_text()
                    for p in found.find_all("p")
                    if re.search("What breaks:|expected|shape", p.get_text())
                ]
                assert words, found["id"]
                assert not re.search(r" is (\S+), expected \1\.", " ".join(words))
    assert tables > 100


@pytest.mark.parametrize("name", EXERCISES)
def test_the_code_on_a_card_does_what_the_mistake_does(name):
    exercise = exercises()[name]
    probes = [probe for probe in exercise.probes(0) if probe.name != BY_CHANCE.get(name)]
    for mistake in exercise.mistakes:
        suspect = next(one for one in known(exercise, 0) if one.mistake is mistake)
        code = written(suspect.wrong, name)
        around = dict(code.namespace)
        exec(code.text, around)
        given, right = asked(exercise, probes, around[name]), suspect.answers()  # type: ignore[arg-type]
        for probe in probes:
            same = agree(given[probe.name], right[probe.name], RESEMBLANCE)
            assert same, f"{mistake.id}: {probe.name}\n{code.text}"
            assert same_manners(given[probe.name], right[probe.name])


@pytest.mark.parametrize("name", EXERCISES)
def test_code_is_written_as_a_learner_would(name):
    for mistake in exercises()[name].mistakes:
        code = written(mistake.wrong[name][0], name)
        assert code.steps[-1].startswith((f"def {name}(", f"class {name}(", f"{name} = ")), code.text
        assert '"""' not in code.text
        assert ": Tensor" not in code.text
        assert sum(len(line) > WIDTH + 14 for line in code.text.split("\n")) <= 1, code.text


def test_what_is_fixed_from_outside_is_put_in_its_place():
    scaled = written(exercises()["attention_backward"].mistakes[0].wrong["attention_backward"][0], "go")
    assert scaled.text.startswith("def go(grad_output, query, key, value, mask=None):\n    weights = shares(")
    assert "right_finish" in scaled.uses
    assert written(torch.diag_embed, "f").text == "f = torch.diag_embed"


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("return (a, b)", "return a, b"),
        ("x = sum((y for y in z))", "x = sum(y for y in z)"),
        ("x = " + "f(aaaaaaaaaaaaaaa, " * 4 + "b" + ")" * 4, None),
        ("return " + "alpha(beta) " * 4 + "if " + "gamma" * 8 + " else delta", None),
        (
            "x = g({'a, b': 1, **other}, lambda one, two: one + two, [i for i, j in pairs if i == j and j])",
            None,
        ),
    ],
)
def test_lines_are_broken_where_code_stays_code(line, lines):
    broken = wrapped(line)
    assert lines is None or broken == lines
    squeezed = re.sub(r"\s+", "", line)
    if lines is None:
        assert "\n" in broken
        assert max(map(len, broken.split("\n"))) <= WIDTH + 4
        kept = re.sub(r"\s+", "", broken)
        assert re.sub(r"[(),]", "", kept) == re.sub(r"[(),]", "", squeezed)


def test_evil_text_is_escaped(monkeypatch):
    exercise = exercises()["causal_mask"]
    evil = "<script>alert('x')</script> & \"q\""
    mistake = replace(
        exercise.mistakes[0],
        title=evil,
        belief=evil,
        hint=evil,
        section=evil,
        anchor="a'b",
        evidence=f"https://x/'{evil}",
    )
    broken = replace(exercise, misconceptions=(mistake,))
    for module in ("gallery", "matrix"):
        monkeypatch.setattr(f"plenary.checks.{module}.exercises", lambda: {"causal_mask": broken})
    made = cards("causal_mask")
    assert "<script" not in made.html
    found = card(made, mistake.id)
    assert found.find("summary").get_text() == evil  # type: ignore[union-attr]
    assert evil in str(found.find_all("a")[-1]["href"])
    assert "<" not in re.sub(r"</?(pre|span)[^>]*>", "", pre("x = '<b>' # <i>"))


def test_a_mistake_that_passes_stops_the_build(monkeypatch):
    exercise = exercises()["attention_scores"]
    right = replace(exercise.mistakes[0], wrong={"attention_scores": (exercise.correct[0],)}, harmless=True)
    monkeypatch.setattr("plenary.checks.matrix.exercises", lambda: {"attention_scores": broken})
    monkeypatch.setattr(gallery, "exercises", lambda: {"attention_scores": broken})
    broken = replace(exercise, misconceptions=(exercise.mistakes[1], right))
    monkeypatch.setattr(gallery, "example_html", lambda *_: "")
    with pytest.raises(AssertionError, match="not judged as they should be: attention_scores: no-scaling"):
        Week("attention", jobs=1)


def test_totals_are_right():
    rows = [*rows_of("causal_mask", [0]), *rows_of("padding_mask", [0])]
    found = totals(rows)
    chosen = [exercises()[name] for name in ("causal_mask", "padding_mask")]
    assert found["functions and classes"] == 2
    assert found["mistakes"] == sum(len(one.mistakes) for one in chosen)
    assert found["wrong answers"] == sum(len(m.wrong[one.name]) for one in chosen for m in one.mistakes)
    assert found["right answers"] == sum(len(one.correct) for one in chosen)
    assert found["judged otherwise than they should be"] == 0
    spoilt = [replace(rows[0], right=False), *rows[1:]]
    assert totals(spoilt)["judged otherwise than they should be"] == 1


def test_the_overview_counts_what_the_pages_show(week: Week):
    found = totals(week.rows)
    pages = {exercises()[name].page for name in names_of(week)}
    sums = [counted(page) for page in pages]
    assert sum(one["mistakes"] for one in sums) == found["mistakes"]
    assert sum(one["ways"] for one in sums) == found["wrong answers"]
    assert sum(one["right answers"] for one in sums) == found["right answers"]
    assert sum(one["functions"] for one in sums) == found["functions and classes"]
    with pytest.raises(LookupError, match="no exercise belongs"):
        counted("attention/nowhere")


def test_the_overview_names_every_chapter():
    table = BeautifulSoup(overview(dict.fromkeys(PAGES, "A <title>")), "html.parser")
    assert len(table.select("tbody tr")) == len(PAGES)
    assert table.select_one("tbody a").get_text() == "A <title>"  # type: ignore[union-attr]
    known = sum(len(exercise.mistakes) for exercise in exercises().values())
    assert table.select("tfoot td")[1].get_text() == f"{known:,}"
    with pytest.raises(LookupError, match="not those that have exercises"):
        overview({PAGES[0]: "One"})
    text = (ROOT / "book" / "mistakes.md").read_text()
    assert sorted(re.findall(r'^ +"(\w+/\w+)": "', text, re.MULTILINE)) == PAGES
    with pytest.raises(LookupError, match="no exercise belongs"):
        Week("nowhere")


@pytest.mark.parametrize("folder", WEEKS)
def test_the_pages_show_every_function_in_its_chapter(folder):
    text = (ROOT / "book" / "mistakes" / f"{folder}.md").read_text()
    assert f'Week("{folder}")' in text
    chapter, shown = "", []
    for line in text.split("\n"):
        if found := re.match(r"The chapter: \[\]\(\.\./(.+)\.md\)", line):
            chapter = found[1]
        if found := re.match(r'week\.cards\("(\w+)"\)', line):
            shown.append((chapter, found[1]))
            assert f"(mistakes-of-{found[1]})=\n### `{found[1]}`" in text
    mine = [(e.page, e.name) for e in exercises().values() if e.page.startswith(f"{folder}/")]
    assert sorted(shown) == sorted(mine)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://github.com/owner/repo/issues/12", "owner/repo issue 12"),
        ("https://github.com/owner/repo/pull/3#discussion_r1", "owner/repo pull request 3"),
        ("https://github.com/owner/repo", "owner/repo"),
        ("https://stackoverflow.com/questions/1/x", "stackoverflow.com"),
    ],
)
def test_a_public_place_has_a_name(address, name):
    assert place_of(address) == name
