"""The widget of pre-norm and post-norm on its chapter's page, opened as a file with no kernel and no network."""

import re
from math import log
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from plenary.widgets.norm_placement import DEPTHS, KINDS, Kind, load, medians

SUMMARY = re.compile(
    r"(?P<depth>\d+) layers, gradient of a layer’s (?P<what>weights|input)\. "
    r"Pre-norm: the first layer’s is (?P<pre>[\d.]+) times the last’s\. Post-norm: (?P<post>[\d.]+) times\. "
    r"In the last layer post-norm’s is (?P<last>[\d.]+) times pre-norm’s\."
)


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / "book" / "transformer" / "encoder_block.html").as_uri())
    widget = page.locator(".plenary-widget[data-state=live]").first
    expect(widget.locator("svg")).to_have_count(2)
    widget.scroll_into_view_if_needed()
    return widget


def drawing(widget: Locator) -> tuple[str, ...]:
    return tuple(widget.locator("svg").evaluate_all("all => all.map(one => one.outerHTML)"))


def said(widget: Locator) -> dict[str, str]:
    text = widget.locator("[aria-live=polite]").inner_text()
    found = SUMMARY.fullmatch(text)
    assert found, text
    return found.groupdict()


def test_keyboard_goes_through_all_depths_and_shows_what_was_measured(page: Page, book: Path) -> None:
    widget = open_widget(page, book)
    slider = widget.get_by_role("slider", name="Number of layers")
    weights, inputs = (widget.get_by_role("radio", name=name) for name in ("weights", "input"))
    expect(weights).to_be_checked()
    slider.focus()
    slider.press("Home")
    for what in ("weights", "input"):
        for depth in DEPTHS:
            assert slider.get_attribute("aria-valuetext") == f"{depth} layers"
            pre, post = medians(what, "pre", depth), medians(what, "post", depth)
            found = said(widget)
            assert (found["depth"], found["what"]) == (str(depth), what)
            assert float(found["pre"]) == pytest.approx(pre[0] / pre[-1], abs=0.051)
            assert float(found["post"]) == pytest.approx(post[0] / post[-1], abs=0.051)
            assert float(found["last"]) == pytest.approx(post[-1] / pre[-1], abs=0.051)
            # A dot for every layer of both kinds, and one for every depth of both.
            counts = widget.locator("svg").evaluate_all(
                "all => all.map(one => one.querySelectorAll('circle').length)"
            )
            assert counts == [2 * depth, 2 * len(DEPTHS)]
            if depth != DEPTHS[-1]:
                slider.press("ArrowRight")
        if what == "weights":
            before = drawing(widget)
            weights.focus()
            weights.press("ArrowRight")
            expect(inputs).to_be_checked()
            assert all(old != new for old, new in zip(before, drawing(widget), strict=True))
            slider.press("Home")

    # The table holds every layer of the deepest stack, and stays open while the slider moves.
    widget.locator("summary").click()
    rows = widget.locator("tbody tr")
    expect(rows).to_have_count(32)
    for layer in (0, 31):
        cells = rows.nth(layer).locator("th, td").all_inner_texts()
        numbers = [
            float(number)
            for cell in cells[1:]
            for number in re.findall(r"\d+\.?\d*", cell.replace("to", " "))
        ]
        three = [load()["input"][kind]["32"][layer] for kind in KINDS]
        expected = [number for low, middle, high in three for number in (middle, low, high)]
        assert cells[0] == str(layer)
        assert numbers == pytest.approx(expected, rel=0.051)
    slider.press("ArrowLeft")
    expect(rows).to_have_count(24)


def test_mouse_moves_the_slider_and_the_points_stand_at_their_values(page: Page, book: Path) -> None:
    widget = open_widget(page, book)
    slider = widget.get_by_role("slider")
    box = slider.bounding_box()
    assert box is not None
    before, pixels = drawing(widget), widget.screenshot()
    page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    assert said(widget)["depth"] == "32"
    assert all(old != new for old, new in zip(before, drawing(widget), strict=True))
    assert widget.screenshot() != pixels
    # The upright axis is logarithmic: heights of the dots are linear in the logarithm of the medians.
    heights: dict[Kind, list[float]] = {
        kind: widget.locator("svg")
        .first.locator(f"circle.{kind}")
        .evaluate_all("all => all.map(one => Number(one.getAttribute('cy')))")
        for kind in KINDS
    }
    known = [(medians("weights", kind, 32)[at], heights[kind][at]) for kind in heights for at in range(32)]
    one, other = min(known), max(known)
    per_unit = (other[1] - one[1]) / (log(other[0]) - log(one[0]))
    assert per_unit < 0
    for value, height in known:
        assert height == pytest.approx(one[1] + per_unit * (log(value) - log(one[0])), abs=0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_fits_a_phone_answers_to_touch_and_is_accessible(
    browser, book: Path, screenshots: Path, violations, dark: bool
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 1400},
        color_scheme="dark" if dark else "light",
        has_touch=True,
        reduced_motion="reduce",
    )
    page = context.new_page()
    widget = open_widget(page, book)
    widget.get_by_role("radio", name="input").tap()
    assert said(widget)["what"] == "input"
    box = widget.get_by_role("slider").bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    assert said(widget)["depth"] == "32"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    inside = """host => [...host.querySelectorAll("svg text")].every((text) => {
        const [own, all] = [text.getBoundingClientRect(), host.getBoundingClientRect()];
        return own.left >= all.left && own.right <= all.right;
    })"""
    assert widget.evaluate(inside)
    assert violations(page, f"#{widget.get_attribute('id')}") == []
    widget.screenshot(path=screenshots / f"widget-norm-placement-390-{'dark' if dark else 'light'}.png")
    context.close()


def test_without_javascript_a_still_picture_says_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / "book" / "transformer" / "encoder_block.html").as_uri())
    host = page.locator(".plenary-widget").first
    still = host.get_by_role("img")
    expect(still).to_be_visible()
    assert "fresh encoder of 24 layers" in (still.get_attribute("aria-label") or "")
    expect(host).to_contain_text("needs JavaScript")
    expect(host.get_by_role("slider")).to_have_count(0)
