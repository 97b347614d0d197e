"""Same weights, same logits, on its chapter's page, opened as a file with no kernel and no network."""

from decimal import ROUND_HALF_UP, Decimal
from math import log10
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from plenary.widgets.same_weights import MISTAKES, STAGES, Weights, load, parted, run

LAST = len(STAGES) - 1


def short(number: float) -> str:
    """A difference as the page writes it."""
    if number == 0:
        return "0"
    # To one digit, a tie away from zero, as JavaScript does; Python would go to the even one.
    exact = Decimal(number)
    power = exact.adjusted()
    digit = int(exact.scaleb(-power).quantize(Decimal(1), ROUND_HALF_UP))
    digit, power = (1, power + 1) if digit == 10 else (digit, power)
    return f"{digit * 10.0**power:g}" if power >= -2 else f"{digit}e{power}"


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / "book" / "vision_transformer" / "vision_transformer.html").as_uri())
    widget = page.locator(".plenary-widget[data-state=live]", has=page.locator(".plenary-same-weights"))
    expect(widget.locator("svg")).to_have_count(1)
    widget.scroll_into_view_if_needed()
    return widget


def agrees(widget: Locator, mistake: str, weights: Weights, precision: str, stage: int) -> None:
    """What is shown is what was measured: the rows so far, where the two part, the names and the sentence."""
    found = run(mistake, weights, precision)
    at = parted(mistake, weights, precision)
    texts = widget.locator("svg text").all_text_contents()
    shown = [short(one) for one in found["differences"][: stage + 1]]
    assert widget.locator("svg text.value").all_text_contents() == shown
    assert texts.count("?") == LAST - stage
    marks = [text for text in texts if text in ("=", "≠")]
    bound = 10 * max(run("none", weights, precision)["differences"])
    assert marks == ["≠" if one > bound else "=" for one in found["differences"][: stage + 1]]
    said = widget.locator("[aria-live=polite]").inner_text()
    assert f"Stage {stage + 1}, {STAGES[stage].name}: the two differ by {shown[-1]}" in said
    assert f"by {short(max(found['differences'][: stage + 1]))} at most so far" in said
    if at is None or at > stage:
        assert "They have not parted" in said
    else:
        assert (
            "Here they part." if at == stage else f"They parted at stage {at + 1}, {STAGES[at].name}."
        ) in said
    cells = widget.locator(".pair td").all_inner_texts()
    shapes = load()["shapes"]
    assert cells[1:] == [
        STAGES[stage].theirs,
        STAGES[stage].ours,
        *(
            " × ".join(map(str, shapes[side][stage]))
            for side in ("theirs", "mean" if mistake == "mean" else "ours")
        ),
        *(f"{found[side][stage]:#.3g}" if found[side][stage] else "0" for side in ("theirs", "ours")),
    ]


