"""The query among the keys on the chapter's page, opened as a file with no kernel and no network behind it."""

import math
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from plenary.widgets.base import module_source
from plenary.widgets.soft_lookup import NAMES, ROOM, Found, lookup

SUMMARY = re.compile(
    r"Query \((?P<x>[−\d.]+), (?P<y>[−\d.]+)\)\. (?P<said>.*?)\. "
    r"Entropy (?P<entropy>[\d.]+|less than 0\.01) of at most 1\.79 nats, "
    r"as if (?P<heard>[\d.]+) keys were heard alike\. "
    r"Output \((?P<out_x>[\d.]+), (?P<out_y>[\d.]+)\), inside the hull of the values\."
)


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / "book" / "attention" / "soft_lookup.html").as_uri())
    widget = page.locator(".plenary-widget[data-state=live]").first
    expect(handle(widget)).to_be_attached()
    widget.scroll_into_view_if_needed()
    return widget


@pytest.fixture
def widget(page: Page, book: Path) -> Locator:
    return open_widget(page, book)


def handle(widget: Locator) -> Locator:
    return widget.get_by_role("slider", name="Query")


def warmth(widget: Locator) -> Locator:
    return widget.get_by_role("slider", name="Temperature, tau")


def shown(widget: Locator) -> dict[str, str]:
    text = widget.locator("[aria-live=polite]").inner_text()
    found = SUMMARY.fullmatch(text)
    assert found, text
    return {name: part.replace("−", "-") for name, part in found.groupdict().items()}


def query(widget: Locator) -> tuple[float, float]:
    said = shown(widget)
    return float(said["x"]), float(said["y"])


def bars(widget: Locator) -> dict[str, float]:
    """The weights as they are written beside the bars."""
    rows = widget.locator(".weights li")
    return {
        row.locator("button").inner_text(): float(row.locator(".number").inner_text()) for row in rows.all()
    }


def agrees(widget: Locator, expected: Found) -> None:
    """Everything that is shown is what torch computes for the same setting."""
    assert bars(widget) == pytest.approx(dict(zip(NAMES, expected.weights.tolist(), strict=True)), abs=5.1e-4)
    said = shown(widget)
    if said["entropy"] == "less than 0.01":
        assert 0 < expected.entropy < 0.005
    else:
        assert float(said["entropy"]) == pytest.approx(expected.entropy, abs=0.0051)
    assert [float(said["out_x"]), float(said["out_y"])] == pytest.approx(expected.output.tolist(), abs=0.0051)
    assert float(said["heard"]) == pytest.approx(expected.heard, abs=0.051)
    # And so is what is drawn: a line's width, and where the diamond stands.
    for line, p in zip(widget.locator("line.thread").all(), expected.weights.tolist(), strict=True):
        assert float(line.get_attribute("stroke-width") or 0) == pytest.approx(
            1 + 11 * p if p >= 0.005 else 1
        )
    plane = widget.locator("path.hull").evaluate(
        "hull => hull.ownerSVGElement.getBoundingClientRect().toJSON()"
    )
    diamond = widget.locator(".output path").bounding_box()
    assert diamond is not None
    across, up = expected.output.tolist()
    x = plane["x"] + 8 + across / 10.5 * (plane["width"] - 16)
    y = plane["y"] + plane["height"] - 6 - up / 6.5 * (plane["height"] - 12)
    centre = (diamond["x"] + diamond["width"] / 2, diamond["y"] + diamond["height"] / 2)
    assert centre == pytest.approx((x, y), abs=0.6)


def place(widget: Locator, x: float, y: float) -> tuple[float, float]:
    """Where a point of the keys' plane is on the screen."""
    box = widget.locator("svg.keys").bounding_box()
    assert box is not None
    unit = (box["width"] - 32) / 8
    return box["x"] + box["width"] / 2 + unit * x, box["y"] + box["height"] / 2 - unit * y


