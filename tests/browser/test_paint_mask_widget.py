"""The mask to paint on the chapter's page, opened as a file with no kernel and no network behind it."""

from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from plenary.widgets.base import module_source
from plenary.widgets.paint_mask import BOTH, CAUSAL, EVERYTHING, NOTHING, WAYS, WORDS, moved, weigh

HAND = [[True] * 5, [False] * 5, [True, False, False, True, True], [False, True] * 2 + [False], [True] * 5]


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / "book" / "attention" / "masking.html").as_uri())
    widget = page.locator(".plenary-widget[data-state=live]").first
    expect(widget.locator(".plenary-way.before, .plenary-way.after").first).to_be_visible()
    widget.scroll_into_view_if_needed()
    return widget


@pytest.fixture
def widget(page: Page, book: Path) -> Locator:
    return open_widget(page, book)


def cell(widget: Locator, query: str, key: str) -> Locator:
    return widget.get_by_role("button", name=f"{query} may listen to {key}")


def mask_of(widget: Locator) -> list[list[bool]]:
    pressed = widget.locator("[data-cell]").evaluate_all("all => all.map(one => one.ariaPressed === 'true')")
    return [pressed[start : start + 5] for start in range(0, 25, 5)]


def shown(widget: Locator, way: str) -> tuple[list[str], list[str], list[str]]:
    """The texts of one table: weights, row sums, and outputs without what stands below them."""
    table = widget.locator(f".plenary-way.{way}")
    outputs = table.locator("td.out").evaluate_all("all => all.map(one => one.firstChild.textContent)")
    return table.locator("td.weight").all_inner_texts(), table.locator("td.sum").all_inner_texts(), outputs


def expected(mask: list, way: str, fill: int = 0, changed: str = "nothing") -> tuple:
    one = weigh(mask, way, fill, changed)
    weights = [f"{w:.2f}" if w else "0" for w in one.weights.flatten().tolist()]
    return weights, [f"{s:.2f}" if s else "0" for s in one.sums.tolist()], [f"{o:.1f}" for o in one.outputs]


def pick(widget: Locator, group: str, name: str) -> None:
    widget.get_by_role("group", name=group).get_by_role("radio", name=name, exact=True).check()


def test_mouse_paints_a_stroke_and_all_three_tables_say_what_torch_says(widget: Locator, page: Page) -> None:
    assert mask_of(widget) == [list(row) for row in EVERYTHING]
    start, end = cell(widget, "we", "met").bounding_box(), cell(widget, "we", "pad").bounding_box()
    assert start
    assert end
    page.mouse.move(start["x"] + 20, start["y"] + 20)
    page.mouse.down()
    page.mouse.move(end["x"] + 20, end["y"] + 20, steps=12)
    page.mouse.up()
    mask = [[True] + [False] * 4] + [[True] * 5] * 4
    assert mask_of(widget) == mask
    for way in WAYS:
        assert shown(widget, way) == expected(mask, way), way
    kept = weigh(mask, "after").sums[0]
    words = widget.locator("[aria-live=polite]")
    expect(words).to_contain_text(
        f"Row “we”: without a mask its permitted keys have {kept:.2f} of the weight"
    )
    # A click takes one away, a second click gives it back.
    cell(widget, "sea", "pad").click()
    assert not mask_of(widget)[3][4]
    cell(widget, "sea", "pad").click()
    assert mask_of(widget)[3][4]


def test_keyboard_paints(widget: Locator) -> None:
    corner = cell(widget, "we", "we")
    assert widget.locator("[data-cell][tabindex='0']").count() == 1
    corner.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Space", "ArrowDown", "Enter"):
        widget.page.keyboard.press(key)
    mask = [list(row) for row in EVERYTHING]
    mask[1][2] = mask[2][2] = False
    assert mask_of(widget) == mask
    expect(cell(widget, "at", "at")).to_be_focused()
    assert cell(widget, "at", "at").get_attribute("aria-pressed") == "false"
    widget.page.keyboard.press("Space")
    assert mask_of(widget)[2][2]


def test_presets_and_what_an_empty_row_becomes(widget: Locator) -> None:
    for name, mask in (("causal", CAUSAL), ("causal and padding", BOTH), ("nothing", NOTHING)):
        pick(widget, "Mask", name)
        assert mask_of(widget) == [list(row) for row in mask]
        for way in WAYS:
            assert shown(widget, way) == expected(list(mask), way), (name, way)
    expect(widget.locator(".plenary-way.before")).to_contain_text("a plain softmax gives NaN")
    expect(widget.locator(".plenary-way.fill")).to_contain_text("uniform, 0.20 each")
    assert set(shown(widget, "fill")[0]) == {"0.20"}
    pick(widget, "Mask", "by hand")
    own = mask_of(widget)
    assert own not in ([list(row) for row in mask] for mask in (CAUSAL, BOTH, NOTHING, EVERYTHING))
    # What was painted by hand comes back after a preset.
    cell(widget, "we", "we").click()
    own = mask_of(widget)
    pick(widget, "Mask", "causal")
    pick(widget, "Mask", "by hand")
    assert mask_of(widget) == own


