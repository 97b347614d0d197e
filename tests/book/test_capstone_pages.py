"""The capstone's guide, its worked example, its graded reports and *Scaling up*: do they say what is so?"""

import json
import os
import re
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from chapters import ROOT, Chapter, chapter
from click.testing import CliRunner

from plenary.cli import train as command
from plenary.training import ablations, log, reference, two_processes

PAGES = ("capstone", "capstone_example", "capstone_grading", "scaling_up")
QUESTIONS = {
    "Results": "results",
    "Ablations": "ablations",
    "A look inside": "inside",
    "A gallery of failures": "failures",
    "Your report": "report",
}
LINES = [f"{letter}{number}" for letter in "RAIFP" for number in range(1, 5)]
REPORTS = ("First report", "Second report", "Third report")


def of_rubric(text: str) -> list[tuple[int, str]]:
    """The lines of a rubric: points, and what for."""
    return [(int(points), said) for points, said in re.findall(r"^\| (\d) \| (.+?) \|$", text, re.MULTILINE)]


@cache
def notebook() -> dict[str, str]:
    """The notebook's cells by their ids."""
    cells = nbformat.read(ROOT / "exercises" / "capstone" / "capstone.ipynb", 4).cells
    return {str(cell.metadata.get("nbgrader", {}).get("grade_id")): cell.source for cell in cells}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_rubric_is_that_of_the_notebook(question: str):
    said = chapter("capstone_grading").section("The rubric")
    ours = re.search(rf"^\*\*{question}\*\* \(4 points\)\n\n(.*?)(?=\n\n)", said, re.DOTALL | re.MULTILINE)
    assert ours
    asked = notebook()[f"{QUESTIONS[question]}-question"]
    assert asked.startswith(f"**{question}** (4 points, by hand)")
    assert of_rubric(ours[1]) == of_rubric(asked)
    assert sum(points for points, _ in of_rubric(asked)) == 4


def test_every_question_by_hand_is_in_the_rubric():
    answers = {name.removesuffix("-answer") for name in notebook() if name.endswith("-answer")}
    assert answers == set(QUESTIONS.values())


@pytest.mark.parametrize("report", REPORTS)
def test_the_points_of_a_report_add_up(report: str):
    said = chapter("capstone_grading").section(report)
    graded = re.findall(r"^\| (\w\d) \| ([01]) \| (.+?) \|$", said, re.MULTILINE)
    assert [line for line, _, _ in graded] == LINES
    assert [why for _, _, why in graded if len(why.split()) < 3] == []
    (total,) = re.findall(r"^\*\*Total: (\d+) of 20\.\*\*$", said, re.MULTILINE)
    assert sum(int(given) for _, given, _ in graded) == int(total)
    assert said.index(":::{admonition}") < said.index(":::{dropdown}"), "the answers come before their grades"
    for heading in ("**Where graders disagree.**", "**What to write to the learner.**"):
        assert heading in said
    for question in ("Results", "Ablations", "A look inside", "Failures", "Report"):
        assert f"**{question}.**" in said


def test_the_reports_are_weak_fair_and_strong():
    text = chapter("capstone_grading").text
    weak, fair, strong = (int(total) for total in re.findall(r"^\*\*Total: (\d+) of", text, re.MULTILINE))
    assert weak <= 6
    assert 10 <= fair <= 14
    assert 18 <= strong < 20


def test_the_tally_of_two_graders_begins_with_the_points_of_the_page():
    said = chapter("capstone_grading").section("Second report")
    given = "".join(re.findall(r"^\| \w\d \| ([01]) \|", said, re.MULTILINE))
    assert f'zip(lines, "{given}", strict=True)' in chapter("capstone_grading").text


def test_the_strong_report_takes_its_numbers_from_runs():
    said = " ".join(chapter("capstone_grading").section("Third report").split())
    ends = [run[-1] for run in reference.results()["reference"]["validation_accuracy"]][:3]
    wrong = [round((1 - share) * 360) for share in ends]
    assert f"miss {wrong[0]}, {wrong[1]} and {wrong[2]} pictures" in said
    rows = {row["name"]: row for row in ablations.results()["rows"]}
    without = [f"{run['accuracy']:.4f}" for run in rows["no positions"]["runs"][:3]]
    assert f"three seeds: {', '.join(without)}," in said
    assert f"seed 0 only: {rows['mean of the patches']['runs'][0]['wrong']} missed against {wrong[0]}" in said


def test_the_examples_mistakes_are_as_many_as_those_of_the_runs():
    page = chapter("capstone_example")
    listed = page.ran.before[-1]["mistakes"]
    ends = reference.results()["reference"]["validation_accuracy"]
    assert {seed: len(found) for seed, found in listed.items()} == {
        seed: round((1 - ends[seed][-1]) * 360) for seed in listed
    }


@pytest.mark.parametrize("name", ["capstone_example", "capstone_grading", "scaling_up"])
def test_the_page_runs_and_takes_its_numbers_from_its_cells(name: str):
    page = chapter(name)
    used = re.findall(r"\{glue:text\}`(\w+)", page.text)
    assert set(used) == set(page.ran.glued)


