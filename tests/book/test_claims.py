"""Would a wrong chapter be noticed? Every boxed result and example by hand is changed: the build must stop."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from chapters import ROOT, WHOLE, chapter

CLAIMS = [
    (name, label, wrong) for name in WHOLE for label, table in chapter(name).claims.items() for wrong in table
]


@pytest.mark.parametrize(("name", "label", "wrong"), CLAIMS, ids=[": ".join(one) for one in CLAIMS])
def test_a_wrong_claim_stops_the_build(name: str, label: str, wrong: str):
    page = chapter(name)
    right, instead = page.claims[label][wrong]
    found = [number for number, source in enumerate(page.cells) if right in source]
    assert len(found) == 1, f"{right!r} stands in cells {found}, expected in one"
    (number,) = found
    changed = page.cells[number].replace(right, instead)
    with pytest.raises(AssertionError):
        page.ran.cell(changed, dict(page.ran.before[number]))


@pytest.mark.parametrize("name", WHOLE)
def test_is_every_box_and_the_example_by_hand_put_to_the_test(name: str):
    page = chapter(name)
    assert page.boxed
    assert len(set(page.boxed)) == len(page.boxed)
    assert set(page.claims) - {"other"} == {*page.boxed, "by-hand"}
    assert [label for label, table in page.claims.items() if not table] == []


@pytest.mark.parametrize("name", WHOLE)
def test_prose_takes_its_numbers_from_cells_that_make_them(name: str):
    page = chapter(name)
    used = re.findall(r"\{glue:text\}`(\w+)", page.text)
    assert set(used) == set(page.ran.glued), "a number is used and not made, or made and not used"


def test_the_build_itself_stops(tmp_path: Path):
    """The same once more with Jupyter Book: a page on its own, right and wrong."""
    page = chapter("scaled_dot_product")
    cells = [page.cells[0], next(source for source in page.cells if "claimed = d_k * sigma**4" in source)]
    right = "\n\n".join(f"```{{code-cell}} ipython3\n{source}\n```" for source in cells)
    head = page.text.split("---\n")[1]
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["execute"]
    results = {}
    for kind, text in {"right": right, "wrong": right.replace("sigma**4", "sigma**2")}.items():
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "page.md").write_text(f"---\n{head}---\n# A page\n\n{text}\n", encoding="utf-8")
        (folder / "_toc.yml").write_text("format: jb-book\nroot: page\n", encoding="utf-8")
        (folder / "_config.yml").write_text(yaml.safe_dump({"execute": settings}), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("jupyter-book")), "build", ".", "--warningiserror"]
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        results[kind] = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
    assert results["right"].returncode == 0, results["right"].stderr[-2000:]
    assert results["wrong"].returncode != 0
    assert "AssertionError" in results["wrong"].stdout + results["wrong"].stderr