@pytest.mark.parametrize("fill", [0, -10])
def test_outputs_that_move_are_marked(widget: Locator, fill: int) -> None:
    pick(widget, "Mask", "causal")
    pick(widget, "Change what a word says", "sea")
    pick(widget, "Fill forbidden scores with", str(fill).replace("-", "−"))
    for way in WAYS:
        rows = widget.locator(f".plenary-way.{way} tbody tr")
        marked = [w for w, row in zip(WORDS, rows.all(), strict=True) if row.locator(".moved").count()]
        assert marked == moved(CAUSAL, way, fill, "sea"), way
        # The future may not be heard: where "we" moves, the mark says that this is wrong.
        assert rows.nth(0).locator(".moved.wrong").count() == (way != "before")
        assert shown(widget, way) == expected(list(CAUSAL), way, fill, "sea")
    expect(widget.locator("[aria-live=polite]")).to_contain_text(
        "with −∞ before: sea and pad; zeroed after: we, met,"
    )


def test_touch_paints_on_a_phone_and_one_way_is_shown_at_a_time(browser, book: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 1400}, has_touch=True)
    try:
        page = context.new_page()
        widget = open_widget(page, book)
        cell(widget, "met", "pad").tap()
        mask = [list(row) for row in EVERYTHING]
        mask[1][4] = False
        assert mask_of(widget) == mask
        box = cell(widget, "met", "pad").bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 40
        for name, way in (("zeroed after", "after"), ("filled", "fill"), ("−∞ before", "before")):
            pick(widget, "Show", name)
            assert widget.locator(".plenary-stage .plenary-way").count() == 1
            assert shown(widget, way) == expected(mask, way)
        # A finger that slides, which playwright cannot do by itself.
        session = context.new_cdp_session(page)
        first, last = (cell(widget, "at", word).bounding_box() for word in ("we", "at"))
        assert first
        assert last
        y = first["y"] + 20
        points = [first["x"] + 20 + step * (last["x"] - first["x"]) / 8 for step in range(9)]
        session.send(
            "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": points[0], "y": y}]}
        )
        for x in points[1:]:
            session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y}]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        mask[2][:3] = [False] * 3
        assert mask_of(widget) == mask
    finally:
        context.close()


def test_javascript_and_torch_agree_to_twelve_digits(page: Page) -> None:
    page.goto("about:blank")
    cases = [
        [[list(row) for row in mask], way, fill, changed]
        for mask in (EVERYTHING, NOTHING, CAUSAL, HAND)
        for way in WAYS
        for fill in (0, -10)
        for changed in ("nothing", *WORDS)
    ]
    found = page.evaluate(
        """async ([source, cases]) => {
            const { weigh } = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(source));
            return cases.map((one) => weigh(...one));
        }""",
        [module_source("paint_mask.mjs"), cases],
    )
    for case, numbers in zip(cases, found, strict=True):
        for name, value in weigh(*case)._asdict().items():
            numbers_now = torch.tensor(numbers[name], dtype=torch.float64)
            assert torch.allclose(numbers_now, value, rtol=0, atol=1e-12), (case, name)


def test_the_table_of_numbers_follows_and_stays_open(widget: Locator) -> None:
    details = widget.locator("details")
    details.locator("summary").click()
    pick(widget, "Mask", "causal")
    expect(details).to_have_attribute("open", "")
    texts = details.locator("tbody tr").nth(2).locator("td").all_inner_texts()
    after = weigh(CAUSAL, "after")
    assert texts[0] == "3"
    assert texts[3:5] == [f"{after.sums[2]:.4f}", f"{after.outputs[2]:.3f}"]


def test_without_javascript_a_still_picture_says_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / "book" / "attention" / "masking.html").as_uri())
    host = page.locator(".plenary-widget").first
    still = host.get_by_role("img")
    expect(still).to_be_visible()
    assert "pairs are forbidden" in (still.get_attribute("aria-label") or "")
    expect(host).to_contain_text("needs JavaScript")
    assert host.locator("tbody tr").count() == 5
    expect(host.get_by_role("radio")).to_have_count(0)


@pytest.mark.parametrize(("width", "dark"), [(340, False), (390, True), (1280, False), (1280, True)])
def test_fits_and_is_accessible(
    new_page, book: Path, screenshots: Path, violations, width: int, dark: bool
) -> None:
    # Tall, so that the page's own bar does not lie over the widget on the picture.
    page = new_page(width=width, height=1700, dark=dark)
    widget = open_widget(page, book)
    pick(widget, "Mask", "causal and padding")
    pick(widget, "Change what a word says", "sea")
    cell(widget, "at", "we").focus()
    assert widget.evaluate("host => host.scrollWidth <= host.clientWidth")
    # The table of numbers has a scroll of its own.
    outside = """host => [...host.querySelectorAll(".plenary-way *, label")].filter((one) => {
        const [own, all] = [one, host].map((node) => node.getBoundingClientRect());
        return own.width && (own.left < all.left || own.right > all.right);
    }).map((one) => one.outerHTML)"""
    assert widget.evaluate(outside) == []
    smallest = """host => Math.min(...[...host.querySelectorAll("td, th, p, label, span, small")].map(
        (one) => parseFloat(getComputedStyle(one).fontSize)))"""
    assert widget.evaluate(smallest) >= 11
    if width < 520:
        pick(widget, "Show", "filled")
    assert violations(page, f"#{widget.get_attribute('id')}") == []
    widget.screenshot(path=screenshots / f"widget-paint-mask-{width}-{'dark' if dark else 'light'}.png")
