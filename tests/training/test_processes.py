"""Does a run survive being killed and starved, to the last bit? Do two processes take the steps of one?"""

import json
import os
import subprocess
import sys

import pytest

from plenary.training import log, store

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr[-5000:]
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def said(folder, tiny_script):
    """What the forks said: how each of them ended, and the error of the one without disk."""
    lines = run(sys.executable, "-W", "error", tiny_script, folder).splitlines()
    return {name: value for line in lines for name, value in json.loads(line).items()}


@pytest.fixture(scope="module")
def pair(folder, tiny_script):
    """Two processes under torchrun."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run(*torchrun, tiny_script, folder)


def rows(run_dir):
    """The log without the time."""
    return [{name: row[name] for name in row if name != "seconds"} for row in log.read(run_dir / "log.csv")]


def test_the_runs_were_killed_and_went_on(said, tiny):
    kill, error = -9, 3
    assert said["ends"] == [0, kill, 0, kill, 0, kill, 0, kill, 0, error, 0, 0, 0]
    assert len(said["ends"]) == len(tiny.SCENARIOS)


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize(
    "name", ["killed", "early", "after_the_row", "while_writing", "disk_full", "workers"]
)
def test_whatever_happened_the_end_is_the_same_to_the_bit(folder, name):
    for file in ("model.safetensors", "run.json"):
        assert (folder / name / file).read_bytes() == (folder / "unbroken" / file).read_bytes()
    tensors, facts = store.read(folder / name / "checkpoint.safetensors")
    expected, expected_facts = store.read(folder / "unbroken" / "checkpoint.safetensors")
    assert tensors.keys() == expected.keys()
    assert all(tensors[key].equal(expected[key]) for key in expected)
    assert {k: v for k, v in facts.items() if k != "seconds"} == {
        k: v for k, v in expected_facts.items() if k != "seconds"
    }


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize(
    "name", ["killed", "early", "after_the_row", "while_writing", "disk_full", "workers"]
)
def test_whatever_happened_the_log_is_the_same(folder, name, tiny):
    assert rows(folder / name) == rows(folder / "unbroken")
    assert len(rows(folder / name)) == tiny.EPOCHS


@pytest.mark.usefixtures("said")
def test_nothing_is_left_lying_about(folder):
    expected = [
        "checkpoint.safetensors",
        "log.csv",
        "model.safetensors",
        "run.json",
    ]
    for name in ("unbroken", "while_writing", "disk_full"):
        assert sorted(path.name for path in (folder / name).iterdir()) == expected


def test_a_full_disk_is_named_and_the_last_checkpoint_kept(said, folder):
    path = folder / "disk_full" / "checkpoint.safetensors"
    assert said["error"].startswith(f"{path}: could not be written: no space is left for it")
    assert "The file that was there before is untouched. Free some, and go on with --resume." in said["error"]
    assert said["left"] == ["checkpoint.safetensors", "log.csv", "run.json"]


@pytest.mark.usefixtures("said", "pair")
@pytest.mark.parametrize("name", ["ddp", "fsdp", "ddp_then_fsdp", "fsdp_then_ddp"])
def test_two_processes_take_the_steps_of_one(folder, name):
    found, expected = rows(folder / name), rows(folder / "alone")
    assert [row["step"] for row in found] == [row["step"] for row in expected]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-6)


@pytest.mark.usefixtures("said", "pair")
@pytest.mark.parametrize("name", ["ddp", "fsdp", "ddp_then_fsdp", "fsdp_then_ddp"])
def test_two_processes_end_with_the_weights_of_one(folder, name):
    found, about = store.read(folder / name / "model.safetensors")
    expected, expected_about = store.read(folder / "alone" / "model.safetensors")
    assert about["architecture"] == expected_about["architecture"]
    assert found.keys() == expected.keys()
    for key in expected:
        # A key's bias adds the same to all scores of a row, which changes nothing: its gradient is rounding alone,
        # and Adam makes steps of any gradient.
        if not key.endswith("k_proj.bias"):
            assert (found[key] - expected[key]).abs().max() < 1e-5, key
