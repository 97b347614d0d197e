"""Stretching positions on the chapter's page, opened as a file with no kernel and no network behind it."""

import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from plenary import interpolate_positions
from plenary.widgets import StretchPositions
from plenary.widgets.base import module_source
from plenary.widgets.stretch_positions import WAYS, compare, learned, stretch

GRIDS = [[8, 8], [2, 7], [5, 3], [4, 4], [8, 2], [3, 6]]


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / "book" / "vision_transformer" / "class_token.html").as_uri())
    widget = page.locator(".plenary-widget[data-state=live]").first
    expect(widget.locator("svg")).to_have_count(1)
    widget.scroll_into_view_if_needed()
    return widget


def board(widget: Locator, name: str) -> Locator:
    return widget.locator(f".plenary-panel.{name} .plenary-cells")


def shows_what_torch_says(widget: Locator, chosen: tuple[str, int, int]) -> None:
    """Grid, way and chosen patch, as they stand, against PyTorch."""
    height, width = (int(one.input_value()) for one in widget.get_by_role("slider").all())
    way = widget.locator("input[type=radio]:checked").input_value()
    found = compare(height, width, way, *chosen)
    for name, values in (("old", found.old), ("new", found.new)):
        cells = board(widget, name).get_by_role("button")
        expect(cells).to_have_count(values.numel())
        labels = cells.evaluate_all("all => all.map(one => one.ariaLabel)")
        said = [float(label.split("cosine ")[1].replace("−", "-")) for label in labels]
        assert said == pytest.approx(values.flatten().tolist(), abs=6e-3)
    pressed = widget.locator(".plenary-cells [aria-pressed=true]")
    name, row, column = chosen
    expect(pressed).to_have_count(1)
    expect(pressed).to_have_attribute("aria-label", re.compile(rf"^{name.title()} patch \({row}, {column}\)"))
    expect(widget.locator("svg .sample")).to_have_count(height * width)
    text = widget.locator(".plenary-summary").inner_text()
    kept = {0: "none have", 1: "1 has", height * width: "all have"}.get(found.kept, f"{found.kept} have")
    assert f"Of the {height * width} new patches, {kept} an old position exactly." in text
    if way != "right" and float(found.off.max()) > 0:
        share = re.search(r"off the right one by (\d+) % of its length on average", text)
        assert share, text
        assert int(share[1]) == pytest.approx(100 * float(found.off.mean()), abs=0.51)


@pytest.fixture
def widget(page: Page, book: Path) -> Locator:
    return open_widget(page, book)


def test_keyboard_mouse_and_the_numbers(widget: Locator) -> None:
    shows_what_torch_says(widget, ("old", 1, 1))
    keys = widget.page.keyboard
    board(widget, "old").get_by_role("button", name="Old patch (1, 1)").focus()
    keys.press("ArrowRight")
    expect(board(widget, "old").get_by_role("button", name="Old patch (1, 2)")).to_be_focused()
    for _ in range(4):
        keys.press("ArrowDown")
    shows_what_torch_says(widget, ("old", 3, 2))
    rows, columns = widget.get_by_role("slider").all()
    rows.press("End")
    columns.press("ArrowLeft")
    assert (rows.get_attribute("aria-valuetext"), columns.get_attribute("aria-valuetext")) == (
        "8 rows",
        "5 columns",
    )
    shows_what_torch_says(widget, ("old", 3, 2))
    # Tab goes from the one stop of the old board to the one of the new.
    board(widget, "old").locator("[tabindex='0']").focus()
    keys.press("Tab")
    expect(board(widget, "new").locator("button").first).to_be_focused()
    keys.press("ArrowDown")
    shows_what_torch_says(widget, ("new", 1, 0))

    board(widget, "new").locator("button").nth(5 * 7 + 4).click()
    for way in WAYS[1:]:
        widget.get_by_role("radio", name=way).click()
        shows_what_torch_says(widget, ("new", 7, 4))
    radio = widget.get_by_role("radio", name="corners aligned")
    radio.press("ArrowUp")
    shows_what_torch_says(widget, ("new", 7, 4))
    # A smaller grid: the chosen place is then its last one. On the old grid itself nothing changes.
    for _ in range(4):
        rows.press("ArrowLeft")
    columns.press("ArrowLeft")
    shows_what_torch_says(widget, ("new", 3, 3))
    expect(widget.locator(".plenary-summary")).to_contain_text("this mistake changes no patch’s position")
    widget.get_by_role("radio", name="right").click()
    expect(widget.locator(".plenary-summary")).to_contain_text("Of the 16 new patches, all have")
    widget.locator("details summary").click()
    rows.press("ArrowRight")
    expect(widget.locator("details")).to_have_attribute("open", "")
    expect(widget.locator("details tbody tr")).to_have_count(20)
    cells = widget.locator("details tbody tr").first.locator("th, td").all_inner_texts()
    value = float(compare(5, 4, "right", "new", 7, 4).new[0, 0])
    assert cells == ["(0, 0)", f"{value:.2f}".replace("-", "−"), "−0.10", "0.00", "0 %"]


