"""*One block at a time* on the closing chapter's page, with no kernel and no network behind it."""

import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from plenary.widgets.base import module_source
from plenary.widgets.online_softmax import MISTAKES, ROWS, attention, read

PAGE = Path("book") / "vision_transformer" / "where_next.html"


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / PAGE).as_uri())
    widget = page.locator(".plenary-widget[data-state=live]:has(.plenary-onlinesoftmax)")
    expect(widget.get_by_role("slider")).to_have_count(8)
    widget.scroll_into_view_if_needed()
    return widget


def outputs(widget: Locator) -> list[str]:
    return widget.locator(".ledger tbody tr td:last-child").all_inner_texts()


def shown(two: tuple[float, float]) -> str:
    return ", ".join(f"{part:.3f}".replace("-", "−") for part in two)


def test_javascript_and_torch_agree(page: Page) -> None:
    page.goto("about:blank")
    cases = [[list(row), block, how] for row in ROWS.values() for block in (1, 2, 4, 8) for how in MISTAKES]
    found = page.evaluate(
        """async ([source, cases]) => {
            const all = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(source));
            return cases.map((one) => [all.readInBlocks(...one).map((kept) => [kept.largest, kept.factor,
                kept.total, ...kept.blend, ...kept.output].map(String)), all.atOnce(one[0])]);
        }""",
        [module_source("online_softmax.mjs"), cases],
    )
    for (row, block, how), (kept, whole) in zip(cases, found, strict=True):
        exact = torch.tensor(row, dtype=torch.float64)
        expected = read(exact.float() if how == "no maximum" else exact, block, how)
        within = {"rel": 1e-5, "abs": 1e-6} if how == "no maximum" else {"rel": 1e-9, "abs": 1e-9}
        for got, one in zip(kept, expected, strict=True):
            numbers = [float(text.replace("Infinity", "inf")) for text in got]
            wanted = [one.largest, one.factor, one.total, *one.blend, *one.output]
            assert numbers == pytest.approx(wanted, nan_ok=True, **within), (row, block, how)
        assert whole == pytest.approx(attention(exact), abs=1e-9)


def test_a_reader_reads_changes_and_breaks_it(page: Page, book: Path) -> None:
    """By mouse and by keyboard: block after block, another score, another size, both mistakes."""
    widget = open_widget(page, book)
    words = widget.locator(".plenary-summary")
    row = torch.tensor(ROWS["the largest comes last"], dtype=torch.float64)
    step = widget.get_by_role("button", name="read a block")
    for count, kept in enumerate(read(row, 2), start=1):
        step.click()
        assert outputs(widget)[count - 1] == shown(kept.output)
    expect(words).to_contain_text("That is softmax attention over the whole row")
    expect(step).to_be_disabled()
    assert outputs(widget)[-1] == shown(attention(row))

    slider = widget.get_by_role("slider", name="Score of key 8")
    slider.press("ArrowUp")
    row[7] += 0.5
    expect(slider).to_be_focused()
    assert outputs(widget)[-1] == shown(attention(row))
    box = widget.get_by_role("slider", name="Score of key 1").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 8, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 8, box["y"] + 64, steps=4)
    page.mouse.up()
    row[0] += 1
    assert outputs(widget)[-1] == shown(attention(row))

    widget.get_by_label("steps").select_option("not rescaled")
    wrong = read(row, 2, "not rescaled")[-1].output
    expect(words).to_contain_text(
        re.compile(r"the result is off by [\d.]+ \(what was kept is not rescaled\)")
    )
    assert outputs(widget)[-2] == shown(wrong)
    widget.get_by_role("button", name="around ninety").press("Enter")
    widget.get_by_label("keys in a block").select_option("4")
    widget.get_by_label("steps").select_option("no maximum")
    widget.get_by_role("button", name="read all").click()
    expect(words).to_contain_text("the result is not a number (no maximum subtracted (float32))")
    widget.get_by_role("button", name="take one back").click()
    assert len(outputs(widget)) == 1


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_fits_and_is_accessible(
    new_page, book: Path, screenshots: Path, violations, width: int, dark: bool
) -> None:
    page = new_page(width=width, height=1400, dark=dark)
    widget = open_widget(page, book)
    read_all = widget.get_by_role("button", name="read all")
    read_all.tap() if width < 500 else read_all.click()
    assert widget.evaluate("host => host.scrollWidth <= host.clientWidth")
    assert violations(page, f"#{widget.get_attribute('id')}") == []
    widget.screenshot(path=screenshots / f"widget-online-softmax-{width}-{'dark' if dark else 'light'}.png")


def test_without_javascript_a_still_says_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / PAGE).as_uri())
    still = page.locator(".plenary-widget").filter(has_text="What is kept after each block")
    expect(still.get_by_role("img")).to_be_visible()
