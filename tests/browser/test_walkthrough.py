"""Three exercises, one of each week, as a learner meets them in JupyterLab: untouched, wrong, then right."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Locator, Page, expect

from plenary.checks import Exercise, Misconception, find

ROOT = Path(__file__).parents[2]
SLOW = 120_000


class Wrong(NamedTuple):
    """A wrong answer: the function, the code, and the mistake that it should be told to be."""

    function: str
    code: str
    mistake: str


class Walk(NamedTuple):
    """An exercise, its wrong answers, and the figure that they draw."""

    notebook: str
    figure: str
    unwritten: str
    wrong: tuple[Wrong, ...]


MASKING = Walk(
    notebook="masking",
    figure="masked-look",
    unwritten="Write the four functions above, then run this cell again.",
    wrong=(
        Wrong(
            "causal_mask",
            "def causal_mask(length):\n"
            "    return torch.tril(torch.ones(length, length, dtype=torch.bool), diagonal=-1)",
            "causal-strict",
        ),
        Wrong(
            "masked_softmax",
            "def masked_softmax(scores, mask):\n"
            "    return torch.softmax(scores.masked_fill(~mask, 0), dim=-1)",
            "masked-softmax-filled-with-zero",
        ),
    ),
)
MULTI_HEAD = Walk(
    notebook="multi_head",
    figure="split-look",
    unwritten="Write split_heads above, then run this cell again.",
    wrong=(
        Wrong(
            "split_heads",
            "def split_heads(x, num_heads):\n"
            "    B, T, D = x.shape\n"
            "    return x.view(B, num_heads, T, D // num_heads)",
            "mh-view-straight",
        ),
        Wrong(
            "MultiHeadAttention",
            """class MultiHeadAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, bias=True, dropout=0.0):
        super().__init__()
        if embed_dim % num_heads != 0:
            raise ValueError("embed_dim has to be a multiple of num_heads")
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.v_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.drop = nn.Dropout(dropout)

    def heads(self, x):
        return x.view(x.shape[0], x.shape[1], self.num_heads, -1).transpose(1, 2)

    def forward(self, query, key, value, mask=None):
        q, k, v = self.heads(self.q_proj(query)), self.heads(self.k_proj(key)), self.heads(self.v_proj(value))
        scores = q @ k.transpose(-2, -1) / self.embed_dim ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        weights = torch.nan_to_num(scores.softmax(-1))
        return self.out_proj(merge_heads(self.drop(weights) @ v)), weights""",
            "mh-root-of-model-width",
        ),
    ),
)
PATCHES = Walk(
    notebook="patches",
    figure="patchify-look",
    unwritten="Write patchify above, then run this cell again.",
    wrong=(
        Wrong(
            "patchify",
            "def patchify(images, patch_size):\n"
            "    B, C, H, W = images.shape\n"
            "    if H % patch_size or W % patch_size:\n"
            '        raise ValueError("the picture does not divide into patches")\n'
            "    N = (H // patch_size) * (W // patch_size)\n"
            "    return images.reshape(B, N, patch_size * patch_size * C)",
            "patch-reshape-only",
        ),
    ),
)


class Cells:
    """The cells of a notebook by their names in nbgrader."""

    def __init__(self, folder: str, name: str) -> None:
        self.text = (ROOT / folder / name / f"{name}.ipynb").read_text(encoding="utf-8")
        found = [cell for cell in json.loads(self.text)["cells"] if cell["cell_type"] == "code"]
        self.names = [cell["metadata"]["nbgrader"]["grade_id"] for cell in found]
        self.sources = dict(zip(self.names, map(_source, found), strict=True))
        self.points = {
            name.removesuffix("-points"): float(cell["metadata"]["nbgrader"]["points"])
            for name, cell in zip(self.names, found, strict=True)
            if cell["metadata"]["nbgrader"]["grade"]
        }


def _source(cell: dict) -> str:
    """A cell's code without the marks around the answer, as a learner would write it."""
    return re.sub(r"\n *### (BEGIN|END) SOLUTION", "", "".join(cell["source"]))


