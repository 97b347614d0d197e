"""Positions on the chapter's page, opened as a file with no kernel and no network behind it."""

import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from plenary.widgets.base import module_source
from plenary.widgets.positions import FIRST_ORDER, LENGTH, WORDS, carry, listen, moved, rows, similarity


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / "book" / "transformer" / "position.html").as_uri())
    widget = page.locator(".plenary-widget[data-state=live]").first
    expect(widget.locator("svg")).to_have_count(2)
    widget.scroll_into_view_if_needed()
    return widget


def order_of(widget: Locator) -> str:
    said = widget.locator(".plenary-sentence button").all_inner_texts()
    return "".join(str(WORDS.index(word)) for word in said)


def changes(widget: Locator, layer: str) -> list[str]:
    return widget.locator(f".plenary-layer.{layer} .plenary-change").all_inner_texts()


def expected(order: str, positions: bool) -> list[str]:
    return [f"{one:.2f}" if one > 1e-12 else "0" for one in moved(order, positions).tolist()]


def shows_what_torch_says(widget: Locator) -> None:
    """Both halves, as they stand, against PyTorch."""
    order = order_of(widget)
    assert changes(widget, "without") == ["0"] * 6
    assert changes(widget, "having") == expected(order, True)
    t, delta, pair = (int(one.input_value()) for one in widget.get_by_role("slider").all())
    turn = delta * 10000 ** (-2 * pair / 16)
    text = widget.locator(".plenary-summary").inner_text()
    found = re.search(
        r"From position (\d+) to (−?\d+).*? of columns (\d+) and \d+ turns by (\S+) radians.* dot product (\S+),",
        text,
    )
    assert found, text
    assert found[1] == str(t)
    assert found[2].replace("−", "-") == str(t + delta)
    assert found[3] == str(2 * pair)
    assert float(found[4].replace("−", "-")) == pytest.approx(turn, abs=6e-4)
    alike = float(rows(torch.tensor(t)) @ rows(torch.tensor(t + delta)))
    assert float(found[5]) == pytest.approx(alike, abs=6e-3)
    # The block at work, and the row where it should arrive: sine, then cosine.
    sums = widget.locator(".plenary-sums span").all_inner_texts()
    for at, line in enumerate(sums):
        numbers = [float(one.replace("−", "-")) for one in re.findall(r"−?\d\.\d\d", line)]
        assert numbers == pytest.approx([carry(t, delta).target[2 * pair + at].item()] * 2, abs=6e-3)
    check = widget.locator(".plenary-check b").inner_text()
    assert check == "0" or re.fullmatch(r"\d · 10⁻¹[⁴⁵⁶⁷]", check), check


@pytest.fixture
def widget(page: Page, book: Path) -> Locator:
    return open_widget(page, book)


def test_keyboard_moves_sliders_and_words(widget: Locator) -> None:
    t, offset, pair = widget.get_by_role("slider").all()
    before = widget.locator("svg").evaluate_all("all => all.map(one => one.outerHTML)")
    for slider, key, attribute in (
        (t, "ArrowRight", "6"),
        (offset, "ArrowLeft", "2"),
        (pair, "End", "pair 7"),
    ):
        slider.press(key)
        assert (slider.get_attribute("aria-valuetext") or "").startswith(attribute)
        shows_what_torch_says(widget)
    assert widget.locator("svg").evaluate_all("all => all.map(one => one.outerHTML)") != before
    # Off the table, below and above it; and no offset at all.
    offset.press("End")
    t.press("End")
    expect(widget.locator(".plenary-summary")).to_contain_text("to 46 (below the map)")
    offset.press("Home")
    t.press("Home")
    expect(widget.locator(".plenary-summary")).to_contain_text("to −15 (before the first word")
    shows_what_torch_says(widget)

    dog = widget.get_by_role("button", name="dog, place 1")
    dog.focus()
    for _ in range(4):
        widget.page.keyboard.press("ArrowRight")
    assert order_of(widget) == "023451"
    expect(widget.get_by_role("button", name="dog, place 5")).to_be_focused()
    widget.page.keyboard.press("ArrowRight")  # it is at the end, and stays there
    expect(widget.get_by_role("button", name="dog, place 5")).to_be_focused()
    shows_what_torch_says(widget)
    told = widget.locator(".plenary-said").inner_text()
    assert told.startswith("“one bit that old man dog”: without positions each word takes its output along")
    assert f"{moved('023451', True).max():.2f}" in told