def test_javascript_and_torch_agree_to_twelve_digits(page: Page) -> None:
    settings = [
        ((x, y), temperature, limit)
        for x, y in [(0.2, 0.9), (-0.5, 0.0), (4.0, 4.0), (0.0, 3.0), (-3.33, 1.7)]
        for temperature, limit in [
            (0.01, "none"),
            (1.0, "none"),
            (100.0, "none"),
            (1.0, "cold"),
            (1.0, "hot"),
        ]
    ]
    page.goto("about:blank")
    found = page.evaluate(
        """async ([source, settings]) => {
            const { lookup } = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(source));
            return settings.map((setting) => {
                const { squared, weights, output, entropy } = lookup(...setting);
                return [...squared, ...weights, ...output, entropy];
            });
        }""",
        [module_source("soft_lookup.mjs"), settings],
    )
    for setting, numbers in zip(settings, found, strict=True):
        squared, weights, output, entropy = lookup(*setting)
        expected = [*squared.tolist(), *weights.tolist(), *output.tolist(), entropy]
        assert numbers == pytest.approx(expected, abs=1e-12), setting


def test_arrow_keys_move_the_query(widget: Locator) -> None:
    agrees(widget, lookup((0.2, 0.9), 1.0))
    expect(handle(widget)).to_have_attribute("aria-valuetext", "0.20 across, 0.90 up")
    for key, expected in {
        "ArrowRight": (0.3, 0.9),
        "ArrowDown": (0.3, 0.8),
        "Shift+ArrowUp": (0.3, 1.3),
        "Shift+ArrowLeft": (-0.2, 1.3),
    }.items():
        handle(widget).press(key)
        assert query(widget) == pytest.approx(expected)
        agrees(widget, lookup(expected, 1.0))
        expect(handle(widget)).to_be_focused()
    for _ in range(12):
        handle(widget).press("Shift+ArrowUp")
    assert query(widget) == (-0.2, 4.0)  # the edge of the plane
    width = handle(widget).locator(".halo").evaluate("ring => getComputedStyle(ring).stroke")
    assert width != "none"  # the focus can be seen


def test_mouse_drags_the_query_onto_a_key_and_into_a_corner(widget: Locator, page: Page) -> None:
    def drag(*points: tuple[float, float]) -> None:
        page.mouse.move(*place(widget, *query(widget)))
        page.mouse.down()
        for point in points:
            page.mouse.move(*place(widget, *point), steps=5)
        page.mouse.up()

    before = widget.screenshot()
    drag((1.0, -1.0), (-0.47, 0.04))  # a little beside the key, and meant
    assert query(widget) == ROOM["garden"][0]
    agrees(widget, lookup((-0.5, 0.0), 1.0))
    on_key = float(shown(widget)["entropy"])
    assert on_key > 0.5
    drag((5.0, 6.0))
    assert query(widget) == (4.0, 4.0)
    agrees(widget, lookup((4.0, 4.0), 1.0))
    assert float(shown(widget)["entropy"]) < on_key / 10
    assert widget.screenshot() != before
    page.mouse.click(*place(widget, -2.5, 1.0))  # beside the query: there it goes
    assert query(widget) == pytest.approx((-2.5, 1.0), abs=0.03)
    agrees(widget, lookup(query(widget), 1.0))