class Lab:
    """The notebook that is open in JupyterLab; cells go by their names."""

    def __init__(self, page: Page, cells: Cells, run_cell: Callable[[Page, int], Locator]) -> None:
        self.page, self.cells, self._run_cell = page, cells, run_cell

    def cell(self, name: str) -> Locator:
        return self.page.locator(".jp-CodeCell").nth(self.cells.names.index(name))

    def run(self, name: str) -> Locator:
        return self._run_cell(self.page, self.cells.names.index(name))

    def write(self, name: str, code: str) -> None:
        """Replace what stands in a cell, and run it."""
        editor = self.cell(name).locator(".cm-content")
        editor.click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(code)
        expect(editor).to_contain_text(code.splitlines()[-1].strip())
        expect(self.run(name).locator(".jp-OutputArea-output")).to_have_count(0)

    def check(self, function: str) -> Locator:
        """Run the cell below a function; returns the report."""
        return self.run(f"{function}-try").locator(".plenary-report")

    def picture(self, name: str) -> Locator:
        return self.cell(name).locator("svg.plenary-figure")

    def output(self, name: str) -> Locator:
        return self.cell(name).locator(".jp-OutputArea").first

    def menu(self, item: str) -> None:
        """Choose from the menu Run."""
        self.page.locator(".lm-MenuBar-item", has_text=re.compile("^Run$")).click()
        self.page.locator(".lm-Menu-item", has_text=re.compile(f"^{re.escape(item)}")).click()

    def theme(self, name: str) -> None:
        """Choose a theme in the palette of commands."""
        self.page.keyboard.press("Control+Shift+C")
        self.page.locator(".jp-ModalCommandPalette input").fill(f"Use Theme: {name}")
        self.page.keyboard.press("Enter")
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-name", name, timeout=SLOW)
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0, timeout=SLOW)

    def expect_points(self, function: str, share: float = 1.0) -> None:
        result = self.cell(f"{function}-points").locator(".jp-OutputArea-executeResult .jp-OutputArea-output")
        expect(result).to_have_text(str(self.cells.points[function] * share), timeout=SLOW)


@pytest.fixture
def open_lab(new_page, wait_for_kernel, run_cell) -> Callable[..., Lab]:
    """Open the notebook that a server holds: `open_lab(address, cells, width=390)`."""

    def opened(address: str, cells: Cells, width: int = 1280, height: int = 1000) -> Lab:
        page = new_page(width=width, height=height, served=address)
        page.goto(f"{address}/lab/tree/one.ipynb")
        expect(page.locator(".jp-CodeCell")).to_have_count(len(cells.names), timeout=SLOW)
        wait_for_kernel(page, address)
        return Lab(page, cells, run_cell)

    return opened


def mistake(wrong: Wrong) -> tuple[Exercise, Misconception]:
    exercise = find(wrong.function)
    return exercise, next(one for one in exercise.misconceptions if one.id == wrong.mistake)


def expect_nothing_written(lab: Lab, walk: Walk) -> None:
    """Run the untouched notebook: every check and the figure say what is missing, and none is an error."""
    lab.menu("Run All Cells")
    for function in lab.cells.points:
        expect(lab.cell(f"{function}-try")).to_contain_text("is not written yet", timeout=SLOW)
        lab.expect_points(function, 0.0)
    expect(lab.cell(walk.figure)).to_contain_text(walk.unwritten)
    expect(lab.page.locator("[data-mime-type='application/vnd.jupyter.error']")).to_have_count(0)


def expect_diagnosis(lab: Lab, address: str, wrong: Wrong) -> Locator:
    """Write a wrong answer: the report names the mistake, and its link leads to the paragraph in the book."""
    exercise, known = mistake(wrong)
    lab.write(wrong.function, wrong.code)
    report = lab.check(wrong.function)
    expect(report).to_contain_text(known.title, timeout=SLOW)
    expect(report).to_contain_text(known.hint)
    link = report.get_by_role("link", name=known.section)
    expect(link).to_have_attribute("href", f"{address}/static/book/{exercise.page}.html#{known.anchor}")
    with lab.page.context.expect_page() as opened:
        link.click()
    expect(opened.value.locator(f"[id='{known.anchor}']")).to_be_in_viewport(timeout=SLOW)
    opened.value.close()
    return report


def expect_figure(lab: Lab, name: str) -> str:
    """Run a figure's cell and move its first slider by keyboard: the picture follows. Returns the second."""
    lab.run(name)
    picture = lab.picture(name)
    expect(picture).to_be_visible(timeout=SLOW)
    said, before = picture.get_attribute("aria-label") or "", picture.inner_html()
    lab.cell(name).get_by_role("slider").first.press("ArrowRight")
    expect(picture).not_to_have_attribute("aria-label", said, timeout=SLOW)
    after = picture.inner_html()
    assert after != before
    return after


def shoot(lab: Lab, shown: Locator, path: Path) -> None:
    """What the learner has on the screen, with this in its middle."""
    shown.evaluate("one => one.scrollIntoView({ block: 'center', inline: 'nearest' })")
    expect(shown).to_be_in_viewport()
    lab.page.screenshot(path=path)


