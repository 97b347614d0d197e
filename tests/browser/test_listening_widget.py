"""The widget of who listens to whom: a trained model in the page, driven as a reader drives it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from plenary import palette
from plenary.widgets.base import module_source
from plenary.widgets.listening import DEMONSTRATIONS, Listening, demonstrations, listen, percent

FIRST, HIDDEN = DEMONSTRATIONS[0]
OWN = "Two zorks -- are running, İn the Cafe\u0301 with Tom's T-shirt!"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that holds the widget as the book's page does, and takes its dark mode from the system."""
    dark = 'if (matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.dataset.theme = "dark"'
    path = tmp_path_factory.mktemp("listening") / "page.html"
    path.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Listening</title>'
        f'<meta name="viewport" content="width=device-width"><script>{dark}</script>'
        f"<style>{palette.css()} body {{ margin: 16px; background: var(--plenary-paper); "
        f"font-family: sans-serif; color: var(--plenary-ink) }}</style></head>"
        f"<body><main><h1>Listening</h1>{Listening().twin()}</main></body></html>",
        encoding="utf-8",
    )
    return path


def open_widget(page: Page, file: Path) -> Locator:
    page.goto(file.as_uri())
    widget = page.locator(".plenary-widget[data-state=live]")
    expect(widget.get_by_role("radio", checked=True)).to_have_count(1)
    return widget


def shown(widget: Locator) -> dict:
    """What stands on the page: the row in per cent, the hidden word, the chosen row of the table, the guesses."""
    return widget.evaluate(
        """host => {
            const texts = (query) => [...host.querySelectorAll(query)].map((one) => one.textContent);
            const number = (text) => parseInt(text);
            return {
                row: texts(".plenary-spoken .share").map(number),
                table: [...host.querySelectorAll(".plenary-whole tbody tr")].map(
                    (row) => [...row.querySelectorAll("td")].map((cell) => number(cell.textContent))),
                chosen: [...host.querySelectorAll(".plenary-whole tbody tr")].findIndex(
                    (row) => row.classList.contains("chosen")),
                hidden: texts(".plenary-spoken [aria-checked=true] .truth")[0],
                guesses: texts(".plenary-guesses .guess"),
                chances: texts(".plenary-guesses .share").map(number),
            };
        }"""
    )


def check(widget: Locator, sentence: str, word: int, layer: int = 2) -> None:
    """The page shows the row of this word, and it is PyTorch's."""
    heard, seen = listen(sentence, layer), shown(widget)
    assert (seen["hidden"], seen["chosen"]) == (heard.words[word], word)
    assert seen["row"] == pytest.approx((100 * heard.weights[word]).tolist(), abs=0.5001)
    for row, weights in zip(seen["table"], heard.weights.tolist(), strict=True):
        assert row == pytest.approx([100 * weight for weight in weights], abs=0.5001)
    assert seen["guesses"] == [guess for guess, _ in heard.guesses[word]]
    assert seen["chances"] == pytest.approx([100 * p for _, p in heard.guesses[word]], abs=0.5001)
    said = widget.locator("[aria-live=polite]").inner_text().replace("\N{NO-BREAK SPACE}", " ")
    hidden, most = heard.words[word], percent(heard.weights[word].max().item())
    best = int(heard.weights[word].argmax())
    name = "itself" if best == word else f"“{heard.words[best]}”"
    assert said.startswith(f"With “{hidden}” hidden, the blank listens most to {name} ({most})")


def test_javascript_and_torch_agree_and_the_page_is_quick(page: Page) -> None:
    page.goto("about:blank")
    sentences = [*demonstrations(), OWN]
    twelve = "A man and a woman in red shirts are playing guitars on"
    found, milliseconds = page.evaluate(
        """async ([source, asset, sentences, twelve]) => {
            const { listen } = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(source));
            const found = sentences.map((sentence) => listen(asset, sentence));
            const times = [..."abcdefghi"].map((letter) => {
                const start = performance.now();
                listen(asset, `${twelve} ${letter}`);
                return performance.now() - start;
            });
            return [found, times.sort((a, b) => a - b)[4]];
        }""",
        [module_source("listening.mjs", Listening.uses), Listening().weights, sentences, twelve],
    )
    assert milliseconds < 50
    for sentence, seen in zip(sentences, found, strict=True):
        for layer in (1, 2):
            heard = listen(sentence, layer)
            assert (seen["words"], seen["known"]) == (heard.words, heard.known)
            for row, expected in zip(seen["weights"][layer - 1], heard.weights.tolist(), strict=True):
                assert row == pytest.approx(expected, abs=1e-4)
        for guesses, expected in zip(seen["guesses"], heard.guesses, strict=True):
            assert [word for word, _ in guesses] == [word for word, _ in expected]
            assert [p for _, p in guesses] == pytest.approx([p for _, p in expected], abs=1e-4)
    assert not all(found[-1]["known"])


