"""Every page of the book, as a reader meets it: on a desk and on a phone, in light and in dark."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).parents[2]
# From the table of contents and not from what was built, so that a page that is missing fails.
PAGES = re.findall(r"(?:root|file): *(\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
SEARCH = "input[type=search], button[class*=search-button]"
DESK, PHONE = 1280, 390

each_page = pytest.mark.parametrize("name", PAGES)
each_width = pytest.mark.parametrize("width", [DESK, PHONE])


def open_page(page: Page, book: Path, name: str) -> None:
    page.goto((book / f"{name}.html").as_uri())
    page.evaluate("async () => { await window.MathJax?.startup?.promise; await document.fonts.ready; }")
    for widget in page.locator(".plenary-widget").all():
        expect(widget).to_have_attribute("data-state", "live")


def in_sight(found: Locator) -> list[Locator]:
    """Those that a reader sees: drawn, and not parked beside the window."""
    inside = """one => {
        const box = one.getBoundingClientRect();
        return one.checkVisibility({ visibilityProperty: true, opacityProperty: true })
            && box.width > 0 && box.right > 0 && box.left < innerWidth;
    }"""
    return [one for one in found.all() if one.evaluate(inside)]


@each_page
@each_width
def test_page_is_sound(new_page, book: Path, screenshots: Path, violations, name: str, width: int) -> None:
    """In both modes: the second one by the switch that the reader's system has, without loading anew."""
    last = "dark" if width == PHONE else "light"
    first = "light" if width == PHONE else "dark"
    page = new_page(width=width, dark=first == "dark")
    open_page(page, book, name)
    for mode in (first, last):
        page.emulate_media(color_scheme=mode, reduced_motion="reduce")
        expect(page.locator("html")).to_have_attribute("data-theme", mode)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
        assert len(in_sight(page.locator(SEARCH))) == 1, "a reader sees one way to search"
        page.screenshot(path=screenshots / f"{name.replace('/', '-')}-{width}-{mode}.png", full_page=True)
    # What follows takes seconds and is that of the mode at every width, and of the width in every mode.
    assert violations(page, impacts=("serious", "critical")) == []
    can_be_read_searched_and_left(page, name, width)


def can_be_read_searched_and_left(page: Page, name: str, width: int) -> None:
    """Formulas are set, search opens one box, and on a phone the menu opens."""
    formulas = page.locator("main .math")
    assert page.locator("main .math mjx-container").count() >= formulas.count()
    # What a reader reads, without code and without what MathJax adds for those who listen.
    text = page.locator("main article").first.evaluate(
        """article => {
            const copy = article.cloneNode(true);
            copy.querySelectorAll("pre, code, script, style, mjx-container").forEach((one) => one.remove());
            return copy.textContent;
        }"""
    )
    assert not re.search(r"\$|\\\(|\\\[", text)

    in_sight(page.locator(SEARCH))[0].click()
    box = page.locator("dialog input[type=search]")
    expect(box).to_be_focused()
    assert len(in_sight(page.locator("input[type=search]"))) == 1
    box.press("Escape")
    expect(box).to_be_hidden()

    if width == PHONE:
        buttons = in_sight(page.locator("button.primary-toggle"))
        assert len(buttons) == 1
        assert in_sight(page.locator("nav a.reference.internal")) == [] or name.endswith("index")
        buttons[0].click()
        links = page.get_by_role("dialog").locator("nav a.reference.internal")
        expect(links.first).to_be_in_viewport()
        assert links.count() >= len(PAGES) - 1