@pytest.mark.parametrize("walk", [MASKING, MULTI_HEAD, PATCHES], ids=lambda walk: walk.notebook)
def test_from_untouched_by_way_of_wrong_to_right(
    jupyter, open_lab, violations, tmp_path: Path, book: Path, screenshots: Path, walk: Walk
) -> None:
    cells, right = Cells("exercises", walk.notebook), Cells("solutions", walk.notebook)
    wrong = {one.function: one for one in walk.wrong}

    def shot(name: str) -> Path:
        return screenshots / f"walk-{walk.notebook}-{name}.png"

    with jupyter("jupyterlab", tmp_path, cells.text, book) as address:
        lab: Lab = open_lab(address, cells)
        expect_nothing_written(lab, walk)
        shoot(lab, lab.output(walk.figure), shot("untouched"))

        for function in cells.points:
            if function in wrong:
                report = expect_diagnosis(lab, address, wrong[function])
                shoot(lab, report, shot(f"wrong-{function}"))
                assert violations(lab.page, ".plenary-report") == []
            else:
                lab.write(function, right.sources[function])
        drawn_wrong = expect_figure(lab, walk.figure)
        shoot(lab, lab.picture(walk.figure), shot("wrong-figure"))
        lab.theme("JupyterLab Dark")
        shoot(lab, lab.picture(walk.figure), shot("wrong-figure-dark"))
        shoot(lab, lab.cell(f"{walk.wrong[0].function}-try"), shot("wrong-dark"))
        assert violations(lab.page, ".plenary-report") + violations(lab.page, ".plenary-figure") == []
        lab.theme("JupyterLab Light")

        for function in wrong:
            lab.write(function, right.sources[function])
        for function in cells.points:
            expect(lab.check(function)).to_contain_text("Right on every probe.", timeout=SLOW)
            lab.run(f"{function}-points")
            lab.expect_points(function)
        assert expect_figure(lab, walk.figure) != drawn_wrong
        shoot(lab, lab.output(f"{walk.wrong[-1].function}-points"), shot("right"))
        shoot(lab, lab.picture(walk.figure), shot("right-figure"))
        lab.page.close()


def test_a_renamed_function_costs_its_own_points_only(
    jupyter, open_lab, tmp_path: Path, book: Path, screenshots: Path
) -> None:
    cells = Cells("solutions", "masking")
    with jupyter("jupyterlab", tmp_path, cells.text, book) as address:
        lab: Lab = open_lab(address, cells)
        lab.menu("Run All Cells")
        for function in cells.points:
            lab.expect_points(function)
        lab.write("causal_mask", cells.sources["causal_mask"].replace("causal_mask", "causal_masks"))
        lab.menu("Restart Kernel and Run All Cells")
        lab.page.get_by_role("dialog").get_by_role("button", name="Confirm").click()

        report = lab.cell("causal_mask-try").locator(".plenary-report")
        expect(report).to_contain_text("There is no causal_mask here yet.", timeout=SLOW)
        expect(report).to_contain_text("There is 'causal_masks'; if that is it, give it its name back.")
        expect(lab.cell("masked-look")).to_contain_text("name 'causal_mask' is not defined", timeout=SLOW)
        lab.expect_points("causal_mask", 0.0)
        for function in ("padding_mask", "combine_masks", "masked_softmax"):
            lab.expect_points(function)
        shoot(lab, report, screenshots / "walk-masking-renamed.png")
        shoot(lab, lab.output("masked-look"), screenshots / "walk-masking-renamed-figure.png")
        lab.page.close()


def test_a_diagnosis_can_be_read_on_a_phone(
    jupyter, open_lab, tmp_path: Path, book: Path, screenshots: Path
) -> None:
    cells = Cells("exercises", "patches")
    with jupyter("jupyterlab", tmp_path, cells.text, book) as address:
        lab: Lab = open_lab(address, cells, width=390, height=844)
        lab.page.keyboard.press("Control+B")  # the list of files would take half the screen
        expect(lab.page.locator("#filebrowser")).to_be_hidden()
        lab.run("imports")
        report = expect_diagnosis(lab, address, PATCHES.wrong[0])
        shoot(lab, report.locator("strong"), screenshots / "walk-phone-message.png")
        # Words fit; a table that is too wide can be pushed aside.
        right_edge = "one => one.getBoundingClientRect().right"
        room = report.locator("..")
        assert report.locator("strong").evaluate(right_edge) <= room.evaluate(right_edge) < 390
        expect(room).to_have_css("overflow-x", "auto")
        shoot(lab, report.locator("table").nth(1), screenshots / "walk-phone-tables.png")
        expect_figure(lab, PATCHES.figure)
        shoot(lab, lab.output(PATCHES.figure), screenshots / "walk-phone-figure.png")
        lab.page.close()