def test_javascript_and_torch_agree_on_every_number(page: Page) -> None:
    page.goto("about:blank")
    found = page.evaluate(
        """async ([source, encoded, grids, ways]) => {
            const { stretch, decodeFloat16 } = await import("data:text/javascript;charset=utf-8," +
                encodeURIComponent(source + "\\nexport { decodeFloat16 };"));
            const old = { rows: 17, cols: 48, data: decodeFloat16(encoded) };
            return grids.map((grid) => ways.map((way) => {
                const { positions, places } = stretch(old, grid, way);
                return [Array.from(positions.data), places];
            }));
        }""",
        [module_source("stretch_positions.mjs"), StretchPositions().positions, GRIDS, WAYS],
    )
    for grid, ways in zip(GRIDS, found, strict=True):
        for way, (numbers, places) in zip(WAYS, ways, strict=True):
            expected = stretch(learned(), (grid[0], grid[1]), way)
            table = torch.tensor(numbers, dtype=torch.float64).view(-1, 48)
            torch.testing.assert_close(table, expected, rtol=0, atol=1e-9)
            assert len(places) == grid[0] * grid[1]
        right = interpolate_positions(learned()[None], (4, 4), (grid[0], grid[1]))[0]
        table = torch.tensor(ways[0][0], dtype=torch.float64).view(-1, 48)
        torch.testing.assert_close(table, right, rtol=0, atol=1e-9)
        y = [(row + 0.5) * 4 / grid[0] - 0.5 for row in range(grid[0])]
        assert [place[0] for place in ways[0][1][:: grid[1]]] == pytest.approx(y)


def test_touch_on_a_phone_fits_and_is_accessible(new_page, book: Path, screenshots: Path, violations) -> None:
    # Tall, so that the page's own bar does not lie over the widget on the picture.
    page = new_page(width=390, height=1900, dark=True)
    widget = open_widget(page, book)
    board(widget, "old").locator("button").nth(9).tap()
    shows_what_torch_says(widget, ("old", 2, 1))
    slider = widget.get_by_role("slider").first.bounding_box()
    assert slider
    page.touchscreen.tap(slider["x"] + slider["width"] - 3, slider["y"] + slider["height"] / 2)
    widget.get_by_role("radio", name="axes exchanged").tap()
    board(widget, "new").locator("button").nth(6 * 8 - 1).tap()
    shows_what_torch_says(widget, ("new", 7, 5))
    outside = """host => [...host.querySelectorAll("svg, svg text, label, button, p")].filter((one) => {
        const [own, all] = [one, host].map((node) => node.getBoundingClientRect());
        return own.width && (own.left < all.left || own.right > all.right);
    }).map((one) => one.outerHTML)"""
    for width, theme in ((390, "dark"), (340, "light"), (1280, "light")):
        page.set_viewport_size({"width": width, "height": 1900})
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        stage = widget.locator(".plenary-stage")
        expect(stage).to_have_class(re.compile("plenary-narrow" if width < 500 else "plenary-stage$"))
        page.wait_for_function(
            "([host, outside]) => eval(outside)(host).length === 0", arg=[widget.element_handle(), outside]
        )
        assert widget.evaluate("host => host.scrollWidth <= host.clientWidth")
        sides = """host => Math.min(...[...host.querySelectorAll(".plenary-cells button")].map(
            (one) => one.getBoundingClientRect().width))"""
        assert widget.evaluate(sides) >= 30
        if width != 340:
            assert violations(page, f"#{widget.get_attribute('id')}") == []
        widget.screenshot(path=screenshots / f"widget-stretch-{width}-{theme}.png")


def test_without_javascript_a_still_picture_says_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / "book" / "vision_transformer" / "class_token.html").as_uri())
    host = page.locator(".plenary-widget").first
    still = host.get_by_role("img")
    expect(still).to_be_visible()
    assert "The position of old patch (1, 1) compared" in (still.get_attribute("aria-label") or "")
    expect(host).to_contain_text("needs JavaScript")
    assert host.locator("tbody tr").count() == 6
    expect(host.get_by_role("slider")).to_have_count(0)
