"""Are the curves of the reference run and of its mistakes what the code makes, and is the file what it says?"""

import json
from dataclasses import replace
from statistics import mean

import pytest
import torch
from click.testing import CliRunner

from plenary.training import log, loop, reference
from plenary.training import runs as run_folders
from plenary.training.vit_bugs import BUGS, Bug

RIGHT = Bug("right", "nothing")
EPOCHS = 2


class Enough(Exception):  # noqa: N818
    """Nothing is wrong."""


class Stopping(torch.utils.data.Dataset):
    """The same data, for so many batches."""

    def __init__(self, dataset, batches):
        self.dataset, self.left = dataset, batches

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        if not self.left:
            raise Enough
        self.left -= 1
        return self.dataset[index]


def first_epochs(bug, seed, folder):
    """The first rows of a run that is as long as the others, and broken off."""
    model, task, recipe = reference.digits(seed)
    batches = EPOCHS * -(-len(task.training) // recipe.batch_size)  # type: ignore[arg-type]
    task = replace(task, training=Stopping(task.training, batches))
    with pytest.raises(Enough):
        reference.with_bug(bug, model, task, recipe, folder)
    return log.read(folder / "log.csv")


@pytest.mark.parametrize("name", ["right", "softmax-over-queries", "not-normalised", "gradients-kept"])
def test_the_file_begins_with_what_the_code_makes(name, tmp_path, one_thread):
    found = reference.results()
    kept = {bug["name"]: bug for bug in found["bugs"]} | {"right": found["reference"]}
    seed = 1
    rows = first_epochs(BUGS.get(name, RIGHT), seed, tmp_path)
    assert [row["epoch"] for row in rows] == found["epochs"][:EPOCHS]
    for curve in ("loss", "validation_loss"):
        # Other processors round otherwise.
        expected = pytest.approx([row[curve] for row in rows], rel=1e-3)
        assert kept[name][curve][seed][:EPOCHS] == expected
    shares = pytest.approx([row["validation_accuracy"] for row in rows], abs=2.1 / 360)
    assert kept[name]["validation_accuracy"][seed][:EPOCHS] == shares


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_file_has_every_bug_and_is_made_as_it_says():
    found = reference.results()
    assert found["about"] == reference.ABOUT
    assert found["settings"] == json.loads(json.dumps(reference.settings()))
    assert found["seeds"] == list(reference.SEEDS)
    assert found["epochs"] == list(range(1, found["settings"]["recipe"]["epochs"] + 1))
    named = [(bug["name"], bug["text"], bug["mistake"]) for bug in found["bugs"]]
    assert named == [(bug.name, bug.text, bug.mistake) for bug in BUGS.values()]
    assert reference.FILE.stat().st_size < 150_000
    assert reference.text(found) == reference.FILE.read_text(encoding="utf-8")


def test_every_run_has_its_curves_and_its_end():
    found = reference.results()
    last = found["settings"]["last"]
    for one in (found["reference"], *found["bugs"]):
        seeds = one.get("seeds", found["seeds"])
        assert len(one["end"]) == len(one["processor_seconds"]) == len(seeds)
        for curve in reference.CURVES:
            assert [len(values) for values in one[curve]] == [len(found["epochs"])] * len(seeds)
            assert all(value > 0 for values in one[curve] for value in values)
        for shares, end in zip(one["validation_accuracy"], one["end"], strict=True):
            assert max(shares) <= 1
            assert end == pytest.approx(mean(shares[-last:]), abs=2e-4)
    for bug in found["bugs"]:
        assert bug["seeds"] == list(reference.BUG_SEEDS)
        assert bug["caught"] == reference.caught(bug["end"], found["reference"]["end"])


def test_the_reference_learns_and_most_mistakes_of_the_model_do_as_well():
    found = reference.results()
    assert min(found["reference"]["end"]) > 0.97
    caught = {bug["name"]: bug["caught"] for bug in found["bugs"]}
    assert {"causal-mask", "no-positions"} <= {name for name, where in caught.items() if where == "below"}
    assert list(caught.values()).count("inside") >= 3


@pytest.mark.parametrize(
    ("end", "where"),
    [
        ([0.5, 0.89], "below"),
        ([0.5, 0.9], "inside"),
        ([0.5, 0.99], "inside"),
        ([0.95, 0.95], "inside"),
        ([0.97, 0.98], "above"),
    ],
)
def test_what_is_caught_lies_outside_of_all_reference_runs(end, where):
    assert reference.caught(end, [0.9, 0.96]) == where


def test_the_optimizer_is_the_right_one_again_after_a_run_and_after_an_error(tmp_path):
    right = vars(loop)["make_optimizer"]

    def failing(model, recipe):
        raise Enough

    with pytest.raises(Enough):
        reference.with_bug(Bug("", "", optimizer=failing), *reference.digits(0), tmp_path)
    assert vars(loop)["make_optimizer"] is right


def test_the_table_says_what_the_file_says():
    found = reference.results()
    lines = reference.table(found).splitlines()
    assert len(lines) == 2 + len(found["bugs"])
    for line, one in zip(lines[1:], [found["reference"], *found["bugs"]], strict=True):
        end = [100 * share for share in one["end"]]
        losses = [curve[-1] for curve in one["loss"]]
        assert f"{min(end):.2f} to {max(end):.2f} %" in line
        assert f"{min(losses):.3f} to {max(losses):.3f}" in line
        assert line.endswith(one.get("caught", ""))


def test_the_command_trains_some_and_keeps_the_others(tmp_path, monkeypatch):
    whole = reference.digits

    def short(seed):
        model, task, recipe = whole(seed)
        return model, task, replace(recipe, epochs=1, batch_size=1437)

    monkeypatch.setattr(run_folders, "curves", lambda run_dir: None)
    monkeypatch.setattr(reference, "digits", short)
    monkeypatch.setattr(reference, "SEEDS", (0, 1))
    monkeypatch.setattr(reference, "BUG_SEEDS", (0,))
    file, seen = tmp_path / "reference.json", []
    for name in ("no-scaling", "rate-ten-times"):
        done = CliRunner().invoke(reference.main, [str(file), "--only", name])
        assert done.exit_code == 0, done.output
        seen.append(json.loads(file.read_text()))
    assert [bug["name"] for bug in seen[1]["bugs"]] == ["no-scaling", "rate-ten-times"]
    assert seen[1]["reference"] == seen[0]["reference"]
    assert seen[1]["bugs"][0] == seen[0]["bugs"][0]
    assert [len(curve) for curve in seen[1]["reference"]["loss"]] == [1, 1]
    assert "learning rate ten times too high" in done.output.splitlines()[-1]
