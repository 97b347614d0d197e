"""The six boxes on the chapter's page, opened as a file: the same boxes as the lab's, and a verdict on each."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from plenary.widgets.base import module_source
from plenary.widgets.black_boxes import BOXES, LETTERS, PROBES, TRUTH, answers, companions

PAGE = Path("book") / "attention" / "catch_the_bug.html"
RUN = """async ([source, given]) => {
    const module = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(source));
    return given.map(([letter, query, key, value, mask]) => module.answer(letter, query, key, value, mask));
}"""


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / PAGE).as_uri())
    widget = page.locator(".plenary-widget[data-state=live]").first
    expect(widget.get_by_role("combobox")).to_be_visible()
    return widget


@pytest.fixture
def widget(page: Page, book: Path) -> Locator:
    return open_widget(page, book)


def shown(widget: Locator, what: str) -> list[list[float]]:
    """The numbers of a table on the page, as they stand there."""
    table = widget.get_by_role("table", name=re.compile(what))
    rows = table.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => cell.textContent))"
    )
    return [[float(cell.replace("−", "-")) for cell in row] for row in rows]


def close(found: list[list[float]], expected: torch.Tensor) -> bool:
    return torch.allclose(torch.tensor(found).double(), expected, atol=6e-4, rtol=1e-3, equal_nan=True)


def judge(widget: Locator, verdicts: dict[str, str]) -> None:
    for letter, verdict in verdicts.items():
        widget.get_by_role("group", name=f"Box {letter}").get_by_role("radio", name=verdict).check()


def test_each_box_is_the_labs_on_random_inputs(page: Page) -> None:
    page.goto("about:blank")
    generator = torch.Generator().manual_seed(6)
    given, expected = [], []
    for T, S, d_k, d_v in ((5, 7, 4, 6), (4, 4, 4, 4), (3, 2, 1, 5)):
        for stretch in (1, 1500):
            query, key, value = (
                torch.randn(*shape, generator=generator).double() for shape in ((T, d_k), (S, d_k), (S, d_v))
            )
            some = torch.rand(T, S, generator=generator) < 0.5
            some[:, 0] = True
            empty = some.clone()
            empty[1] = False
            for mask in (None, some, empty, torch.zeros_like(some)):
                for letter, box in BOXES.items():
                    rows = [one.tolist() for one in (stretch * query, key, value)]
                    given.append([letter, *rows, None if mask is None else mask.tolist()])
                    expected.append(box.attend(stretch * query, key, value, mask))
    found = page.evaluate(RUN, [module_source("black_boxes.mjs"), given])
    assert len(found) == 144
    for (letter, *_), one, (output, weights) in zip(given, found, expected, strict=True):
        for name, right in (("output", output), ("weights", weights)):
            assert torch.allclose(
                torch.tensor(one[name]).double(), right, atol=1e-5, rtol=1e-5, equal_nan=True
            ), (letter, name)


def test_probes_are_those_of_python(page: Page) -> None:
    page.goto("about:blank")
    probes = page.evaluate(
        """async (source) => {
            const module = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(source));
            return module.PROBES;
        }""",
        module_source("black_boxes.mjs"),
    )
    assert {name: tuple(probe.values()) for name, probe in probes.items()} == {
        name: tuple(probe) for name, probe in PROBES.items()
    }


def test_every_box_shows_what_the_lab_computes_by_mouse(widget: Locator) -> None:
    for probe, given in PROBES.items():
        widget.get_by_role("combobox").select_option(given.label)
        for letter in LETTERS:
            widget.locator(".letters").get_by_role("radio", name=letter, exact=True).click()
            output, weights = answers(letter, probe)
            assert close(
                shown(widget, f"Weights that box {letter}"), torch.cat([weights, weights.sum(-1, True)], -1)
            )
            assert close(shown(widget, f"Output that box {letter}"), output)
            said = widget.locator(".plenary-summary").inner_text()
            friends = companions(letter, probe)
            if len(friends) == 5:
                assert "The other five boxes all give the same answer." in said
            elif friends:
                assert f"{', '.join(friends[:-1])} and {friends[-1]} give the same answer" in said
            else:
                assert "No other box gives the same answer." in said


def test_keyboard_changes_a_number_and_the_mask_and_undoes_it(widget: Locator, page: Page) -> None:
    widget.get_by_role("combobox").focus()
    page.keyboard.press("w")  # "with a mask"
    page.keyboard.press("Tab")
    expect(widget.get_by_role("switch", name="with a mask")).to_be_focused()
    expect(widget.get_by_role("switch")).to_be_checked()
    radio = widget.locator(".letters").get_by_role("radio", name="A", exact=True)
    radio.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(widget.locator(".letters").get_by_role("radio", name="F", exact=True)).to_be_focused()
    expect(widget.locator(".checks .fails")).to_contain_text("broken: every row of weights sums to one")
    before = shown(widget, "Weights that box F")
    entry = widget.get_by_role("checkbox", name="Query 1 may attend to key 3")
    entry.press("Space")
    number = widget.get_by_role("spinbutton", name="Q, query 2, component 1")
    number.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("-2.5")
    query, key, value, mask = PROBES["mask"].tensors()
    assert mask is not None
    query[1, 0], mask[0, 2] = -2.5, True
    output, weights = BOXES["F"].attend(query, key, value, mask)
    assert close(shown(widget, "Weights that box F"), torch.cat([weights, weights.sum(-1, True)], -1))
    assert close(shown(widget, "Output that box F"), output)
    expect(number).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    expect(number).to_have_attribute("aria-invalid", "true")
    assert close(shown(widget, "Output that box F"), output)  # the last number stays in force
    expect(widget.locator(".plenary-summary")).to_contain_text("with a mask, changed")
    widget.get_by_role("button", name="Undo my changes").press("Enter")
    assert shown(widget, "Weights that box F") == before
    expect(widget.get_by_role("combobox")).to_be_focused()
    widget.locator("summary").press("Enter")
    rows = widget.get_by_role("region", name=re.compile("All six boxes")).locator("tbody tr")
    assert rows.evaluate_all("rows => rows.map(row => row.cells[1].textContent)") == [
        "B, C, D and E",
        "A, C, D and E",
        "A, B, D and E",
        "A, B, C and E",
        "A, B, C and D",
        "no other",
    ]


def test_verdicts_are_told_after_the_sixth_and_scored_as_in_the_lab(widget: Locator) -> None:
    check = widget.get_by_role("button", name="Check my verdicts")
    judge(widget, {"A": "wrong", "B": "wrong", "C": "right", "D": "right", "E": "wrong"})
    expect(check).to_have_attribute("aria-disabled", "true")
    check.click(force=True)
    expect(widget.get_by_text("Still to judge: F.")).to_be_visible()
    outcome = widget.locator(".outcome")
    expect(outcome).to_be_empty()
    assert not [what for _, what in TRUTH.values() if what in widget.inner_html()]
    judge(widget, {"F": "wrong"})
    check.click()
    said = dict.fromkeys("ABEF", "wrong") | dict.fromkeys("CD", "right")
    hits = sum(not TRUTH[letter][0] for letter in "ABEF")
    assert (hits, 4 - hits) == (3, 1)
    expect(outcome).to_contain_text(
        "You found 3 of the 4 wrong boxes and accused 1 of the 2 right ones: 3/4 − 1/2 = 0.25."
    )
    for letter, (right, what) in TRUTH.items():
        line = outcome.get_by_role("listitem").filter(
            has_text=f"Box {letter} is {'right' if right else 'wrong'}"
        )
        expect(line).to_contain_text(f"you said {said[letter]}")
        expect(line).to_contain_text(what)
    expect(widget.locator(".verdicts input:checked")).to_have_count(6)
    expect(widget.locator(".verdicts input:disabled")).to_have_count(12)
    widget.get_by_role("button", name="Start again").press("Enter")
    expect(outcome).to_be_empty()
    expect(widget.locator(".verdicts input:checked")).to_have_count(0)


def test_every_way_of_judging_has_the_score_of_the_lab(page: Page) -> None:
    page.goto("about:blank")
    choices = [[letter for at, letter in enumerate(LETTERS) if number >> at & 1] for number in range(64)]
    scores = page.evaluate(
        """async ([source, choices]) => {
            const module = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(source));
            return choices.map((accused) => module.scoreOf(accused).score);
        }""",
        [module_source("black_boxes.mjs"), choices],
    )
    for accused, score in zip(choices, scores, strict=True):
        hits = sum(not TRUTH[letter][0] for letter in accused) / 4
        alarms = sum(TRUTH[letter][0] for letter in accused) / 2
        assert math.isclose(score, hits - alarms, abs_tol=1e-12)
    assert scores[0] == scores[63] == 0
    assert math.isclose(sum(scores), 0, abs_tol=1e-9)  # tossing a coin for each


def test_touch_at_390_pixels(new_page, browser, book: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    try:
        page = context.new_page()
        widget = open_widget(page, book)
        widget.get_by_role("combobox").select_option("wide keys, d_k = 6")
        widget.locator(".letters label").filter(has_text="B").tap()
        expect(widget.locator(".plenary-summary")).to_contain_text("No other box gives the same answer.")
        widget.locator("fieldset", has_text="Box B").locator("label").filter(has_text="wrong").tap()
        expect(widget.get_by_text("1 of 6 given")).to_be_visible()
        widget.locator("label:has([role=switch])").tap()
        entry = widget.get_by_role("checkbox", name="Query 2 may attend to key 1")
        entry.tap()
        expect(entry).not_to_be_checked()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        small = widget.locator("input, button, select").evaluate_all(
            "all => all.filter(one => !one.hidden && one.type !== 'radio').filter(one => {"
            "const box = one.getBoundingClientRect(); return box.width < 24 || box.height < 24; }).length"
        )
        assert small == 0
        rows = widget.locator("fieldset label").evaluate_all(
            "all => Math.min(...all.map(one => one.getBoundingClientRect().height))"
        )
        assert rows >= 40
    finally:
        context.close()


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)])
def test_fits_and_is_accessible(
    new_page, book: Path, screenshots: Path, violations: Callable[..., list[str]], width: int, dark: bool
) -> None:
    # Tall, so that the page's own bar does not lie over the widget on the picture.
    page = new_page(width=width, height=2400, dark=dark)
    widget = open_widget(page, book)
    for probe in PROBES.values():
        widget.get_by_role("combobox").select_option(probe.label)
        assert widget.evaluate("host => host.scrollWidth <= host.clientWidth")
    widget.get_by_role("combobox").select_option("a mask with an empty row")
    judge(widget, dict.fromkeys(LETTERS, "right"))
    widget.get_by_role("button", name="Check my verdicts").click()
    assert violations(page, f"#{widget.get_attribute('id')}", ("serious", "critical")) == []
    colours = widget.locator(".plenary-live").evaluate("root => getComputedStyle(root).backgroundColor")
    assert colours == ("rgb(28, 34, 44)" if dark else "rgb(243, 241, 236)")
    widget.screenshot(path=screenshots / f"widget-black-boxes-{width}-{'dark' if dark else 'light'}.png")


def test_without_javascript_a_still_picture_says_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / PAGE).as_uri())
    host = page.locator(".plenary-widget").first
    still = host.get_by_role("img")
    expect(still).to_be_visible()
    assert "all six agree" in (still.get_attribute("aria-label") or "")
    expect(host).to_contain_text("needs JavaScript")
    expect(host.get_by_role("table")).to_have_count(1)
    expect(host.get_by_role("radio")).to_have_count(0)