def test_mouse_shuffles_moves_and_points_at_the_map(widget: Locator) -> None:
    for _ in range(3):
        before = order_of(widget)
        widget.get_by_role("button", name="shuffle").click()
        assert order_of(widget) not in (before, FIRST_ORDER)
        assert sorted(order_of(widget)) == sorted(FIRST_ORDER)
        shows_what_torch_says(widget)
    details = widget.locator("details").last
    details.locator("summary").click()
    widget.get_by_role("button", name="first order").click()
    assert changes(widget, "having") == ["0"] * 6
    widget.get_by_role("button", name="man, place 5").click()
    for _ in range(4):
        widget.get_by_role("button", name="Move the chosen word left").click()
    assert order_of(widget) == "051234"
    expect(details).to_have_attribute("open", "")
    cells = details.locator("tbody tr").nth(1).locator("td").all_inner_texts()
    assert cells == ["man", "0", f"{moved('051234', True)[1]:.4f}"]
    # The map takes a click: its 12th row, its 9th column.
    widget.locator("svg .cell").nth(12 * 16 + 9).click()
    sliders = [one.input_value() for one in widget.get_by_role("slider").all()]
    assert sliders == ["12", "3", "4"]
    bars = widget.locator("svg .bar").evaluate_all("all => all.map(one => one.width.baseVal.value)")
    alike = similarity(12)
    assert torch.allclose(torch.tensor(bars) / bars[12], (alike / alike[12]).float(), atol=1e-4)
    shows_what_torch_says(widget)


def test_touch_on_a_phone(browser, book: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 1400}, has_touch=True)
    try:
        widget = open_widget(context.new_page(), book)
        widget.get_by_role("button", name="dog, place 1").tap()
        widget.get_by_role("button", name="Move the chosen word right").tap()
        assert order_of(widget) == "021345"
        widget.get_by_role("button", name="shuffle").tap()
        slider = widget.get_by_role("slider").first.bounding_box()
        assert slider
        widget.page.touchscreen.tap(slider["x"] + slider["width"] - 3, slider["y"] + slider["height"] / 2)
        shows_what_torch_says(widget)
        for one in widget.locator("button:visible").all():
            box = one.bounding_box()
            assert box
            assert min(box["width"], box["height"]) >= 40
    finally:
        context.close()


def test_javascript_and_torch_agree_to_twelve_digits(page: Page) -> None:
    page.goto("about:blank")
    places = [[0, 0], [5, 3], [31, 15], [4, -9]]
    orders = [FIRST_ORDER, "543210", "052341", "230154"]
    carried, alike, heard = page.evaluate(
        """async ([source, places, orders]) => {
            const { carry, similarity, listen } =
                await import("data:text/javascript;charset=utf-8," + encodeURIComponent(source));
            return [places.map((one) => carry(...one)), places.map(([t]) => similarity(t)),
                orders.map((order) => [false, true].map((positions) => listen(order, positions)))];
        }""",
        [module_source("positions.mjs"), places, orders],
    )
    for place, one, bars in zip(places, carried, alike, strict=True):
        found = carry(*place)
        assert one["carried"] == pytest.approx(found.carried.tolist(), abs=1e-12)
        assert one["target"] == pytest.approx(found.target.tolist(), abs=1e-12)
        assert one["off"] < 1e-12
        assert bars == pytest.approx(similarity(place[0]).tolist(), abs=1e-12)
        assert len(bars) == LENGTH
    for order, both in zip(orders, heard, strict=True):
        for positions, one in zip((False, True), both, strict=True):
            table = torch.tensor(one, dtype=torch.float64)
            assert torch.allclose(table, listen(order, positions), rtol=0, atol=1e-12)


def test_without_javascript_a_still_picture_says_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / "book" / "transformer" / "position.html").as_uri())
    host = page.locator(".plenary-widget").first
    still = host.get_by_role("img")
    expect(still).to_be_visible()
    assert "The rotation carries row 5 to row 8" in (still.get_attribute("aria-label") or "")
    expect(host).to_contain_text("needs JavaScript")
    assert host.locator("tbody tr").count() == 6
    expect(host.get_by_role("slider")).to_have_count(0)


def test_fits_and_is_accessible(new_page, book: Path, screenshots: Path, violations) -> None:
    # Tall, so that the page's own bar does not lie over the widget on the picture.
    page = new_page(width=390, height=2100, dark=True)
    widget = open_widget(page, book)
    widget.get_by_role("button", name="shuffle").click()
    # The table of numbers has a scroll of its own.
    outside = """host => [...host.querySelectorAll("svg, label, button, p, .plenary-sums *")].filter((one) => {
        const [own, all] = [one, host].map((node) => node.getBoundingClientRect());
        return own.width && (own.left < all.left || own.right > all.right);
    }).map((one) => one.outerHTML)"""
    for width, theme in ((390, "dark"), (340, "dark"), (1280, "light")):
        page.set_viewport_size({"width": width, "height": 2100})
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        stage = widget.locator(".plenary-stage")
        expect(stage).to_have_class(re.compile("plenary-narrow" if width < 500 else "plenary-stage$"))
        expect(widget.locator("svg").first).to_have_attribute("width", re.compile(r"\d+"))
        page.wait_for_function(
            "([host, outside]) => eval(outside)(host).length === 0", arg=[widget.element_handle(), outside]
        )
        assert widget.evaluate("host => host.scrollWidth <= host.clientWidth")
        if width != 340:
            assert violations(page, f"#{widget.get_attribute('id')}") == []
        widget.screenshot(path=screenshots / f"widget-positions-{width}-{theme}.png")
