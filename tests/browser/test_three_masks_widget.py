"""The three-mask board on the chapter's page, opened as a file with no kernel and no network behind it."""

from itertools import combinations
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from plenary.widgets.base import module_source
from plenary.widgets.three_masks import BOARDS, MISTAKES, PAIRS, masks, tally

FUTURE, CROSS, PADDING = MISTAKES
SUBSETS = [list(some) for size in range(4) for some in combinations(MISTAKES, size)]


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / "book" / "transformer" / "encoder_decoder.html").as_uri())
    widget = page.locator(".plenary-widget[data-state=live]").first
    expect(widget.locator(".plenary-board:visible").first).to_be_visible()
    widget.scroll_into_view_if_needed()
    return widget


def cell(widget: Locator, board: str, row: int, column: int) -> Locator:
    return widget.locator(f"[data-cell='{board} {row} {column}']")


def shown(widget: Locator, board: str) -> list[list[bool]]:
    return widget.locator(f".plenary-board.{board} tr:has([data-cell])").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('button')].map(one => one.textContent[0] === '✓'))"
    )


def said(widget: Locator) -> str:
    return widget.locator("[aria-live=polite]").inner_text()


def switch(widget: Locator, name: str) -> Locator:
    return widget.get_by_role("switch", name=name)


def test_mouse_points_and_every_board_shows_the_masks_of_make_masks(page: Page, book: Path) -> None:
    widget = open_widget(page, book)
    expect(widget.locator(".plenary-board:visible")).to_have_count(3)
    assert said(widget) == (
        "Open. While writing dog, the decoder may listen to Hund: the whole source is known before the first word "
        "is written."
    )
    cell(widget, "target", 0, 1).hover()
    assert said(widget).startswith(
        "Shut. While writing the, the decoder may not listen to the: that is the very"
    )
    cell(widget, "target", 2, 5).hover()
    assert said(widget).endswith("this padding: padding means nothing, and its column is shut for every row.")
    cell(widget, "source", 0, 3).hover()
    assert "In the encoder, der may listen to gebellt: the source is finished" in said(widget)
    assert cell(widget, "source", 0, 3).get_attribute("aria-pressed") == "true"
    assert widget.locator("[aria-pressed=true]").count() == 1
    for number in (0, 1):
        widget.get_by_role("radio").nth(number).check()
        for mistakes in ([], [FUTURE], [FUTURE, CROSS], [CROSS, PADDING], [FUTURE, CROSS, PADDING]):
            for name in MISTAKES:
                if switch(widget, name).is_checked() != (name in mistakes):
                    switch(widget, name).click()
            made, counts = masks(number, mistakes), tally(number, mistakes)
            effect = widget.locator(".plenary-effect").inner_text()
            for board in BOARDS:
                assert shown(widget, board) == made[board].tolist(), (number, mistakes, board)
                wrong = counts[board].wrongly_open + counts[board].wrongly_shut
                assert widget.locator(f".{board} button.wrong").count() == wrong
                verdict = widget.locator(f".{board} .plenary-verdict").inner_text()
                assert (verdict == "as it should be") == (wrong == 0)
                if counts[board].wrongly_open:
                    assert f"{counts[board].wrongly_open} wrongly open" in verdict
            answers = counts["target"].answers
            assert (f"in {answers} rows the decoder may read the answer" in effect) == (answers > 0)
    cell(widget, "target", 1, 2).hover()
    assert (
        said(widget)
        == "Wrongly open. While writing likes, the decoder may listen to likes: it may read the answer."
    )
    # The words at a board's edges are those of the sentence.
    heads = widget.locator(".plenary-board.memory thead th").all_inner_texts()
    assert heads == list(PAIRS[1].source)
    rows = widget.locator(".plenary-board.target tbody th").evaluate_all(
        "all => all.map(one => one.textContent)"
    )
    assert rows == [f"{read}→ {write}" for read, write in zip(PAIRS[1].reads, PAIRS[1].target, strict=True)]


