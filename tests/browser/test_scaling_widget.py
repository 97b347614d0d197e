"""The d_k widget on the chapter's page, opened as a file with no kernel and no network behind it."""

import re
from math import sqrt
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from plenary.widgets.base import module_source
from plenary.widgets.scaling import WIDTHS, measure

SUMMARY = re.compile(
    r"With dk = (?P<d_k>\d+) and (?P<scaling>.*), the scores have standard deviation (?P<sd>[\d.]+); "
    r"on average a query’s weights have entropy (?P<entropy>[\d.]+) of at most 2\.77 nats, "
    r"and the gradient norm of its softmax is (?P<norm>[\d.]+) "
    r"\(below (?P<median>[\d.]+) for half of the queries\)\."
)


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / "book" / "attention" / "scaled_dot_product.html").as_uri())
    widget = page.locator(".plenary-widget[data-state=live]").first
    expect(widget.locator("svg")).to_have_count(3)
    widget.scroll_into_view_if_needed()
    return widget


def drawing(widget: Locator) -> tuple[str, ...]:
    return tuple(widget.locator("svg").evaluate_all("all => all.map(one => one.outerHTML)"))


def summary(widget: Locator) -> dict[str, str]:
    text = widget.locator("[aria-live=polite]").inner_text()
    found = SUMMARY.fullmatch(text)
    assert found, text
    return found.groupdict()


@pytest.fixture
def widget(page: Page, book: Path) -> Locator:
    return open_widget(page, book)


def test_arrow_key_moves_the_slider_and_changes_the_picture(widget: Locator) -> None:
    slider = widget.get_by_role("slider", name="Width of a key, d_k")
    slider.focus()
    before, pixels, value = drawing(widget), widget.screenshot(), int(summary(widget)["d_k"])
    assert slider.get_attribute("aria-valuetext") == f"d_k = {value}"
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == f"d_k = {2 * value}"
    assert int(summary(widget)["d_k"]) == 2 * value
    assert all(old != new for old, new in zip(before, drawing(widget), strict=True))
    assert widget.screenshot() != pixels
    slider.press("ArrowLeft")
    assert drawing(widget) == before


def test_mouse_drags_the_slider(widget: Locator, page: Page) -> None:
    slider = widget.get_by_role("slider")
    box = slider.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 2, middle, steps=4)
    page.mouse.up()
    assert summary(widget)["d_k"] == "1"
    before, pixels = drawing(widget), widget.screenshot()
    page.mouse.click(box["x"] + box["width"] - 2, middle)
    assert summary(widget)["d_k"] == "512"
    assert all(old != new for old, new in zip(before, drawing(widget), strict=True))
    assert widget.screenshot() != pixels


@pytest.mark.parametrize("how", ["keyboard", "mouse"])
def test_switch_divides_by_the_root(widget: Locator, how: str) -> None:
    slider, switch = widget.get_by_role("slider"), widget.get_by_role("switch")
    expect(switch).to_have_accessible_name(re.compile("divide by √"))
    slider.press("End")
    if switch.is_checked():
        switch.uncheck()
    before, pixels = drawing(widget), widget.screenshot()
    assert summary(widget)["scaling"] == "no scaling"
    if how == "keyboard":
        switch.press("Space")
    else:
        switch.click()
    expect(switch).to_be_checked()
    assert summary(widget)["scaling"] == "division by √dk"
    assert all(old != new for old, new in zip(before, drawing(widget), strict=True))
    assert widget.screenshot() != pixels


@pytest.mark.parametrize("scaled", [False, True])
def test_summary_says_what_theory_and_torch_say(widget: Locator, scaled: bool) -> None:
    slider, switch = widget.get_by_role("slider"), widget.get_by_role("switch")
    switch.set_checked(scaled)
    slider.press("Home")
    for d_k in WIDTHS:
        said = summary(widget)
        assert int(said["d_k"]) == d_k
        # 256 queries and keys: four standard errors of a standard deviation are about 20 % at d_k = 1, less later.
        assert float(said["sd"]) == pytest.approx(1 if scaled else sqrt(d_k), rel=0.2 if d_k < 16 else 0.06)
        expected = measure(d_k, scaled)
        for name in ("sd", "entropy", "norm", "median"):
            assert float(said[name]) == pytest.approx(getattr(expected, name), rel=0.06), (d_k, name)
        slider.press("ArrowRight")


