"""The row of memory on the chapter's page, opened as a file with no kernel and no network behind it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from plenary.widgets.base import module_source
from plenary.widgets.flat_buffer import CELLS, STEPS, WIDTH, WORDS, Step, walk

NAMES = [f"{word[0]}{feature}" for word in WORDS for feature in range(WIDTH)]


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / "book" / "transformer" / "multi_head.html").as_uri())
    widget = page.locator(".plenary-widget[data-state=live]", has=page.locator(".plenary-flat-buffer"))
    expect(widget.locator("[data-address]")).to_have_count(CELLS)
    widget.scroll_into_view_if_needed()
    return widget


def cell(widget: Locator, address: int) -> Locator:
    return widget.locator(f"[data-address='{address}']")


def step(widget: Locator, name: str) -> Locator:
    return widget.get_by_role("group", name="Step", exact=True).locator(f"input[value={name}]")


def bug(widget: Locator) -> Locator:
    return widget.get_by_role("switch", name=re.compile("commonest bug"))


def shows(widget: Locator, one: Step, heads: int) -> None:
    """What is on the page is what torch has: shape, strides, memory, and the tensor index by index."""
    facts = widget.locator(".plenary-facts b").all_inner_texts()
    assert facts == [str(one.shape), str(one.strides), "yes" if one.tensor.is_contiguous() else "no"]
    memory = widget.locator("[data-address] b").all_inner_texts()
    assert memory == [NAMES[i] for i in one.memory]
    read = [
        [NAMES[int(name)] for name in table.flatten()]
        for table in (one.tensor[0] if one.shape[1] == heads else one.tensor[:1])
    ]
    tables = widget.locator(".plenary-stage table").all()
    assert [table.locator("td").all_inner_texts() for table in tables] == read
    summary = widget.locator("[aria-live=polite]").inner_text()
    found = re.match(r"(\w\d) .* stands at address (\d+) and is read as x?\[([\d, ]+)\]", summary)
    assert found, summary
    index = tuple(int(i) for i in found[3].split(","))
    assert NAMES[int(one.tensor[index])] == found[1] == memory[int(found[2])]
    terms = re.findall(r"(\d+) · (\d+)", widget.locator(".plenary-sum").inner_text())
    assert [(int(i), int(stride)) for i, stride in terms] == list(zip(index, one.strides, strict=True))
    assert sum(int(i) * int(stride) for i, stride in terms) == int(found[2])


def test_javascript_takes_the_steps_of_torch(page: Page) -> None:
    page.goto("about:blank")
    ways = [(heads, straight) for heads in (2, 3) for straight in (False, True)]
    found = page.evaluate(
        """async ([source, ways]) => {
            const url = "data:text/javascript;charset=utf-8," + encodeURIComponent(source);
            const { walk, places } = await import(url);
            return ways.map((way) => walk(...way).map((one) => ({ ...one, places: places(one) })));
        }""",
        [module_source("flat_buffer.mjs"), ways],
    )
    for way, steps in zip(ways, found, strict=True):
        expected = walk(*way)
        assert len(steps) == len(expected)
        for one, right in zip(steps, expected, strict=True):
            assert (one["code"], one["memory"]) == (right.code, right.memory)
            assert (tuple(one["shape"]), tuple(one["strides"])) == (right.shape, right.strides)
            values = right.tensor
            assert [int(values[tuple(place["index"])]) for place in one["places"]] == right.memory
            assert [place["cell"] for place in one["places"]] == right.memory


def test_mouse_and_keyboard_walk_the_steps_and_follow_a_number(page: Page, book: Path) -> None:
    widget = open_widget(page, book)
    words = widget.locator("[aria-live=polite]")
    for heads in (2, 3):
        widget.get_by_role("group", name="Heads", exact=True).get_by_role("radio", name=str(heads)).check()
        for name, one in zip(STEPS, walk(heads, straight=False), strict=True):
            step(widget, name).check()
            shows(widget, one, heads)
    # At the last step, with three heads, address 8 holds what stood at 2; the number that is followed went to 4.
    memory = walk(3, straight=False)[-1].memory
    expect(cell(widget, memory.index(8))).to_have_attribute("aria-pressed", "true")
    cell(widget, 8).click()
    expect(words).to_contain_text(
        f"{NAMES[memory[8]]} (feature {memory[8] % WIDTH} of “we”) stands at address 8"
    )
    step(widget, "start").check()
    expect(words).to_contain_text(f"stands at address {memory[8]}")
    # By keys: arrows along the row, a radio group by its arrows, the switch by the space bar.
    cell(widget, memory[8]).focus()
    for key, address in (("ArrowRight", 3), ("ArrowDown", 15), ("ArrowUp", 3), ("Home", 0), ("ArrowLeft", 0)):
        page.keyboard.press(key)
        expect(cell(widget, address)).to_be_focused()
        expect(words).to_contain_text(f"stands at address {address} ")
    page.keyboard.press("End")
    assert widget.locator("[data-address][tabindex='0']").count() == 1
    step(widget, "start").focus()
    page.keyboard.press("ArrowRight")
    shows(widget, walk(3, straight=False)[1], 3)
    bug(widget).press("Space")
    shows(widget, walk(3, straight=True)[1], 3)
    expect(words).to_contain_text(
        "head 2, row of “sea”, place 1. Head 2 holds 2 of “at” and all of “sea”, and nothing of “we” and “met”."
    )
    expect(step(widget, "transpose")).to_be_hidden()
    # A table of numbers follows and stays open.
    widget.locator("details summary").click()
    bug(widget).press("Space")
    expect(widget.locator("details")).to_have_attribute("open", "")
    assert widget.locator("details tbody tr").nth(6).locator("th, td").all_inner_texts() == [
        "6", "m0", "[0, 1, 0, 0]", "0", "met", "0",
    ]  # fmt: skip
    # A click in the table of a head follows that number as well.
    step(widget, "transpose").check()
    widget.locator(".plenary-stage td", has_text="a3").click()
    expect(cell(widget, 15)).to_have_attribute("aria-pressed", "true")


def test_touch_on_a_phone_shows_the_bug_in_two_lines(browser, book: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 1400}, has_touch=True)
    try:
        page = context.new_page()
        widget = open_widget(page, book)
        box = cell(widget, 13).bounding_box()
        assert box
        assert box["width"] >= 24
        assert box["height"] >= 40
        first, below = cell(widget, 0).bounding_box(), cell(widget, 12).bounding_box()
        assert first
        assert below
        assert below["x"] == pytest.approx(first["x"], abs=1)
        assert below["y"] > first["y"] + first["height"] - 1
        bug(widget).tap()
        step(widget, "view").tap()
        cell(widget, 13).tap()
        shows(widget, walk(2, straight=True)[1], 2)
        astray = widget.locator("td.astray").all_inner_texts()
        tensor = walk(2, straight=True)[1].tensor[0]
        assert astray == [
            NAMES[int(i)]
            for head in tensor
            for word, row in enumerate(head)
            for i in row
            if int(i) // WIDTH != word
        ]
        expect(widget.locator("[aria-live=polite]")).to_contain_text(
            "Head 1 holds all of “at” and all of “sea”, and nothing of “we” and “met”. "
            "What it takes for “we” is a0, a1 and a2."
        )
    finally:
        context.close()


def test_without_javascript_a_still_picture_says_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / "book" / "transformer" / "multi_head.html").as_uri())
    host = page.locator(".plenary-widget[id^=plenary-flatbuffer]")
    still = host.get_by_role("img")
    expect(still).to_be_visible()
    assert "After a straight view it holds the first 12 cells" in (still.get_attribute("aria-label") or "")
    expect(host).to_contain_text("needs JavaScript")
    assert host.locator("tbody tr").count() == len(WORDS)
    expect(host.get_by_role("radio")).to_have_count(0)


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_fits_and_is_accessible(
    new_page, book: Path, screenshots: Path, violations, width: int, dark: bool
) -> None:
    # Tall, so that the page's own bar does not lie over the widget on the picture.
    page = new_page(width=width, height=1700, dark=dark)
    widget = open_widget(page, book)
    # The table of numbers has a scroll of its own.
    outside = """host => [...host.querySelectorAll(".plenary-memory *, .plenary-stage *, label")].filter((one) => {
        const [own, all] = [one, host].map((node) => node.getBoundingClientRect());
        return own.width && (own.left < all.left || own.right > all.right);
    }).map((one) => one.outerHTML)"""
    smallest = """host => Math.min(...[...host.querySelectorAll("td, th, p, label, span, small, b")].map(
        (one) => parseFloat(getComputedStyle(one).fontSize)))"""
    for narrower in (0, 50):
        page.set_viewport_size({"width": width - narrower, "height": 1700})
        for straight in (False, True):
            bug(widget).set_checked(straight)
            step(widget, "view" if straight else "transpose").check()
            assert widget.evaluate("host => host.scrollWidth <= host.clientWidth")
            assert widget.evaluate(outside) == []
    assert widget.evaluate(smallest) >= 11
    page.set_viewport_size({"width": width, "height": 1700})
    cell(widget, 8).focus()
    assert violations(page, f"#{widget.get_attribute('id')}") == []
    widget.screenshot(path=screenshots / f"widget-flat-buffer-{width}-{'dark' if dark else 'light'}.png")
