"""The widget with a kernel behind it, in the two programs that learners open."""

import json
from ast import literal_eval
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import plenary.widgets

ROOT = Path(__file__).parents[2]
# What a reader does with each widget, by keyboard: a control, by its role and its name, and a key.
ACTIONS = {
    "Scaling": ("slider", "Width of a key", "ArrowRight"),
    "Listening": ("button", "1", "Enter"),
    "SoftLookup": ("slider", "Temperature", "ArrowRight"),
    "PaintMask": ("button", "may listen to", "Space"),
    "GradientFlow": ("slider", "Push on the chosen score", "ArrowRight"),
    "BlackBoxes": ("switch", "", "Space"),
    "FlatBuffer": ("radio", ".transpose(1, 2)", "Space"),
    "Heads": ("switch", "Head 2 of layer 1", "Space"),
    "Positions": ("slider", "Position t", "ArrowRight"),
    "NormPlacement": ("slider", "Number of layers", "ArrowRight"),
    "ThreeMasks": ("radio", "swimming", "Space"),
    "LiveTransformer": ("button", "write the next token", "Enter"),
    "TwoLanguages": ("combobox", "", "ArrowDown"),
    "StretchPositions": ("slider", "Rows of the new grid", "ArrowLeft"),
    "SameWeights": ("button", "Next stage", "Enter"),
    "DrawDigit": ("switch", "positions", "Space"),
    "NormalRun": ("combobox", "Planted bug", "ArrowDown"),
    "RolloutViewer": ("slider", "Patches covered", "ArrowRight"),
    "CutPicture": ("switch", "shuffle the patches", "Space"),
    "OnlineSoftmax": ("button", "read a block", "Enter"),
}
CELLS = ["from plenary.widgets import Scaling\nw = Scaling()\nw", "print('python has', w)", "w.d_k = 2"]


def notebook(sources: list[str]) -> str:
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{i}",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": code,
        }
        for i, code in enumerate(sources)
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
    with jupyter(program, tmp_path, notebook(CELLS)) as address:
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


def test_every_widget_tells_python_what_a_reader_does(
    new_page, jupyter, wait_for_kernel, run_cell, tmp_path: Path
) -> None:
    assert sorted(ACTIONS) == dir(plenary.widgets)
    make = "import plenary.widgets as all\nwidgets = {}\n"
    shows = [
        f"{make if i == 0 else ''}w = widgets[{name!r}] = all.{name}(); w" for i, name in enumerate(ACTIONS)
    ]
    fresh = "{name: getattr(all, name)().state() for name in widgets}"
    tell = (
        f"fresh = {fresh}\n"
        "changed = {n: [s for s, v in w.state().items() if v != fresh[n][s]] for n, w in widgets.items()}\n"
        "print('changed', changed)"
    )
    restore = "for n, w in widgets.items():\n    for s, v in fresh[n].items():\n        setattr(w, s, v)"
    with jupyter("jupyterlab", tmp_path, notebook([*shows, tell, restore])) as address:
        page: Page = new_page(served=address, height=16_000)
        page.goto(f"{address}/lab/tree/one.ipynb")
        wait_for_kernel(page, address)
        said = {}
        for number, (name, (role, label, key)) in enumerate(ACTIONS.items()):
            live = run_cell(page, number).locator(".plenary-live")
            expect(live).to_have_count(1, timeout=45_000)
            words = live.locator(".plenary-summary")
            expect(words).not_to_be_empty()
            said[name] = words, words.inner_text()
            live.get_by_role(role, name=label).first.press(key)
            expect(words).not_to_have_text(said[name][1])
        output = run_cell(page, len(shows)).locator(".jp-OutputArea-output")
        expect(output).to_contain_text("changed {")
        changed = literal_eval(output.inner_text().partition("changed ")[2])
        assert {name: len(settings) > 0 for name, settings in changed.items()} == dict.fromkeys(ACTIONS, True)
        run_cell(page, len(shows) + 1)
        for words, before in said.values():
            expect(words).to_have_text(before, use_inner_text=True)
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
