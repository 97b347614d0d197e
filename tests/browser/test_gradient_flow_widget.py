"""The gradient-flow widget on its chapter's page, opened as a file with no kernel and no network behind it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from plenary.widgets.base import module_source
from plenary.widgets.gradient_flow import MOST, measure

SUMMARY = re.compile(
    r"Query (?P<query>\d), key (?P<key>\d), pushed up by (?P<push>[\d.]+): weight (?P<weight>[\d.]+), "
    r"gradient of the score (?P<gradient>[+−][\d.]+) \((?P<moved>[^)]+)\)\. "
    r"Row \d sends a gradient of norm (?P<q>\S+) to query \d, (?P<k>\S+) to the keys and (?P<v>\S+) "
    r"to the values\.(?P<before> Without the push it was .*\.)?"
)


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / "book" / "attention" / "attention_gradients.html").as_uri())
    widget = page.locator(".plenary-widget[data-state=live]").first
    expect(widget.locator(".plot svg")).to_have_count(1)
    widget.scroll_into_view_if_needed()
    return widget


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def said(widget: Locator) -> dict[str, str]:
    text = widget.locator("[aria-live=polite]").inner_text()
    found = SUMMARY.fullmatch(text)
    assert found, text
    return found.groupdict()


def score(widget: Locator, query: int, key: int) -> Locator:
    return widget.get_by_role("radio", name=re.compile(f"^query {query}, key {key}:"))


def shown(widget: Locator, name: str) -> list[list[float]]:
    """The rows of a heat table, the part below the chosen row included."""
    rows = widget.locator(f".{name} table.heat tr").evaluate_all(
        "all => all.map(row => [...row.querySelectorAll('td')].map(cell => cell.textContent))"
    )
    return [[number(text) for text in row] for row in rows]


def check_numbers(widget: Locator, query: int, key: int, push: float) -> None:
    """Everything shown is what torch finds."""
    flow = measure(query, key, push)
    words = said(widget)
    assert (int(words["query"]), int(words["key"]), float(words["push"])) == (query, key, push)
    assert float(words["weight"]) == pytest.approx(flow.weights[query - 1, key - 1].item(), abs=6e-4)
    gradient = flow.grad_scores[query - 1, key - 1].item()
    assert number(words["gradient"]) == pytest.approx(gradient, abs=6e-5)
    for name, norm in zip("qkv", flow.norms, strict=True):
        assert float(words[name]) == pytest.approx(norm, rel=0.06), name
    for name, rows, part, chosen in (
        ("query", flow.grad_query, flow.part_query, query),
        ("key", flow.grad_key, flow.part_key, key),
        ("value", flow.grad_value, flow.part_value, key),
    ):
        expected = rows.tolist()
        expected.insert(chosen, part.tolist())
        for row, other in zip(shown(widget, name), expected, strict=True):
            assert row == pytest.approx(other, abs=0.006), name
    for t in range(3):
        for s in range(4):
            button = score(widget, t + 1, s + 1)
            value = number((button.locator("b").text_content() or "").strip())
            assert value == pytest.approx(flow.grad_scores[t, s].item(), abs=0.006)
    assert widget.locator("[role=radio][aria-checked=true]").count() == 1


@pytest.fixture
def widget(page: Page, book: Path) -> Locator:
    return open_widget(page, book)


def test_mouse_picks_a_score_and_drags_the_push(widget: Locator, page: Page) -> None:
    check_numbers(widget, 1, 3, 0.0)
    pixels = widget.screenshot()
    score(widget, 3, 2).click()
    check_numbers(widget, 3, 2, 0.0)
    assert said(widget)["before"] is None
    slider = widget.get_by_role("slider", name="Push on the chosen score")
    slider.evaluate("one => one.scrollIntoView({ block: 'center' })")  # else under the page's own bar
    box = slider.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] + 20, middle, steps=4)
    page.mouse.up()
    check_numbers(widget, 3, 2, MOST)
    assert said(widget)["before"]
    assert widget.screenshot() != pixels


def test_arrow_keys_walk_over_the_scores_and_move_the_push(widget: Locator, page: Page) -> None:
    score(widget, 1, 3).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    check_numbers(widget, 2, 2, 0.0)
    expect(score(widget, 2, 2)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")  # at the edge: stays
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(score(widget, 3, 1)).to_be_focused()
    # One stop for the whole table: the next tab leaves it, the one before is the slider.
    page.keyboard.press("Shift+Tab")
    slider = widget.get_by_role("slider", name="Push on the chosen score")
    expect(slider).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    check_numbers(widget, 3, 1, 0.5)
    assert slider.get_attribute("aria-valuetext") == f"0.50, weight {said(widget)['weight']}"


def test_touch_at_390_pixels(browser, book: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    try:
        page = context.new_page()
        widget = open_widget(page, book)
        score(widget, 2, 4).tap()
        slider = widget.get_by_role("slider")
        box = slider.bounding_box()
        assert box is not None
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        check_numbers(widget, 2, 4, 5.0)
        sizes = widget.get_by_role("radio").evaluate_all(
            "all => all.map(one => [one.offsetWidth, one.offsetHeight])"
        )
        assert min(min(size) for size in sizes) >= 40
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    finally:
        context.close()


def test_the_push_grows_the_value_and_kills_the_rest(widget: Locator) -> None:
    slider = widget.get_by_role("slider")
    slider.press("Home")
    first = said(widget)
    slider.press("End")
    last = said(widget)
    assert float(last["q"]) < float(first["q"]) / 1000
    assert float(last["k"]) < float(first["k"]) / 1000
    assert float(last["v"]) > float(first["v"])
    numbers = widget.locator("details.plenary-numbers")
    numbers.locator("summary").click()
    expect(numbers.locator("caption")).to_have_text("Row 1 with 10.00 added to the score of key 3")
    slider.press("Home")
    assert numbers.evaluate("one => one.open"), "an open table stays open"
    cells = numbers.locator("tbody tr").nth(2).locator("td").all_text_contents()
    flow = measure(1, 3, 0.0)
    expected = [t[0, 2].item() for t in (flow.scores, flow.weights, flow.grad_weights, flow.grad_scores)]
    assert [number(text) for text in cells] == pytest.approx(expected, abs=0.006)


def test_javascript_and_torch_agree_to_nine_digits(page: Page) -> None:
    page.goto("about:blank")
    settings = [(t, s, push) for t in (1, 2, 3) for s in (1, 2, 3, 4) for push in (0, 1.25, 10)]
    found = page.evaluate(
        """async ([source, settings]) => {
            const { measure } = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(source));
            return settings.map((setting) => {
                const all = measure(...setting);
                return [all.gradQuery, all.gradKey, all.gradValue, all.gradScores, all.weights,
                    all.partQuery, all.partKey, all.partValue, all.norms].flat(2);
            });
        }""",
        [module_source("gradient_flow.mjs"), settings],
    )
    for setting, numbers in zip(settings, found, strict=True):
        flow = measure(*setting)
        expected = [
            value
            for tensor in (
                *(flow.grad_query, flow.grad_key, flow.grad_value, flow.grad_scores, flow.weights),
                *(flow.part_query, flow.part_key, flow.part_value),
            )
            for value in tensor.flatten().tolist()
        ]
        assert numbers == pytest.approx([*expected, *flow.norms], abs=1e-9)


def test_the_sign_is_seen_without_colour(widget: Locator) -> None:
    cells = widget.locator(".heat td").evaluate_all(
        "all => all.map(one => [one.textContent[0], getComputedStyle(one).backgroundImage.slice(0, 9)])"
    )
    assert {sign for sign, _ in cells} >= {"+", "−"}
    assert all((sign == "−") == (fill == "repeating") for sign, fill in cells)


def test_without_javascript_a_still_picture_and_a_table_say_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / "book" / "attention" / "attention_gradients.html").as_uri())
    host = page.locator(".plenary-widget").first
    still = host.get_by_role("img")
    expect(still).to_be_visible()
    assert "that to the keys from" in (still.get_attribute("aria-label") or "")
    expect(host).to_contain_text("needs JavaScript")
    expect(host.locator("tbody tr")).to_have_count(4)
    expect(host.get_by_role("slider")).to_have_count(0)


@pytest.mark.parametrize(("width", "dark"), [(340, False), (390, True), (1280, False)])
def test_fits_and_is_accessible(
    new_page, book: Path, screenshots: Path, violations, width: int, dark: bool
) -> None:
    page = new_page(width=width, height=1800, dark=dark)
    widget = open_widget(page, book)
    widget.get_by_role("slider").press("ArrowRight")
    assert widget.evaluate("host => host.scrollWidth <= host.clientWidth")
    overfull = """host => [...host.querySelectorAll(".heat :is(td, th), button.cell, text")].filter((one) => {
        const [own, all] = [one.getBoundingClientRect(), host.getBoundingClientRect()];
        return one.scrollWidth > one.clientWidth + 1 || own.left < all.left || own.right > all.right;
    }).map((one) => one.textContent)"""
    assert widget.evaluate(overfull) == []
    smallest = """host => Math.min(...[...host.querySelectorAll("text, tspan, p, td, th, label, small")].map(
        (one) => parseFloat(getComputedStyle(one).fontSize)))"""
    assert widget.evaluate(smallest) >= 11
    widget.screenshot(path=screenshots / f"widget-gradient-flow-{width}-{'dark' if dark else 'light'}.png")
    # What stands around the widget goes, and what it stands in stays: a long page costs axe many seconds.
    widget.evaluate(
        """host => {
            for (let one = host; one !== document.body; one = one.parentElement) {
                for (const other of [...one.parentElement.children]) {
                    if (other !== one && !["SCRIPT", "STYLE"].includes(other.tagName)) other.remove();
                }
            }
        }"""
    )
    assert violations(page, f"#{widget.get_attribute('id')}") == []
