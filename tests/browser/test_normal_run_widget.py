"""The widget of normal runs on its chapter's page, opened as a file: bugs to choose, and logs handed in."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from plenary.training import reference
from plenary.training.log import COLUMNS
from plenary.widgets.normal_run import BUGS, against, bands, ends, shown

RESULTS = reference.results()
LAST = len(RESULTS["epochs"])
CHOSEN = RESULTS["bugs"][0]
TITLES = {"loss": "Training loss", "validation_loss": "Validation loss", "validation_accuracy": "Accuracy"}


RATES = shown(RESULTS)["rates"]


def right_rate(at: int) -> float:
    return RATES[at] if at < LAST else 0.0


def log_of(
    curves: dict[str, list[float]],
    epochs: int = LAST,
    steps: int = 23,
    rates: Callable[[int], float] = right_rate,
) -> str:
    """What a run with these curves would have written, with the columns that it writes."""
    lines = [",".join(COLUMNS)]
    for at in range(epochs):
        row = {"step": steps * (at + 1), "epoch": at + 1, "learning_rate": rates(at), "gradient_norm": 1.5}
        row |= {"seconds": 2.5 * at, **{name: curves[name][at] for name in TITLES}}
        lines.append(",".join(str(row[name]) for name in COLUMNS))
    return "\n".join(lines) + "\n"


def run_of(which: dict[str, Any], seed: int = 0) -> dict[str, list[float]]:
    return {name: which[name][seed] for name in TITLES}


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / "book" / "vision_transformer" / "training.html").as_uri())
    widget = page.locator(".plenary-widget[data-state=live]").first
    expect(widget.locator(".plenary-stage svg")).to_have_count(3)
    widget.scroll_into_view_if_needed()
    return widget


def hand_in(widget: Locator, text: str, name: str = "log.csv") -> str:
    """Choose a file with this text; returns what is said of it."""
    chooser = widget.get_by_label("Your own log.csv", exact=True)
    chooser.set_input_files([])
    chooser.set_input_files({"name": name, "mimeType": "text/csv", "buffer": text.encode()})
    verdicts = widget.locator(".verdicts")
    expect(verdicts).to_contain_text(f"{name}:")
    return verdicts.inner_text()


def said(widget: Locator) -> str:
    return widget.locator(".plenary-summary").inner_text()


def drawing(widget: Locator) -> tuple[str, ...]:
    return tuple(widget.locator(".plenary-stage svg").evaluate_all("all => all.map(one => one.outerHTML)"))


def test_keyboard_chooses_a_bug_and_shows_what_was_measured(page: Page, book: Path) -> None:
    widget = open_widget(page, book)
    chooser = widget.get_by_role("combobox", name="Planted bug")
    chooser.focus()
    chooser.press("Home")
    assert said(widget) == (
        f"No bug is planted. The five right runs end at {ends(RESULTS['reference'])} accuracy (mean of the last "
        f"{RESULTS['settings']['last']} epochs)."
    )
    expect(widget.locator(".line.planted")).to_have_count(0)
    before = drawing(widget)
    chooser.press("ArrowDown")
    expect(chooser).to_have_value(BUGS[1])
    expect(widget.locator(".plenary-summary")).to_contain_text(f"Planted: {CHOSEN['text']}.")
    assert f"Its three runs end at {ends(CHOSEN)}, {against(CHOSEN, RESULTS['reference'])};" in said(widget)
    assert f"The check of {CHOSEN['mistake'].split()[0]} names it: “" in said(widget)
    expect(widget.locator(".plenary-stage .line.planted")).to_have_count(9)
    assert all(old != new for old, new in zip(before, drawing(widget), strict=True))

    # The table follows, and holds the band and the middle of three runs.
    widget.locator("summary").click()
    rows = widget.locator("tbody tr")
    cells = rows.last.locator("th, td").all_inner_texts()
    assert cells[0] == str(LAST)
    for at, name in enumerate(TITLES):
        low, high = bands(RESULTS, name)[-1]
        middle = sorted(one[-1] for one in CHOSEN[name])[1]
        found = [
            float(number) for cell in cells[1 + 2 * at : 3 + 2 * at] for number in re.findall(r"[\d.]+", cell)
        ]
        factor = 100 if name == "validation_accuracy" else 1
        assert found == pytest.approx(
            [factor * low, factor * high, factor * middle], abs=0.051 if factor > 1 else 6e-4
        )

    # Two switches, by the space bar: the end is larger, and a loss on a log scale has other places.
    for name in ("the end only", "losses on a log scale"):
        before = drawing(widget)
        widget.get_by_role("switch", name=name).press(" ")
        assert before[0] != drawing(widget)[0]
    chooser.select_option(next(bug["name"] for bug in RESULTS["bugs"] if not bug["mistake"]))
    expect(widget.locator(".plenary-summary")).to_contain_text("No exercise asks for this part")


def test_a_log_is_judged_curve_by_curve(page: Page, book: Path) -> None:
    widget = open_widget(page, book)
    # A run of the reference itself is inside its band everywhere.
    text = hand_in(widget, log_of(run_of(RESULTS["reference"], 2)))
    assert "in all three curves a run like the five" in text
    assert text.count(f"inside the band at {LAST} of {LAST} epochs (100 %). Each of the five") == 3
    expect(widget.locator(".plenary-stage .line.own")).to_have_count(3)
    # With a learner's run that stays at chance, all three are named, with the first epoch outside.
    lost = {"loss": [2.31] * LAST, "validation_loss": [2.32] * LAST, "validation_accuracy": [0.1] * LAST}
    text = hand_in(widget, log_of(lost))
    assert "3 of 3 curves are not as in right runs" in text
    for name, title in TITLES.items():
        low, high = zip(*bands(RESULTS, name), strict=True)
        inside = [a - 6e-4 <= lost[name][0] <= b + 6e-4 for a, b in zip(low, high, strict=True)]
        first = inside.index(False) + 1
        assert f"{title}: inside the band at {sum(inside)} of {LAST} epochs" in text
        assert f"first outside at epoch {first}." in text
    assert text.count("Oftener worse than right runs are") == 3
    # As far as a short log goes, with a note; its batches were others.
    text = hand_in(widget, log_of(run_of(RESULTS["reference"]), epochs=3, steps=45))
    assert "learning rate" not in text
    assert "of 3 epochs" in text
    assert f"The log has 3 epochs, the reference {LAST}: it is drawn as far as it goes." in text
    assert "The log has 45 steps in an epoch, the reference 23" in text
    expect(widget.locator(".plenary-stage .dot")).to_have_count(9)
    # Planned to be that short, its rate is another one, and a curve off the band means less.
    text = hand_in(widget, log_of(lost, epochs=3, rates=lambda at: (0.0017, 0.00063, 0.0000012)[at]))
    assert (
        "The learning rate is not the reference’s: after epoch 1 it is 0.0017, and should be 0.0002." in text
    )
    assert "Another learning rate alone can do that." in text
    assert "compare learning rate" not in text
    # Longer than the reference: drawn, and judged over the epochs that both have.
    longer = {name: [*curve, curve[-1]] for name, curve in run_of(RESULTS["reference"]).items()}
    text = hand_in(widget, log_of(longer, epochs=LAST + 1))
    assert (
        f"The log has {LAST + 1} epochs, the reference {LAST}: what comes after is drawn and not judged"
        in text
    )
    widget.get_by_role("button", name="Take my log away").press("Enter")
    expect(widget.locator(".line.own")).to_have_count(0)
    expect(widget.locator(".verdicts")).to_be_empty()


def test_what_is_no_log_is_told_why(page: Page, book: Path) -> None:
    widget = open_widget(page, book)
    ending = "\r\n"  # as a spreadsheet leaves it; the logs of the other tests end their lines as a run does
    rows = log_of(run_of(RESULTS["reference"])).splitlines()[:5]
    head, second = rows[0], rows[2].split(",")

    def spoiled(column: str, value: str) -> list[str]:
        cells = [value if name == column else cell for name, cell in zip(COLUMNS, second, strict=True)]
        return [*rows[:2], ",".join(cells), *rows[3:]]

    cases = {
        "The file is empty.": [""],
        "its first line has no “validation_loss” and “validation_accuracy”.": ["step,epoch,loss", "1,1,2.3"],
        "and no row yet": [head],
        "Line 3: loss is “nan”, and not a finite number. A run whose loss": spoiled("loss", "nan"),
        "Line 3: validation_loss is “”, and not a finite number. Is the file": spoiled("validation_loss", ""),
        "Line 3: the epoch is 1; expected a whole number above 1.": spoiled("epoch", "1"),
        "Line 3: validation_accuracy is 97.2; expected a share from 0 to 1. Is it in per cent?": spoiled(
            "validation_accuracy", "97.2"
        ),
        "Line 3 has 3 of the 8 entries": [*rows[:2], "1,2,3", *rows[3:]],
    }
    for expected, lines in cases.items():
        text = hand_in(widget, ending.join(lines) + ending * (lines != [""]), "mine.csv")
        assert expected in text
        expect(widget.locator(".verdicts .error")).to_have_count(1)
        expect(widget.locator(".line.own")).to_have_count(0)
    # The line that a killed process did not end is left out, as `plenary.training.log.read` does.
    text = hand_in(widget, ending.join([*rows, "115,5,0.0"]))
    assert "The last line is cut off and left out." in text
    assert "The log has 4 epochs" in text


def test_a_log_is_dropped_by_the_mouse(page: Page, book: Path) -> None:
    widget = open_widget(page, book)
    transfer = page.evaluate_handle(
        """(text) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([text], "dropped.csv", { type: "text/csv" }));
            return transfer;
        }""",
        log_of(run_of(CHOSEN)),
    )
    zone = widget.locator(".plenary-live")
    zone.dispatch_event("dragover", {"dataTransfer": transfer})
    expect(zone).to_have_class(re.compile(r"\bover\b"))
    zone.dispatch_event("drop", {"dataTransfer": transfer})
    expect(widget.locator(".verdicts")).to_contain_text("dropped.csv:")
    expect(zone).not_to_have_class(re.compile(r"\bover\b"))
    # The upright axis is straight: the last point of the log stands where its accuracy is between 0 and 100 %.
    accuracy = widget.locator(".plenary-stage svg").last
    dot = float(accuracy.locator(".dot").last.get_attribute("cy") or "nan")
    lines = accuracy.locator(".grid").evaluate_all("all => all.map(one => Number(one.getAttribute('y1')))")
    share = (max(lines) - dot) / (max(lines) - min(lines))
    assert share == pytest.approx(CHOSEN["validation_accuracy"][0][-1], abs=0.002)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_fits_a_phone_answers_to_touch_and_is_accessible(
    browser, book: Path, screenshots: Path, violations, dark: bool
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 1800},
        color_scheme="dark" if dark else "light",
        has_touch=True,
        reduced_motion="reduce",
    )
    page = context.new_page()
    widget = open_widget(page, book)
    before = drawing(widget)
    widget.get_by_role("switch", name="the end only").tap()
    assert all(old != new for old, new in zip(before, drawing(widget), strict=True))
    hand_in(widget, log_of(run_of(RESULTS["reference"], 1)))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    inside = """host => [...host.querySelectorAll("svg text")].every((text) => {
        const [own, all] = [text.getBoundingClientRect(), host.getBoundingClientRect()];
        return own.left >= all.left && own.right <= all.right;
    })"""
    assert widget.evaluate(inside)
    assert violations(page, f"#{widget.get_attribute('id')}") == []
    widget.screenshot(path=screenshots / f"widget-normal-run-390-{'dark' if dark else 'light'}.png")
    context.close()


def test_without_javascript_a_still_picture_says_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / "book" / "vision_transformer" / "training.html").as_uri())
    host = page.locator(".plenary-widget").first
    still = host.get_by_role("img")
    expect(still).to_be_visible()
    assert "Five runs of the reference recipe" in (still.get_attribute("aria-label") or "")
    expect(host).to_contain_text("needs JavaScript")
    expect(host.get_by_role("combobox")).to_have_count(0)
