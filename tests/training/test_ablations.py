"""Does each row of the table come from the command beside it, and do its figures come from the file?"""

import json
import shlex
from dataclasses import replace
from functools import partial
from statistics import mean

import pytest
from click.testing import CliRunner

from plenary import cli, data
from plenary.training import ablations, reference, runs, tasks

FOUND = ablations.results()
ROWS = {row["name"]: row for row in FOUND["rows"]}
TESTED = 360


@pytest.mark.parametrize("row", FOUND["rows"], ids=lambda row: row["name"])
def test_the_command_trains_the_row(row):
    program, command, *words = shlex.split(row["command"])
    assert (program, command) == ("plenary", "train")
    given = cli.train.make_context("train", words).params
    assert (given["task"], given["seed"]) == ("digits", 0)
    task, _ = tasks.TASKS[given["task"]](None)
    assert task.architecture
    architecture = task.architecture.changed(dict(text.split("=", 1) for text in given["changes"]))
    assert architecture.arguments == task.architecture.arguments | row["changes"]
    assert ablations.parameters(architecture.build(0)) == row["parameters"]


def test_every_command_has_a_folder_of_its_own():
    folders = [shlex.split(row["command"])[-1] for row in FOUND["rows"]]
    assert len(set(folders)) == len(folders)
    assert all(folder.startswith("runs/") for folder in folders)


def test_the_file_has_every_row_and_every_run():
    assert FOUND["about"] == ablations.ABOUT
    assert FOUND["settings"] == json.loads(json.dumps(reference.settings()))
    named = [(row["group"], row["name"], row["changes"], row["command"]) for row in FOUND["rows"]]
    assert named == [(one.group, one.name, one.changes, one.command) for one in ablations.ABLATIONS.values()]
    for row in FOUND["rows"]:
        assert [run["seed"] for run in row["runs"]] == list(ablations.ABLATIONS[row["name"]].seeds)
    assert [row["name"] for row in FOUND["baselines"]] == list(ablations.BASELINES)
    for run in (run for row in (*FOUND["rows"], *FOUND["baselines"]) for run in row["runs"]):
        assert run["accuracy"] == pytest.approx(1 - run["wrong"] / TESTED, abs=1e-5)
        assert run["loss"] is None or 0 < run["loss"] < 3


def test_the_reference_is_the_one_whose_curves_are_kept():
    curves = reference.results()["reference"]
    for run, shares, losses in zip(
        ROWS["reference"]["runs"], curves["validation_accuracy"], curves["validation_loss"], strict=True
    ):
        assert run["accuracy"] == pytest.approx(shares[-1], abs=1e-4)
        assert run["loss"] == pytest.approx(losses[-1], abs=1e-4)


@pytest.mark.parametrize("name", ablations.CLASSICAL)
def test_what_needs_no_training_gives_the_same_again(name):
    (kept,) = (row for row in FOUND["baselines"] if row["name"] == name)
    again = ablations.baseline(name)
    assert again["runs"][0]["wrong"] == pytest.approx(kept["runs"][0]["wrong"], abs=1)
    assert again["parameters"] == pytest.approx(kept["parameters"], rel=0.01)
    assert shlex.split(kept["command"])[-2:] == ["--only", name]


def test_the_majority_is_a_tenth():
    labels = data.digits().test.labels
    assert FOUND["baselines"][-1]["runs"][0]["wrong"] >= TESTED - int(labels.bincount().max())


def test_the_cnn_has_about_as_many_parameters():
    (row,) = (row for row in FOUND["baselines"] if row["name"] == "CNN")
    assert row["parameters"] == ablations.parameters(ablations.cnn(0))
    assert row["parameters"] == pytest.approx(ROWS["reference"]["parameters"], rel=0.05)


def test_without_positions_it_gets_much_worse():
    right, without = (
        [run["accuracy"] for run in ROWS[name]["runs"]] for name in ("reference", "no positions")
    )
    assert max(without) < min(right) - 0.3


def test_the_table_says_what_the_file_says():
    head, *lines = ablations.table(FOUND).splitlines()
    assert head.endswith(f"wrong of {TESTED}")
    for line, row in zip(lines, (*FOUND["rows"], *FOUND["baselines"]), strict=True):
        shares = [100 * run["accuracy"] for run in row["runs"]]
        assert line.startswith(row["name"])
        assert f"{row['parameters']:,}" in line
        for figure in (mean(shares), min(shares), max(shares)):
            assert f"{figure:.2f} %" in line
        assert line.endswith(", ".join(str(run["wrong"]) for run in row["runs"]))


def test_the_command_does_some_and_keeps_the_others(tmp_path, monkeypatch):
    whole = reference.digits

    def short(seed):
        model, task, recipe = whole(seed)
        return model, task, replace(recipe, epochs=1, batch_size=1437)

    small = partial(ablations.cnn, width=2)
    monkeypatch.setattr(ablations, "cnn", small)
    monkeypatch.setattr(runs, "curves", lambda run_dir: None)
    monkeypatch.setattr(reference, "digits", short)
    monkeypatch.setattr(ablations, "SEEDS", (0,))
    one = replace(ablations.ABLATIONS["no positions"], seeds=(0,))
    monkeypatch.setitem(ablations.ABLATIONS, "no positions", one)
    file = tmp_path / "ablations.json"
    for name in ("majority class", "CNN", "1 patch of 8 x 8", "no positions"):
        done = CliRunner().invoke(ablations.main, [str(file), "--only", name])
        assert done.exit_code == 0, done.output
    found = json.loads(file.read_text())
    assert [row["name"] for row in found["rows"]] == ["no positions", "1 patch of 8 x 8"]
    assert [row["name"] for row in found["baselines"]] == ["CNN", "majority class"]
    assert [len(row["runs"]) for row in found["rows"]] == [1, 5]
    assert done.output.splitlines()[-1].startswith("majority class")
