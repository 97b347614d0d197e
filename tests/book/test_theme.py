"""The book's own Sphinx extension, on a page made for it."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from chapters import ROOT

PAGE = """# A page

Look at {mistake}`softmax softmax-sigmoid`.
"""


@pytest.mark.parametrize("name", ["model.py", "figure.mjs", "weights.safetensors", "inner/list.pyi"])
def test_executed_cells_are_kept_for_one_state_of_the_package(tmp_path: Path, name: str):
    extension = runpy.run_path(str(ROOT / "book" / "_theme" / "plenary_book.py"))
    file = tmp_path / "src" / "plenary" / name
    file.parent.mkdir(parents=True)
    app = SimpleNamespace(srcdir=str(tmp_path), outdir=str(tmp_path / "html"))

    def folder(content: bytes) -> str:
        file.write_bytes(content)
        config = SimpleNamespace()
        extension["_cache_by_source"](app, config)
        return config.nb_execution_cache_path

    before = folder(b"one")
    assert folder(b"another") != before
    assert folder(b"one") == before
    (file.parent / "__pycache__").mkdir()
    (file.parent / "__pycache__" / "model.pyc").write_bytes(b"made by running it")
    assert folder(b"one") == before


@pytest.fixture
def build(tmp_path: Path):
    """Build a book of one page, with the book's extension; returns how it ended and the page, if there is one."""

    def run(text: str) -> tuple[subprocess.CompletedProcess[str], str]:
        shutil.copytree(ROOT / "book" / "_theme", tmp_path / "theme")
        (tmp_path / "page.md").write_text(text, encoding="utf-8")
        (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: page\n", encoding="utf-8")
        settings = {
            "execute": {"execute_notebooks": "off"},
            "sphinx": {"local_extensions": {"plenary_book": "theme"}},
        }
        (tmp_path / "_config.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        done = subprocess.run(
            [Path(sys.executable).with_name("jupyter-book"), "build", ".", "--warningiserror"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=200,
        )
        page = tmp_path / "_build" / "html" / "page.html"
        return done, page.read_text(encoding="utf-8") if page.is_file() else ""

    return run


def test_a_mistake_is_linked_with_its_card(build):
    done, html = build(PAGE)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'href="book/mistakes/attention.html#mistake-softmax-softmax-sigmoid"' in html
    assert 'aria-label="In the gallery of mistakes: ' in html


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("softmax nothing", "expected one of "),
        ("nothing softmax-sigmoid", "expected a function of the course, a space, and an id"),
    ],
)
def test_a_mistake_that_nobody_knows_stops_the_build(build, written: str, expected: str):
    done, _ = build(PAGE.replace("softmax softmax-sigmoid", written))
    assert done.returncode != 0
    assert f"{{mistake}}`{written}` is in no catalogue; {expected}" in done.stdout + done.stderr


def test_a_formula_keeps_its_full_stop_and_a_linked_letter_has_a_name(build):
    page = "# A page\n\nSo it is $x^2$. See [$d_k$](#sym-dk), and $y$ alone.\n\n(sym-dk)=\n## Letters\n"
    done, html = build(page)
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search(
        r'<span class="plenary-unbroken"><span class="math[^>]*>\\\(x\^2\\\)</span>\.</span>', html
    )
    assert html.count("plenary-unbroken") == 1
    assert re.search(r'<a class="reference internal" href="#sym-dk" aria-label="d k in the notation">', html)