CHANGES = {
    "the plain mean of unequal shares": ("weighted = sum(len(rows) / 29 * g", "weighted = sum(1 / 3 * g"),
    "shares weighted by the root of their size": (
        "weighted = sum(len(rows) / 29 * g",
        "weighted = sum((len(rows) / 29) ** 0.5 * g",
    ),
    "a sum where a mean belongs": (
        "mean = sum(gradient(rows) for rows in equal) / 4",
        "mean = sum(gradient(rows) for rows in equal)",
    ),
    "a variance that falls like the square": ("abs(ratio - 4) < 0.5", "abs(ratio - 16) < 0.5"),
    "bfloat16 keeps small steps": ("else 1.0", "else 0.9"),
}


@pytest.mark.parametrize("wrong", CHANGES)
def test_a_wrong_claim_on_scaling_stops_the_build(wrong: str):
    page = chapter("scaling_up")
    right, instead = CHANGES[wrong]
    (number,) = (i for i, source in enumerate(page.cells) if right in source)
    with pytest.raises(AssertionError):
        page.ran.cell(page.cells[number].replace(right, instead), dict(page.ran.before[number]))


def test_every_box_on_scaling_has_a_label():
    assert chapter("scaling_up").boxed == ["eq-scale-shards"]


def commands(page: Chapter) -> list[list[str]]:
    """What follows `plenary train` on a line that a reader may type."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", page.text, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    found = [re.search(r"(?:plenary|plenary\.cli) train ([^#]*)", line) for line in lines]
    return [one[1].split() for one in found if one]


@pytest.mark.parametrize("name", ["capstone", "capstone_example", "scaling_up"])
def test_the_commands_have_these_options(name: str):
    found = commands(chapter(name))
    assert len(found) >= 2
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    for words in found:
        assert [word for word in words if word.startswith("--") and word not in known] == []


def test_a_model_without_positions_is_asked_for_as_the_guide_says(tmp_path: Path):
    changes = {
        word
        for page in ("capstone", "capstone_example")
        for words in commands(chapter(page))
        for option, word in pairwise(words)
        if option == "--model" and "digits" in words
    }
    assert {"positional=false", "pool=mean", "patch_size=4", "norm_first=false"} <= changes
    options = [part for change in sorted(changes) for part in ("--model", change)]
    said = CliRunner().invoke(
        command, ["digits", *options, "--epochs", "1", "--device", "cpu", "--run-dir", str(tmp_path / "run")]
    )
    assert said.exit_code == 0, said.output
    about = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    arguments = about["architecture"]["arguments"]
    assert (arguments["positional"], arguments["pool"]) == (False, "mean")


def script(name: str, folder: Path, *arguments: str) -> str:
    """Run a script of the guide, as a reader would who copies it into a file; what it prints."""
    (text,) = re.findall(
        rf'^```python\n("""[^\n]*python {name}.*?)^```$', chapter("capstone").text, re.DOTALL | re.MULTILINE
    )
    (folder / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, name, *arguments],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_scripts_of_the_guide_run_on_pictures_of_ones_own(tmp_path: Path):
    from PIL import Image

    for number in range(24):
        path = tmp_path / "my-pictures" / ("dark", "light")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 30), (10 + 200 * (number % 2), 5 * number, 40)).save(path)
    said = script("baselines.py", tmp_path, "images:my-pictures", "1")
    assert (tmp_path / "fifty.png").stat().st_size > 500
    assert re.search(r"^SVM on 1\d pictures: [01]\.\d{4}$", said, re.MULTILINE)
    assert (
        len(re.findall(r"^CNN of [\d,]+ parameters, seed \d: [01]\.\d{4}, \d+ s$", said, re.MULTILINE)) == 3
    )


def test_the_script_that_looks_inside_runs_on_two_runs(tmp_path: Path):
    for seed in "01":
        options = ["digits", "--epochs", "1", "--seed", seed, "--device", "cpu"]
        said = CliRunner().invoke(command, [*options, "--run-dir", str(tmp_path / "runs" / seed)])
        assert said.exit_code == 0, said.output
    said = script("inside.py", tmp_path, "digits", "runs/0", "runs/1")
    assert "of 360 wrong" in said
    assert re.search(r"^runs/0 alone right: \d+, runs/1 alone: \d+$", said, re.MULTILINE)
    assert (tmp_path / "mistakes.png").stat().st_size > 5_000


def test_what_the_two_processes_left_is_whole():
    found = two_processes.results()
    assert set(found) == {"about", "epochs", "runs"}
    assert [run["name"] for run in found["runs"]] == [way.name for way in two_processes.WAYS]
    for run in found["runs"]:
        assert set(run) == {"name", "processes", "command", *two_processes.COLUMNS}
        assert all(len(run[column]) == found["epochs"] for column in two_processes.COLUMNS)
        assert f"train digits --epochs {found['epochs']}" in run["command"]


def test_two_processes_still_train_as_one_does(tmp_path: Path):
    both = two_processes.train(two_processes.WAYS[1], epochs=1)
    assert both["command"].startswith("torchrun --nproc-per-node 2 ")
    options = [*both["command"].split(" train ")[1].split(), "--run-dir", str(tmp_path / "run")]
    said = CliRunner().invoke(command, options)  # the one process is this one
    assert said.exit_code == 0, said.output
    (alone,) = log.read(tmp_path / "run" / "log.csv")
    for column in ("loss", "validation_loss"):
        assert two_processes.apart([alone[column]], both[column]) < 1e-5
