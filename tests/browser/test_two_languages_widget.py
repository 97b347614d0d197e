"""The widget of two languages: what is on the page is what PyTorch computes, driven as a reader drives it."""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from plenary import palette
from plenary.widgets.two_languages import DECODINGS, SENTENCES, WEIGHTS, TwoLanguages, percent, written


@cache
def translated(number: int, decoding: str):
    """The real model's translation, computed here from the committed weights."""
    from plenary.training.translator import read, translate

    model, german, english, _ = read(Path(str(files("plenary.widgets").joinpath(WEIGHTS))))
    return translate(model.double(), german, english, SENTENCES[number].german, DECODINGS[decoding])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that holds the widget as the book's page does, and takes its dark mode from the system."""
    dark = 'if (matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.dataset.theme = "dark"'
    path = tmp_path_factory.mktemp("two_languages") / "page.html"
    path.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Two languages</title>'
        f'<meta name="viewport" content="width=device-width"><script>{dark}</script>'
        f"<style>{palette.css()} body {{ margin: 16px; background: var(--plenary-paper); "
        f"font-family: sans-serif; color: var(--plenary-ink) }}</style></head>"
        f"<body><main><h1>Two languages</h1>{TwoLanguages().twin()}</main></body></html>",
        encoding="utf-8",
    )
    return path


def open_widget(page: Page, file: Path) -> Locator:
    page.goto(file.as_uri())
    widget = page.locator(".plenary-widget[data-state=live]")
    expect(widget.locator(".between svg")).to_be_visible()
    return widget


def shown(widget: Locator) -> dict:
    """What stands on the page: words, probabilities and weights in per cent, the widths of the lines, the texts."""
    return widget.evaluate(
        """host => {
            const texts = (query) => [...host.querySelectorAll(query)].map((one) => one.textContent);
            const number = (text) => parseInt(text);
            const radios = [...host.querySelectorAll("[role=radio]")];
            return {
                german: texts(".german span"),
                english: texts(".english .word"),
                sure: texts(".english .share").map(number),
                row: texts(".between text").map(number),
                lines: [...host.querySelectorAll(".between .own")].map((one) => +one.getAttribute("stroke-width")),
                table: [...host.querySelectorAll(".plenary-whole tbody tr")].map(
                    (row) => [...row.querySelectorAll("td")].map((cell) => number(cell.textContent))),
                heads: texts(".plenary-whole thead th"),
                chosen: radios.findIndex((one) => one.getAttribute("aria-checked") === "true"),
                marked: radios.findIndex((one) => one.classList.contains("shown")),
                row_marked: [...host.querySelectorAll(".plenary-whole tbody tr")].findIndex(
                    (row) => row.classList.contains("shown")),
                texts: [...host.querySelectorAll("dd")].map((one) => one.firstChild.textContent),
                own: texts("dt.own"),
            };
        }"""
    )


def check(
    widget: Locator,
    number: int,
    word: int,
    decoding: str = "greedy",
    layer: int = 2,
    head: int = 0,
    marked: int | None = None,
) -> None:
    """The page shows this translation, and every number of it is PyTorch's."""
    made, seen = translated(number, decoding), shown(widget)
    table = made.attention[layer - 1].mean(0) if head == 0 else made.attention[layer - 1, head - 1]
    names = [name.replace("<eos>", "[end]") for name in made.words]
    marked = word if marked is None else marked
    assert (seen["german"], seen["heads"], seen["english"]) == (made.source, made.source, names)
    assert (seen["chosen"], seen["marked"], seen["row_marked"]) == (word, marked, marked)
    # Half a per cent for the rounding of the page, and a little for the three digits of the file.
    assert seen["sure"] == pytest.approx([100 * p for p in made.probabilities], abs=0.52)
    assert seen["row"] == pytest.approx((100 * table[marked]).tolist(), abs=0.56)
    assert seen["lines"] == pytest.approx([max(0.3, 9 * w) for w in table[marked].tolist()], abs=0.01)
    for row, weights in zip(seen["table"], table.tolist(), strict=True):
        assert row == pytest.approx([100 * weight for weight in weights], abs=0.56)
    both = [translated(number, one).text for one in DECODINGS]
    assert seen["texts"] == [SENTENCES[number].german, *both, SENTENCES[number].english]
    assert seen["own"] == [f"the model, {decoding}"]
    said = widget.locator("[aria-live=polite]").inner_text().replace("\N{NO-BREAK SPACE}", " ")
    own = "The end of the sentence" if names[word] == "[end]" else f"“{names[word]}”"
    heard = written(number, decoding).attention[layer - 1]
    heard = (heard.mean(0) if head == 0 else heard[head - 1])[word]
    best = made.source[int(heard.argmax())]
    assert said.startswith(
        f"{own} was written with a probability of {percent(made.probabilities[word])}, and listens most to "
        f"“{best}” ({percent(heard.max().item())})"
    )
    which = f"head {head}" if head else "the mean of its heads"
    assert said.endswith(f"in layer {layer}, {which}.")


