"""Does a run become the file of the page, and does the file that ships score what it says?"""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import plenary.widgets
from plenary import data
from plenary.training import Recipe, World, packed, runs, store, train
from plenary.training.tasks import sequences

SHIPPED = Path(plenary.widgets.__file__).with_name("live_transformer.safetensors")


def test_a_run_becomes_a_file_of_rounded_weights_and_figures(tmp_path, monkeypatch):
    splits = data.totals(150, 30)
    monkeypatch.setitem(packed.TASKS, "totals", lambda: splits)
    monkeypatch.setattr(runs, "curves", lambda run_dir: None)
    task = sequences(splits, embed_dim=8, num_layers=1)
    assert task.architecture
    recipe = Recipe(epochs=2, batch_size=50)
    train(task.architecture.build(), task, recipe, tmp_path, World(torch.device("cpu")))
    file = tmp_path / "packed.safetensors"
    done = CliRunner().invoke(packed.main, [str(tmp_path), str(file)])
    assert done.exit_code == 0, done.output
    model, facts = packed.read(file)
    figures = facts["figures"]
    assert figures == json.loads(done.output)
    assert figures | packed.measure(model, splits) == figures
    counted = {"epochs": 2, "steps": 6, "seed": 0, "trained": 150, "tested": 30}
    assert figures | counted == figures
    assert (facts["task"], facts["specials"]) == ("totals", {"pad": 0, "bos": 1, "eos": 2})
    assert facts["symbols"] == ["<pad>", "<bos>", "<eos>", *"0123456789"]
    trained, _ = packed.read(tmp_path / "model.safetensors")
    assert not model.training
    for name, tensor in trained.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor.half().float())


def test_another_run_is_refused(tmp_path):
    facts = {"task": "digits", "architecture": {"name": "VisionTransformer", "arguments": {}}}
    store.write(tmp_path / "model.safetensors", {"weight": torch.zeros(3)}, facts)
    done = CliRunner().invoke(packed.main, [str(tmp_path), str(tmp_path / "file")])
    assert done.exit_code == 1
    said = "expected a TinyTransformer of reverse, totals, sort, recall; found VisionTransformer of digits"
    assert said in done.output
    assert not (tmp_path / "file").exists()


def test_whole_answers_are_counted_and_single_words():
    splits = data.totals(20, 10, min_length=3, max_length=5)
    source, target = splits.test.tensors

    class Writes(torch.nn.Module):
        """The right answers; to the first source another fourth word."""

        def forward(self, asked, written):
            row = (asked[:, None] == source).all(dim=2).int().argmax(dim=1)
            answers = target.clone()
            answers[0, 3] = 3 + (answers[0, 3] - 2) % 10
            return torch.nn.functional.one_hot(answers[row, 1 : written.shape[1] + 1], 13).float()

    assert packed.measure(Writes(), splits) == pytest.approx(
        {"exact": 0.9, "words": 1 - 1 / int((target[:, 1:] != 0).sum())}
    )


def test_the_file_of_the_page_scores_what_it_says():
    model, facts = packed.read(SHIPPED)
    figures = facts["figures"]
    splits = data.totals()
    assert packed.measure(model, splits) == pytest.approx({k: figures[k] for k in ("exact", "words")})
    assert (len(splits.train), len(splits.test)) == (figures["trained"], figures["tested"])
    assert figures["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert facts["symbols"] == list(splits.symbols)
    # What the course promises, and the model card.
    assert figures["exact"] >= 0.98
    assert figures["parameters"] <= 100_000
    assert figures["seconds"] <= 180
    card = SHIPPED.with_suffix(".md").read_text(encoding="utf-8")
    for number in (
        f"{figures['parameters']:,}",
        f"{figures['trained']:,}",
        f"{100 * figures['exact']:.1f} %",
    ):
        assert number in card


def test_the_model_of_the_page_is_lost_beyond_the_lengths_of_its_training():
    model, _ = packed.read(SHIPPED)
    splits = data.totals(1, 200, min_length=11, max_length=11)
    assert packed.measure(model, splits)["exact"] < 0.02
