"""The cards of mistakes in the built book: opened by a link or a key, found by a word, also without JavaScript."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

CARD = "mistake-scaled_dot_product_attention-softmax-over-queries"
WEEKS = ("attention", "transformer", "vision_transformer")


def cards(page: Page, book: Path, week: str = "attention", anchor: str = "") -> Locator:
    page.goto((book / "book" / "mistakes" / f"{week}.html").as_uri() + anchor)
    return page.locator(".plenary-cards > details[id]")


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_a_link_from_a_chapter_opens_its_card(new_page, book: Path, javascript: bool) -> None:
    page = new_page(javascript=javascript)
    page.goto((book / "book" / "attention" / "scaled_dot_product.html").as_uri())
    page.locator(f'a[href$="#{CARD}"]').click()
    card = page.locator(f"#{CARD}")
    expect(card.locator("summary")).to_be_in_viewport()
    expect(card.locator("pre").first).to_be_visible()
    expect(card).to_contain_text("The way out")
    expect(card).to_contain_text("Made in public")
    # And back again: the paragraph that clears it up.
    card.locator('a[href*="scaled_dot_product.html#"]').click()
    expect(page.locator("#sdp-softmax-axis").first).to_be_attached()


def test_a_card_opens_by_keyboard(page: Page, book: Path) -> None:
    first = cards(page, book).first
    summary = first.locator("summary").first
    summary.focus()
    summary.press("Enter")
    expect(first.locator("pre").first).to_be_visible()
    summary.press("Enter")
    expect(first.locator("pre").first).to_be_hidden()


def test_the_filter_keeps_what_says_the_word(page: Page, book: Path) -> None:
    every = cards(page, book)
    whole = every.count()
    page.get_by_label("Show only cards that say").fill("transposed")
    shown = page.locator(".plenary-cards > details[id]:visible")
    expect(shown).not_to_have_count(whole)
    texts = shown.evaluate_all("all => all.map((card) => `${card.id} ${card.textContent}`)")
    assert texts
    assert all("transposed" in text.lower() for text in texts)
    page.get_by_label("Show only cards that say").fill("")
    expect(shown).to_have_count(whole)


@pytest.mark.parametrize("week", WEEKS)
def test_open_cards_fit_a_phone_and_are_accessible(new_page, book: Path, violations, week: str) -> None:
    page = new_page(width=390, dark=True)
    every = cards(page, book, week)
    assert every.count() > 200
    # Every seventh is open: enough to meet each kind of example, and axe does not take a minute.
    every.evaluate_all("all => all.forEach((card, at) => { card.open = at % 7 === 0; })")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(page, impacts=("serious", "critical")) == []