def test_javascript_and_torch_agree_to_nine_digits(page: Page) -> None:
    page.goto("about:blank")
    found = page.evaluate(
        """async ([source, widths]) => {
            const { measure } = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(source));
            return [false, true].map((scaled) => widths.map((width) => {
                const { sd, entropy, norm, median } = measure(width, scaled);
                return [sd, entropy, norm, median];
            }));
        }""",
        [module_source("scaling.mjs"), WIDTHS],
    )
    for scaled in (False, True):
        for d_k, numbers in zip(WIDTHS, found[scaled], strict=True):
            assert numbers == pytest.approx(tuple(measure(d_k, scaled)), abs=1e-9)


def test_an_update_fits_into_a_frame(widget: Locator) -> None:
    milliseconds = widget.get_by_role("slider").evaluate(
        """slider => {
            const times = [];
            for (let round = 0; round < 5; round++) {
                for (let i = 0; i < 10; i++) {
                    const start = performance.now();
                    slider.value = i;
                    slider.dispatchEvent(new Event("input"));
                    times.push(performance.now() - start);
                }
            }
            return times.sort((a, b) => a - b)[25];
        }"""
    )
    assert milliseconds < 16


def test_two_widgets_on_a_page_do_not_disturb_each_other(page: Page, book: Path) -> None:
    first = open_widget(page, book)
    # A second one, made from the first as a reader of the page's source would: same markup, other ids.
    page.evaluate(
        """() => {
            const host = document.querySelector(".plenary-widget");
            const data = document.getElementById(host.id + "-data");
            const scripts = [...document.querySelectorAll("script[type=module]")];
            const script = scripts.find((one) => one.text.includes(`mount("${host.id}")`));
            const twin = document.createElement("div");
            twin.className = "plenary-widget";
            twin.id = "plenary-scaling-twin";
            const copy = Object.assign(document.createElement("script"),
                { id: twin.id + "-data", type: "application/json", textContent: data.textContent });
            const boot = Object.assign(document.createElement("script"),
                { type: "module", textContent: script.text.replace(`mount("${host.id}")`, `mount("${twin.id}")`) });
            document.querySelector("main").append(twin, copy, boot);
        }"""
    )
    second = page.locator("#plenary-scaling-twin[data-state=live]")
    expect(second.locator("svg")).to_have_count(3)
    before = drawing(first)
    second.get_by_role("slider").press("Home")
    assert summary(second)["d_k"] == "1"
    assert drawing(first) == before


def test_dark_mode_has_colours_of_its_own(new_page, book: Path) -> None:
    def colours(dark: bool) -> list[str]:
        widget = open_widget(new_page(dark=dark), book)
        return widget.evaluate(
            """host => {
                const style = (query) => getComputedStyle(host.querySelector(query));
                return [style(".plenary-live").backgroundColor, style(".plenary-live").color,
                    style("svg .area").fill, style("svg text").fill, style(".line.scaled").stroke];
            }"""
        )

    assert all(light != dark for light, dark in zip(colours(False), colours(True), strict=True))


def test_without_javascript_a_still_picture_says_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / "book" / "attention" / "scaled_dot_product.html").as_uri())
    host = page.locator(".plenary-widget").first
    still = host.get_by_role("img")
    expect(still).to_be_visible()
    assert "entropy of the weights falls" in (still.get_attribute("aria-label") or "")
    expect(host).to_contain_text("needs JavaScript")
    expect(host.get_by_role("slider")).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [340, 390, 1280])
def test_fits_and_is_accessible(
    new_page, book: Path, screenshots: Path, violations, width: int, dark: bool
) -> None:
    # Tall, so that the page's own bar does not lie over the widget on the picture.
    page = new_page(width=width, height=1400, dark=dark)
    widget = open_widget(page, book)
    assert widget.evaluate("host => host.scrollWidth <= host.clientWidth")
    inside = """host => [...host.querySelectorAll("text")].every((text) => {
        const [own, all] = [text.getBoundingClientRect(), host.getBoundingClientRect()];
        return own.left >= all.left && own.right <= all.right;
    })"""
    assert widget.evaluate(inside)
    smallest = """host => Math.min(...[...host.querySelectorAll("text, tspan, p, label, span")].map(
        (one) => parseFloat(getComputedStyle(one).fontSize)))"""
    assert widget.evaluate(smallest) >= 11
    assert violations(page, f"#{widget.get_attribute('id')}") == []
    widget.screenshot(path=screenshots / f"widget-scaling-{width}-{'dark' if dark else 'light'}.png")