def test_finger_drags_the_query_on_a_phone(new_page, book: Path) -> None:
    page = new_page(width=390, height=844)
    widget = open_widget(page, book)
    widget.locator("svg.keys").scroll_into_view_if_needed()
    device = page.context.new_cdp_session(page)
    device.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    scrolled = page.evaluate("scrollY")

    def touch(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": x, "y": y} for x, y in points]
        device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    start, end = place(widget, 0.2, 0.9), place(widget, 1.5, 2.0)
    touch("touchStart", start)
    for step in range(1, 9):
        touch("touchMove", tuple(a + (b - a) * step / 8 for a, b in zip(start, end, strict=True)))  # type: ignore[arg-type]
    touch("touchEnd")
    expect(handle(widget)).to_have_attribute("aria-valuetext", "1.50 across, 2.00 up")
    agrees(widget, lookup(ROOM["sea"][0], 1.0))
    assert page.evaluate("scrollY") == scrolled  # the page stayed where it was
    size = handle(widget).locator(".reach").bounding_box()
    assert size is not None
    assert min(size["width"], size["height"]) >= 40


def test_temperature_and_its_limits(widget: Locator) -> None:
    cold, hot = (widget.get_by_role("button", name=re.compile(name)) for name in ("^cold", "^hot"))
    warmth(widget).press("ArrowLeft")
    temperature = float((warmth(widget).get_attribute("aria-valuetext") or "").removeprefix("temperature "))
    assert temperature == pytest.approx(10**-0.05, rel=0.005)
    agrees(widget, lookup((0.2, 0.9), temperature))
    warmth(widget).press("Home")
    agrees(widget, lookup((0.2, 0.9), 0.01))
    cold.press("Space")
    expect(cold).to_have_attribute("aria-pressed", "true")
    agrees(widget, lookup((0.2, 0.9), limit="cold"))
    assert "garden, takes everything" in shown(widget)["said"]
    hot.click()
    expect(cold).to_have_attribute("aria-pressed", "false")
    agrees(widget, lookup((0.2, 0.9), limit="hot"))
    assert float(shown(widget)["entropy"]) == pytest.approx(math.log(6), abs=0.005)
    hot.click()  # and off again
    agrees(widget, lookup((0.2, 0.9), 0.01))
    # A tie: from the start to (0, 3), as far from "weather" as from "sea".
    for key, times in {"ArrowLeft": 2, "ArrowUp": 1, "Shift+ArrowUp": 4}.items():
        for _ in range(times):
            handle(widget).press(key)
    cold.click()
    assert query(widget) == (0.0, 3.0)
    agrees(widget, lookup((0.0, 3.0), limit="cold"))
    assert "weather and sea, share alike" in shown(widget)["said"]
    warmth(widget).press("End")  # the slider leaves the limit
    agrees(widget, lookup((0.0, 3.0), 100.0))


def test_a_name_puts_the_query_onto_its_key_and_the_table_follows(widget: Locator) -> None:
    widget.get_by_text("The numbers as a table").click()
    for name, (key, _) in ROOM.items():
        button = widget.get_by_role("button", name=f"{name}: put the query onto this key")
        button.press("Enter")
        expect(button).to_be_focused()
        assert query(widget) == key
        expected = lookup(key, 1.0)
        agrees(widget, expected)
        cells = widget.locator("tbody tr").evaluate_all("rows => rows.map((row) => row.cells[3].innerText)")
        assert [float(cell) for cell in cells] == pytest.approx(expected.weights.tolist(), abs=5.1e-5)


def test_without_javascript_a_still_picture_and_a_table_say_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / "book" / "attention" / "soft_lookup.html").as_uri())
    host = page.locator(".plenary-widget").first
    expect(host.get_by_role("img")).to_be_visible()
    assert "among six keys, at temperature 1" in (host.get_by_role("img").get_attribute("aria-label") or "")
    expect(host.get_by_role("row")).to_have_count(7)
    expect(host).to_contain_text("needs JavaScript")
    expect(host.get_by_role("slider")).to_have_count(0)


@pytest.mark.parametrize(
    ("width", "dark"),
    [(340, False), (390, True), (1280, False), (1280, True)],
    ids=["340-light", "390-dark", "1280-light", "1280-dark"],
)
def test_fits_and_is_accessible(
    new_page, book: Path, screenshots: Path, violations, width: int, dark: bool
) -> None:
    # Tall, so that the page's own bar does not lie over the widget on the picture.
    page = new_page(width=width, height=1500, dark=dark)
    widget = open_widget(page, book)
    handle(widget).focus()
    for x, y in [(0.2, 0.9), (4.0, 4.0), (-4.0, -4.0)]:
        page.mouse.click(*place(widget, x, y))
        assert widget.evaluate("host => host.scrollWidth <= host.clientWidth")
        inside = """host => [...host.querySelectorAll("text")].every((text) => {
            const [own, all] = [text.getBoundingClientRect(), host.getBoundingClientRect()];
            return own.left >= all.left && own.right <= all.right;
        })"""
        assert widget.evaluate(inside)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(page, f"#{widget.get_attribute('id')}") == []
    widget.screenshot(path=screenshots / f"widget-soft-lookup-{width}-{'dark' if dark else 'light'}.png")
