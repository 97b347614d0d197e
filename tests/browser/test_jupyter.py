"""The widget with a kernel behind it, in the two programs that learners open."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

ROOT = Path(__file__).parents[2]
CELLS = ["from plenary.widgets import Scaling\nw = Scaling()\nw", "print('python has', w)", "w.d_k = 2"]


def notebook() -> str:
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{i}",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": code,
        }
        for i, code in enumerate(CELLS)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps(
        {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    )


@pytest.mark.parametrize(
    ("program", "path"), [("jupyterlab", "lab/tree/one.ipynb"), ("notebook", "notebooks/one.ipynb")]
)
def test_widget_and_python_follow_each_other(
    new_page, jupyter, wait_for_kernel, run_cell, tmp_path: Path, program: str, path: str
) -> None:
    with jupyter(program, tmp_path, notebook()) as address:
        # Notebook 7.6 stumbles over a settings schema while it starts: in its own script, before any cell has run.
        page: Page = new_page(served=address, height=1400, forgive="/static/notebook/notebook_core")
        page.goto(f"{address}/{path}")
        expect(page.locator(".jp-CodeCell")).to_have_count(len(CELLS), timeout=30_000)
        wait_for_kernel(page, address)
        first = run_cell(page, 0)
        live = first.locator(".plenary-live")
        expect(live.locator("svg")).to_have_count(3, timeout=45_000)
        # The live view alone: the twin for pages with no kernel neither shows nor runs.
        expect(page.locator(".plenary-live")).to_have_count(1)
        expect(page.locator(".plenary-widget")).to_have_count(0)

        slider, words = live.get_by_role("slider"), live.locator("[aria-live=polite]")
        expect(words).to_contain_text("dk = 64 and no scaling")
        before, pixels = live.locator("svg").first.inner_html(), live.screenshot()
        slider.press("ArrowRight")
        expect(words).to_contain_text("dk = 128 and no scaling")
        live.get_by_role("switch").press("Space")
        expect(words).to_contain_text("dk = 128 and division")
        assert live.locator("svg").first.inner_html() != before
        assert live.screenshot() != pixels

        expect(run_cell(page, 1)).to_contain_text("python has Scaling(d_k=128, scaled=True)")
        run_cell(page, 2)
        expect(words).to_contain_text("dk = 2 and division")
        page.close()


def test_a_learner_is_told_what_is_wrong_and_may_validate(
    new_page, jupyter, wait_for_kernel, run_cell, tmp_path: Path, book: Path
) -> None:
    """The exercise as `make lab` shows it: a mistake, its diagnosis, the way into the book, and Validate."""
    exercise = (ROOT / "exercises" / "scaled_dot_product" / "scaled_dot_product.ipynb").read_text(
        encoding="utf-8"
    )
    with jupyter("jupyterlab", tmp_path, exercise, book) as address:
        page: Page = new_page(served=address, height=1400)
        page.goto(f"{address}/lab/tree/one.ipynb")
        wait_for_kernel(page, address)
        run_cell(page, 0)
        page.locator(".jp-CodeCell").nth(1).locator(".cm-content").click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text("def attention_scores(query, key):\n    return query @ key.mT\n")
        run_cell(page, 1)
        report = run_cell(page, 2).locator(".plenary-report")
        expect(report).to_contain_text("Your scores are not divided by the root of d_k.", timeout=60_000)
        expect(report).to_contain_text("Each of your numbers is 2 times the expected one.")
        expect(run_cell(page, 3).locator("svg.plenary-figure")).to_be_visible(timeout=60_000)

        with page.context.expect_page() as opened:
            report.get_by_role("link").click()
        expect(opened.value.locator("#sdp-root")).to_be_attached()
        opened.value.close()

        page.locator(".jp-NotebookPanel-toolbar").get_by_text("Validate").click()
        expect(page.get_by_role("dialog")).to_contain_text("seed=101", timeout=120_000)
        page.close()
