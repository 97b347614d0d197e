"""The widget of a trained model's heads, driven as a reader drives it."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from plenary import palette
from plenary.widgets.base import module_source
from plenary.widgets.heads import NAMES, Heads, fill
from plenary.widgets.listening import DEMONSTRATIONS

SENTENCE, WORD = DEMONSTRATIONS[0]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that holds the widget as the book's page does, and takes its dark mode from the system."""
    dark = 'if (matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.dataset.theme = "dark"'
    path = tmp_path_factory.mktemp("heads") / "page.html"
    path.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Heads</title>'
        f'<meta name="viewport" content="width=device-width"><script>{dark}</script>'
        f"<style>{palette.css()} body {{ margin: 16px; background: var(--plenary-paper); "
        f"font-family: sans-serif; color: var(--plenary-ink) }}</style></head>"
        f"<body><main><h1>Heads</h1>{Heads().twin()}</main></body></html>",
        encoding="utf-8",
    )
    return path


def open_widget(page: Page, file: Path) -> Locator:
    page.goto(file.as_uri())
    widget = page.locator(".plenary-widget[data-state=live]")
    expect(widget.get_by_role("switch")).to_have_count(8)
    return widget


def check(widget: Locator, word: int, chosen: str, off: list[str]) -> None:
    """The page shows the table and the guesses that PyTorch gives."""
    whole, without = fill(SENTENCE, word), fill(SENTENCE, word, off)
    layer, head = (int(number) - 1 for number in chosen.split("."))
    rows = widget.locator(".plenary-whole tbody tr").all()
    for row, expected in zip(rows, without.weights[layer, head].tolist(), strict=True):
        shown = [int(text) for text in row.locator("td").all_inner_texts()]
        assert shown == pytest.approx([100 * weight for weight in expected], abs=0.5001)
    lists = [whole.guesses, without.guesses] if off else [whole.guesses]
    guesses = [word for one in lists for word, _ in one]
    assert widget.locator(".guess").all_inner_texts() == guesses
    chances = [int(text.removesuffix(" %")) for text in widget.locator(".share").all_inner_texts()]
    assert chances == pytest.approx([100 * p for one in lists for _, p in one], abs=0.5001)
    said = widget.locator("[aria-live=polite]").inner_text()
    assert f"With “{whole.words[word]}” hidden, the best guess is “{whole.guesses[0][0]}”" in said
    assert ("without layer" in said) == bool(off)


def test_javascript_and_torch_agree(page: Page) -> None:
    page.goto("about:blank")
    asked = [
        (sentence, word, off)
        for sentence, word in (*DEMONSTRATIONS, ("Two zorks are running, İn the Cafe\u0301!", 0))
        for off in ([], ["1.2"], ["1.1", "2.4"], list(NAMES))
    ]
    found = page.evaluate(
        """async ([source, asset, asked]) => {
            const { guess } = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(source));
            return asked.map((one) => {
                const { weights, guesses } = guess(asset, ...one);
                return { guesses, weights: weights.map((layer) => layer.map(({ data }) => Array.from(data))) };
            });
        }""",
        [module_source("heads.mjs", Heads.uses), Heads().weights, asked],
    )
    for (sentence, word, off), seen in zip(asked, found, strict=True):
        expected = fill(sentence, word, off)
        assert [one for one, _ in seen["guesses"]] == [one for one, _ in expected.guesses]
        assert [p for _, p in seen["guesses"]] == pytest.approx([p for _, p in expected.guesses], abs=1e-4)
        flat = [weight for layer in seen["weights"] for head in layer for weight in head]
        assert flat == pytest.approx(expected.weights.flatten().tolist(), abs=1e-4)


def test_heads_are_switched_off_and_on_and_words_hidden(new_page, file: Path) -> None:
    page = new_page()
    widget = open_widget(page, file)
    check(widget, WORD, "1.2", [])
    widget.get_by_role("switch", name="Head 2 of layer 1").click()
    check(widget, WORD, "1.2", ["1.2"])
    # By keyboard: the switch of another head, its table, and the word to the left.
    widget.get_by_role("switch", name="Head 3 of layer 2").focus()
    page.keyboard.press("Space")
    widget.get_by_role("button", name="Show head 3 of layer 2").focus()
    page.keyboard.press("Enter")
    check(widget, WORD, "2.3", ["1.2", "2.3"])
    widget.get_by_role("radio", checked=True).focus()
    page.keyboard.press("ArrowLeft")
    check(widget, WORD - 1, "2.3", ["1.2", "2.3"])
    expect(widget.get_by_role("radio", checked=True)).to_be_focused()
    widget.get_by_role("button", name="all heads on").click()
    check(widget, WORD - 1, "2.3", [])
    expect(widget.get_by_role("switch", checked=True)).to_have_count(8)
    # A sentence of one's own, with a word that it does not know; and no words at all.
    box = widget.get_by_role("textbox")
    box.fill("A glyptodont runs")
    expect(widget.locator(".plenary-warning")).to_contain_text("“glyptodont” is not among the 1,000 words")
    box.fill("?")
    expect(widget.locator("[aria-live=polite]")).to_contain_text("Type a sentence in English")


@pytest.mark.parametrize("dark", [False, True])
def test_fits_a_phone_and_is_accessible(new_page, file: Path, violations, dark: bool) -> None:
    page = new_page(width=390, dark=dark)
    widget = open_widget(page, file)
    widget.get_by_role("switch", name="Head 1 of layer 1").tap()
    check(widget, WORD, "1.2", ["1.1"])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page, ".plenary-widget") == []


def test_shows_a_picture_and_a_table_without_javascript(new_page, file: Path) -> None:
    page = new_page(javascript=False)
    page.goto(file.as_uri())
    expect(page.get_by_role("img").first).to_be_visible()
    expect(page.get_by_role("table")).to_be_visible()
    expect(page.locator("body")).to_contain_text("needs JavaScript")