def test_keyboard_walks_and_the_table_of_numbers_follows(page: Page, book: Path) -> None:
    widget = open_widget(page, book)
    assert widget.locator(".plenary-board [tabindex='0']").count() == 3  # one stop on each board
    details = widget.locator("details")
    details.locator("summary").click()
    cell(widget, "memory", 1, 1).focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(cell(widget, "memory", 2, 3)).to_be_focused()
    assert said(widget).startswith("Open. While writing barked, the decoder may listen to gebellt")
    switch(widget, CROSS).press("Space")
    assert said(widget).startswith(
        "Wrongly shut. While writing barked, the decoder may not listen to gebellt"
    )
    expect(details).to_have_attribute("open", "")
    row = details.locator("tbody tr").nth(4 + 6 + 2).locator("td").all_inner_texts()
    assert row == ["der, Hund, hat", "–", "gebellt", "gebellt"]
    # The tabulator key leaves the board and comes back to the cell that was left.
    cell(widget, "memory", 2, 3).focus()
    page.keyboard.press("Tab")
    expect(cell(widget, "target", 0, 0)).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(cell(widget, "memory", 2, 3)).to_be_focused()


def test_touch_on_a_phone_one_board_at_a_time(browser, book: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 1400}, has_touch=True)
    try:
        page = context.new_page()
        widget = open_widget(page, book)
        for board in ("source", "target", "memory"):
            widget.get_by_role("group", name="Board").get_by_role("radio", name=board).check()
            expect(widget.locator(".plenary-board:visible")).to_have_count(1)
            last = widget.locator(f".plenary-board.{board} [data-cell]").last
            last.tap()
            assert last.get_attribute("aria-pressed") == "true"
            box = last.bounding_box()
            assert box
            assert min(box["width"], box["height"]) >= 34
        switch(widget, FUTURE).tap()
        widget.get_by_role("group", name="Board").get_by_role("radio", name="target").check()
        cell(widget, "target", 2, 3).tap()
        assert (
            said(widget)
            == "Wrongly open. While writing barked, the decoder may listen to barked: it may read the answer."
        )
    finally:
        context.close()


def test_javascript_makes_the_masks_of_torch(page: Page) -> None:
    page.goto("about:blank")
    cases = [[number, mistakes] for number in (0, 1) for mistakes in SUBSETS]
    found = page.evaluate(
        """async ([source, cases]) => {
            const address = "data:text/javascript;charset=utf-8," + encodeURIComponent(source);
            const { masks, tally } = await import(address);
            return cases.map((one) => [masks(...one), tally(...one)]);
        }""",
        [module_source("three_masks.mjs"), cases],
    )
    for (number, mistakes), (made, counts) in zip(cases, found, strict=True):
        assert made == {board: mask.tolist() for board, mask in masks(number, mistakes).items()}
        for board, count in tally(number, mistakes).items():
            assert tuple(counts[board].values()) == tuple(count)


def test_without_javascript_a_still_picture_says_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / "book" / "transformer" / "encoder_decoder.html").as_uri())
    host = page.locator(".plenary-widget").first
    still = host.get_by_role("img")
    expect(still).to_be_visible()
    assert "target hears target: 20 of 36 cells open" in (still.get_attribute("aria-label") or "")
    expect(host).to_contain_text("needs JavaScript")
    assert host.locator("tbody tr").count() == 16


@pytest.mark.parametrize(("width", "dark"), [(340, False), (390, True), (1280, True)])
def test_fits_and_is_accessible(
    new_page, book: Path, screenshots: Path, violations, width: int, dark: bool
) -> None:
    # Tall, so that the page's own bar does not lie over the widget on the picture.
    page = new_page(width=width, height=1700, dark=dark)
    widget = open_widget(page, book)
    widget.get_by_role("radio").nth(1).check()
    for name in MISTAKES:
        switch(widget, name).check()
    if width < 520:
        widget.get_by_role("group", name="Board").get_by_role("radio", name="target").check()
    cell(widget, "target", 1, 2).focus()
    assert widget.evaluate("host => host.scrollWidth <= host.clientWidth")
    # The table of numbers has a scroll of its own.
    outside = """host => [...host.querySelectorAll(".plenary-boards *, label")].filter((one) => {
        const [own, all] = [one, host].map((node) => node.getBoundingClientRect());
        return own.width && (own.left < all.left || own.right > all.right);
    }).map((one) => one.outerHTML)"""
    assert widget.evaluate(outside) == []
    smallest = """host => Math.min(...[...host.querySelectorAll("td, th, p, label, span, small")].map(
        (one) => parseFloat(getComputedStyle(one).fontSize)))"""
    assert widget.evaluate(smallest) >= 11
    assert violations(page, f"#{widget.get_attribute('id')}") == []
    widget.screenshot(path=screenshots / f"widget-three-masks-{width}-{'dark' if dark else 'light'}.png")
