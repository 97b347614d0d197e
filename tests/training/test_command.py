"""Does `plenary train` train every task that it names, and say what it did or why not?"""

from typing import Any

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from plenary import VisionTransformer, cli
from plenary.training import describe, load
from plenary.training.batches import Plan
from plenary.training.distributed import World, choose_device, spread
from plenary.training.tasks import TASKS


def plenary(*arguments):
    return CliRunner().invoke(cli.main, ["train", *map(str, arguments), "--device", "cpu"])


def test_it_trains_resumes_and_refuses(tmp_path):
    options = ("digits", "--run-dir", tmp_path / "run", "--epochs", 1, "--batch-size", 211)
    done = plenary(*options)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("digits: validation loss 2.")
    assert "accuracy" in done.output
    assert describe(tmp_path / "run")["recipe"]["batch_size"] == 211
    # Numbers that are not given come from the run, not from the task.
    again = plenary("digits", "--run-dir", tmp_path / "run", "--resume")
    assert (again.exit_code, again.output) == (0, done.output)
    refused = plenary(*options)
    assert refused.exit_code == 1
    assert "already holds a run" in refused.output
    other = plenary("digits", "--run-dir", tmp_path / "run", "--resume", "--seed", 7)
    assert other.exit_code == 1
    assert "seed is 7, was 0" in other.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("digit",), "there is no task 'digit'. Did you mean digits? Expected one of digits, fashion-mnist"),
        (("digits", "--epochs", 0), "epochs must be 1 or more; it is 0"),
        (("images",), "Name it with --data-dir"),
        (("reverse", "--resume"), "expected the description of a run"),
    ],
)
def test_errors_are_one_line_not_a_traceback(tmp_path, arguments, said):
    done = plenary(*arguments, "--run-dir", tmp_path / "run")
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert said in done.output


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"'cuda' cannot be used; this machine has .*cpu"):
        choose_device("cuda")
    with pytest.raises(ValueError, match="parallel is 'tensor'; expected one of ddp, fsdp"):
        spread(torch.nn.Linear(2, 3), World(torch.device("cpu")), "tensor")


def one_step(name, data_dir=None):
    """A task's model on a few rows of its data, as the loop does it."""
    task, recipe = TASKS[name](data_dir)
    training: Any = task.training
    plan = Plan(len(training), recipe, World(torch.device("cpu")))
    share = plan.share(0)
    *inputs, targets = task.training_batch(training[share.indices], share, recipe.augmentation)
    assert task.architecture
    model = task.architecture.build()
    logits = model(*(x[:3] for x in inputs))
    assert logits.shape[:-1] == targets[:3].shape[: logits.ndim - 1]
    *inputs, targets = task.validation_batch(task.validation[torch.arange(5)])
    assert model.eval()(*inputs).shape[:-1] == targets.shape
    return task, model


@pytest.mark.parametrize("name", ["digits", "reverse", "sort", "recall"])
def test_a_task_without_files_fits_its_model(name):
    task, model = one_step(name)
    assert task.name == name
    assert sum(parameter.numel() for parameter in model.parameters()) < 400_000


def test_the_digits_model_is_small():
    task, _ = TASKS["digits"](None)
    assert task.architecture
    assert sum(parameter.numel() for parameter in task.architecture.build().parameters()) <= 150_000


def test_shakespeare_and_multi30k_fit_their_models(tmp_path):
    (tmp_path / "tinyshakespeare.txt").write_text("To be, or not to be: that is the question. " * 211)
    one_step("shakespeare", tmp_path)
    (tmp_path / "multi30k").mkdir()
    for part in ("train", "val", "test_2016_flickr"):
        for language, text in (("de", "ein hund und ein kind\n"), ("en", "a dog and a child there\n")):
            (tmp_path / "multi30k" / f"{part}.{language}").write_text(text * 53)
    one_step("multi30k", tmp_path)


def test_a_folder_of_pictures_trains(tmp_path):
    for label in ("bright", "dark"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(11):
            shade = 200 + number if label == "bright" else 30 + number
            Image.new("RGB", (83, 71), (shade, 90, 60)).save(tmp_path / "data" / label / f"{number}.png")
    options = ("--epochs", 1, "--batch-size", 7, "--workers", 0)
    done = plenary("images", "--data-dir", tmp_path / "data", "--run-dir", tmp_path / "run", *options)
    assert done.exit_code == 0, done.output
    assert load(tmp_path / "run").get_parameter("head.bias").shape == (2,)


def test_another_model_is_trained_kept_and_resumed(tmp_path):
    options = ("digits", "--run-dir", tmp_path / "run", "--epochs", 1, "--batch-size", 1437)
    changes = (
        "patch_size=8",
        "positional=false",
        "norm_first=false",
        "dropout=0.25",
        "pool=mean",
        "num_layers=1",
    )
    done = plenary(*options, *(part for change in changes for part in ("--model", change)))
    assert done.exit_code == 0, done.output
    model = load(tmp_path / "run")
    assert isinstance(model, VisionTransformer)
    assert (model.grid, model.pool, model.dropout.p, len(model.layers)) == ((1, 1), "mean", 0.25, 1)
    assert not model.positions.any()
    assert isinstance(model.norm, torch.nn.Identity)
    again = plenary("digits", "--run-dir", tmp_path / "run", "--resume")
    assert (again.exit_code, again.output) == (0, done.output)
    other = plenary("digits", "--run-dir", tmp_path / "run", "--resume", "--model", "num_layers=2")
    assert other.exit_code == 1
    assert "layers.1" in other.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "depth=2",
            "VisionTransformer: depth is none of its arguments. What can be changed: dropout, embed_dim",
        ),
        ("num_classes=3", "VisionTransformer: num_classes follows from the data"),
        ("num_layers=two", "VisionTransformer: num_layers is 'two'; expected a whole number."),
        ("positional=no", "positional is 'no'; expected true or false."),
        ("patch_size=3", "8 = 2 x 3 + 2"),
        ("patch_size", "expected NAME=VALUE"),
    ],
)
def test_an_argument_that_cannot_be_is_named(tmp_path, change, said):
    done = plenary("digits", "--run-dir", tmp_path / "run", "--model", change)
    assert done.exit_code == 1
    assert said in done.output
    assert not (tmp_path / "run").exists()