def test_a_mouse_chooses_words_heads_and_sentences(page: Page, file: Path) -> None:
    widget = open_widget(page, file)
    check(widget, 0, 2)
    pixels = widget.screenshot()
    radios = widget.get_by_role("radio")
    # The mouse on a word shows it, and only a click chooses it.
    radios.nth(5).hover()
    check(widget, 0, 2, marked=5)
    radios.nth(5).click()
    check(widget, 0, 5)
    assert widget.screenshot() != pixels
    widget.locator(".plenary-whole tbody tr").nth(1).locator("td").nth(2).click()
    check(widget, 0, 1)
    page.mouse.move(0, 0)
    for layer in (1, 3, 2):
        widget.get_by_role("group", name="layer").get_by_role("button", name=str(layer)).click()
        check(widget, 0, 1, layer=layer)
    for head in (1, 2, 3, 4):
        widget.get_by_role("group", name="head").get_by_role("button", name=str(head)).click()
        check(widget, 0, 1, layer=2, head=head)
    widget.get_by_role("group", name="written").get_by_role("button", name="beam 4").click()
    for number in range(len(SENTENCES)):
        widget.get_by_role("combobox").select_option(str(number))
        check(widget, number, 1, "beam 4", layer=2, head=4)
    widget.get_by_role("group", name="written").get_by_role("button", name="greedy").click()
    widget.get_by_role("group", name="head").get_by_role("button", name="mean").click()
    for number in range(len(SENTENCES)):
        widget.get_by_role("combobox").select_option(str(number))
        check(widget, number, 1, layer=2)
        unknown = "<unk>" in translated(number, "greedy").words
        warning = widget.locator(".plenary-warning")
        assert ("stands the German word to which" in (warning.text_content() or "")) == unknown
    # The numbers to three digits follow.
    widget.locator("summary").click()
    made = translated(len(SENTENCES) - 1, "greedy")
    cell = widget.locator(".plenary-numbers tbody tr").first.locator("td")
    weight, p = made.attention[1].mean(0)[1, 0].item(), made.probabilities[0]
    assert float(cell.nth(0).inner_text()) == pytest.approx(weight, abs=1.1e-3)
    assert float(cell.nth(2).inner_text()) == pytest.approx(p, abs=6e-4)


def test_the_keyboard_alone_will_do(page: Page, file: Path) -> None:
    widget = open_widget(page, file)
    last = len(translated(0, "greedy").words) - 1
    widget.get_by_role("radio", checked=True).focus()
    for key, word in (("ArrowDown", 3), ("ArrowUp", 2), ("Home", 0), ("ArrowUp", 0), ("End", last)):
        page.keyboard.press(key)
        check(widget, 0, word)
        expect(widget.get_by_role("radio").nth(word)).to_be_focused()
    widget.get_by_role("combobox").focus()
    page.keyboard.press("ArrowDown")
    last = len(translated(1, "greedy").words) - 1
    check(widget, 1, last)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    check(widget, 1, min(last, len(translated(1, "beam 4").words) - 1), "beam 4")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_fingers_on_a_phone(browser: Browser, file: Path, violations, dark: bool) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        color_scheme="dark" if dark else "light",
    )
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    widget = open_widget(page, file)
    widget.get_by_role("radio").nth(4).tap()
    check(widget, 0, 4)
    widget.locator(".plenary-whole tbody tr").nth(3).tap()
    check(widget, 0, 3)
    # The longest words, an unknown one, and a table that is wider than the phone.
    for number in range(len(SENTENCES)):
        widget.get_by_role("combobox").select_option(str(number))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), SENTENCES[number]
        assert widget.locator(".between").evaluate("one => one.clientWidth") >= 80
    sizes = """host => [...host.querySelectorAll("button, select")].map((one) => one.getBoundingClientRect()).map(
        (box) => Math.min(box.width, box.height))"""
    assert min(widget.evaluate(sizes)) >= 40
    widget.get_by_role("combobox").select_option("8")
    expect(widget.locator(".plenary-warning")).to_be_visible()
    assert violations(page, ".plenary-widget") == []
    context.close()
    assert errors == []


def test_without_javascript_the_still_says_it(new_page, file: Path) -> None:
    page = new_page(javascript=False)
    page.goto(file.as_uri())
    still = page.locator(".plenary-widget").get_by_role("img")
    expect(still).to_be_visible()
    assert "is written, the model listens most to" in (still.get_attribute("aria-label") or "")
    made = written(0)
    cells = page.locator(".plenary-widget table td")
    expect(cells).to_have_count(len(made.words) * (1 + len(made.source)))
    assert re.fullmatch(r"\d+", cells.first.inner_text())