def test_keyboard_steps_to_the_logits_and_chooses_mistake_weights_and_precision(
    page: Page, book: Path
) -> None:
    widget = open_widget(page, book)
    slider, choice = widget.get_by_role("slider", name="Stage"), widget.get_by_role("combobox")
    following = widget.get_by_role("button", name="Next stage")
    expect(choice).to_have_value("eps")
    agrees(widget, "eps", "random", "float64", 0)
    following.focus()
    for stage in range(1, LAST + 1):
        following.press("Enter")
        assert slider.get_attribute("aria-valuetext") == f"{stage + 1} of {LAST + 1}: {STAGES[stage].name}"
        agrees(widget, "eps", "random", "float64", stage)
    # The last button stays where it is, and does nothing more.
    expect(following).to_be_focused()
    assert following.get_attribute("aria-disabled") == "true"
    following.press("Enter")
    agrees(widget, "eps", "random", "float64", LAST)

    choice.focus()
    choice.press("Home")
    for mistake in MISTAKES:
        expect(choice).to_have_value(mistake)
        agrees(widget, mistake, "random", "float64", LAST)
        choice.press("ArrowDown")
    fresh = widget.get_by_role("radio", name="as torchvision starts")
    widget.get_by_role("radio", name="random everywhere").press("ArrowRight")
    expect(fresh).to_be_checked()
    agrees(widget, "mean", "fresh", "float64", LAST)
    expect(widget.locator("[aria-live=polite]")).to_contain_text("All logits are 0 on both sides")
    widget.get_by_role("radio", name="float64").press("ArrowRight")
    expect(widget.get_by_role("radio", name="float32")).to_be_checked()
    agrees(widget, "mean", "fresh", "float32", LAST)

    # The table has a row for each stage so far, and stays open while the slider moves.
    widget.locator("summary").click()
    rows = widget.locator(".plenary-numbers tbody tr")
    expect(rows).to_have_count(LAST + 1)
    slider.focus()
    slider.press("ArrowLeft")
    expect(rows).to_have_count(LAST)
    found = run("mean", "fresh", "float32")
    assert rows.nth(11).locator("th, td").all_inner_texts() == [
        *STAGES[11],
        *(f"{found[side][11]:#.3g}" for side in ("theirs", "ours")),
        short(found["differences"][11]),
    ]
    slider.press("Home")
    agrees(widget, "mean", "fresh", "float32", 0)


def test_mouse_goes_to_the_logits_and_bars_stand_at_their_values(page: Page, book: Path) -> None:
    widget = open_widget(page, book)
    widget.get_by_role("button", name="To the logits").click()
    widget.get_by_role("combobox").select_option("gelu")
    agrees(widget, "gelu", "random", "float64", LAST)
    ends = widget.locator("svg rect.bar").evaluate_all(
        "all => all.map(one => Number(one.getAttribute('x')) + Number(one.getAttribute('width')))"
    )
    ticks = widget.locator("svg line.grid").evaluate_all(
        "all => all.map(one => Number(one.getAttribute('x1')))"
    )
    per_power = (ticks[-1] - ticks[0]) / 15  # from 10^-15 to 1
    for end, difference in zip(ends, run("gelu")["differences"], strict=True):
        assert end == pytest.approx(ticks[-1] + per_power * log10(difference), abs=0.1)
    box = widget.get_by_role("slider").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
    agrees(widget, "gelu", "random", "float64", 0)


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
    for _ in range(3):
        widget.get_by_role("button", name="Next stage").tap()
    agrees(widget, "eps", "random", "float64", 3)
    widget.get_by_role("radio", name="as torchvision starts").tap()
    widget.get_by_role("button", name="To the logits").tap()
    agrees(widget, "eps", "fresh", "float64", LAST)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    inside = """host => [...host.querySelectorAll("svg text, select, button, .pair td")].every((one) => {
        const [own, all] = [one.getBoundingClientRect(), host.getBoundingClientRect()];
        return own.left >= all.left && own.right <= all.right;
    })"""
    assert widget.evaluate(inside)
    # Names do not run into the marks beside them.
    clear = """host => [...host.querySelectorAll("svg text.seen:not(.value)")].every((one) => {
        const marks = [...host.querySelectorAll("svg text:is(.same, .apart)")];
        const left = Math.min(...marks.map((mark) => mark.getBoundingClientRect().left));
        return one.getBoundingClientRect().right < left;
    })"""
    assert widget.evaluate(clear)
    assert violations(page, f"#{widget.get_attribute('id')}") == []
    widget.screenshot(path=screenshots / f"widget-same-weights-390-{'dark' if dark else 'light'}.png")
    context.close()


def test_without_javascript_a_still_picture_says_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / "book" / "vision_transformer" / "vision_transformer.html").as_uri())
    host = page.locator(".plenary-widget").first
    still = host.get_by_role("img")
    expect(still).to_be_visible()
    assert "They part at stage 4, layer 0: norm 1" in (still.get_attribute("aria-label") or "")
    expect(host).to_contain_text("needs JavaScript")
    expect(host.get_by_role("slider")).to_have_count(0)