def test_a_click_hides_a_word(page: Page, file: Path) -> None:
    widget = open_widget(page, file)
    check(widget, FIRST, HIDDEN)
    pixels = widget.screenshot()
    widget.get_by_role("radio").nth(1).click()
    check(widget, FIRST, 1)
    assert widget.screenshot() != pixels
    # In the table: the name of a row, or anywhere in the row.
    widget.locator(".plenary-whole tbody tr").nth(8).locator("td").nth(2).click()
    check(widget, FIRST, 8)
    widget.locator(".plenary-whole tbody button").nth(4).click()
    check(widget, FIRST, 4)
    widget.get_by_role("group", name="Layer").get_by_role("button", name="1").click()
    check(widget, FIRST, 4, layer=1)
    names = widget.get_by_role("group", name="Sentences").get_by_role("button").all()
    for button, (sentence, word) in zip(names, DEMONSTRATIONS, strict=True):
        button.click()
        check(widget, sentence, word, layer=1)
    # The numbers to four digits follow.
    widget.locator("summary").click()
    sentence, word = DEMONSTRATIONS[-1]
    weight = listen(sentence, 1).weights[word, 0].item()
    expect(widget.locator(".plenary-numbers tbody tr").first.locator("td").first).to_have_text(
        f"{weight:.4f}"
    )


def test_the_keyboard_alone_will_do(page: Page, file: Path) -> None:
    widget = open_widget(page, file)
    widget.get_by_role("radio", checked=True).focus()
    for key, word in (
        ("ArrowRight", HIDDEN + 1),
        ("ArrowLeft", HIDDEN),
        ("Home", 0),
        ("ArrowLeft", 0),
        ("End", 11),
    ):
        page.keyboard.press(key)
        check(widget, FIRST, word)
        expect(widget.get_by_role("radio").nth(word)).to_be_focused()
    page.keyboard.press("Tab")
    rows = widget.locator(".plenary-whole tbody button")
    expect(rows.nth(11)).to_be_focused()
    page.keyboard.press("ArrowUp")
    check(widget, FIRST, 10)
    expect(rows.nth(10)).to_be_focused()
    # One's own sentence: typed, and read after a moment or at once with Enter.
    typing = widget.get_by_role("textbox", name=re.compile("type your own"))
    typing.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type(OWN)
    page.keyboard.press("Enter")
    heard = listen(OWN)
    check(widget, OWN, len(heard.words) - 1)
    warning = widget.locator(".plenary-warning")
    expect(warning).to_contain_text("“zorks”")
    expect(warning).to_contain_text("not among the 1,000 words of the model")
    assert widget.get_by_role("radio", name=re.compile("unknown")).count() == heard.known.count(False)
    page.keyboard.press("Control+a")
    page.keyboard.type("!")
    expect(widget.locator("[aria-live=polite]")).to_have_text(re.compile("Type a sentence"))
    expect(widget.get_by_role("radio")).to_have_count(0)
    page.keyboard.type(" a dog" + " and a dog" * 6)
    expect(warning).to_have_text("Only the first 16 words are read.")
    check(widget, " ".join(["a", "dog", *["and", "a", "dog"] * 5][:16]), 10)


def test_fingers_on_a_phone(browser: Browser, file: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    widget = open_widget(page, file)
    widget.get_by_role("radio").nth(4).tap()
    check(widget, FIRST, 4)
    widget.locator(".plenary-whole tbody button").nth(2).tap()
    check(widget, FIRST, 2)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = """host => [...host.querySelectorAll("button, input")].map((one) => one.getBoundingClientRect()).map(
        (box) => Math.min(box.width, box.height))"""
    assert min(widget.evaluate(sizes)) >= 40
    # The table of twelve words fits. That of sixteen moves inside its own box, and the names of its rows stay.
    own = widget.get_by_role("textbox")
    own.fill("a man and a woman and a dog and a cat are on a red bench")
    own.press("Enter")
    expect(widget.locator(".plenary-whole tbody tr")).to_have_count(16)
    left = """host => { const box = host.querySelector(".plenary-whole .plenary-scroll");
        box.scrollLeft = 1000;
        return [box.scrollLeft, box.querySelector("tbody th").getBoundingClientRect().left
            - box.getBoundingClientRect().left]; }"""
    moved, name = widget.evaluate(left)
    assert moved > 0
    assert abs(name) < 4
    context.close()
    assert errors == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_fits_and_is_accessible(new_page, file: Path, violations, dark: bool) -> None:
    page = new_page(width=390, height=1400, dark=dark)
    widget = open_widget(page, file)
    typing = widget.get_by_role("textbox")
    typing.fill(OWN)
    typing.press("Enter")
    expect(widget.locator(".plenary-warning")).to_be_visible()
    assert violations(page, ".plenary-widget") == []
    # Axe cannot mix colours: the darkest cell is measured here.
    ratio = widget.evaluate(
        """host => {
            const cells = [...host.querySelectorAll(".plenary-whole tbody td")];
            const cell = cells.find((one) => one.style.getPropertyValue("--share") === "1.000");
            const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
            const light = (...colours) => {
                for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
                const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((byte) => byte / 255).map(
                    (x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
            };
            const panel = getComputedStyle(host.querySelector(".plenary-live")).backgroundColor;
            const { color, backgroundColor } = getComputedStyle(cell);
            const both = [light(panel, backgroundColor), light(color)];
            return Math.max(...both) / Math.min(...both);
        }"""
    )
    assert ratio >= 4.5


def test_without_javascript_the_still_says_it(new_page, file: Path) -> None:
    page = new_page(javascript=False)
    page.goto(file.as_uri())
    still = page.locator(".plenary-widget").get_by_role("img")
    expect(still).to_be_visible()
    assert "hidden, the blank listens most to" in (still.get_attribute("aria-label") or "")
    expect(page.locator(".plenary-widget table td")).to_have_count(len(listen(FIRST).words) ** 2)
