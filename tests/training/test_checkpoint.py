"""Is a checkpoint whole or not there, and does a broken or a wrong one say so?"""

import errno
import os

import pytest
import torch
from safetensors.torch import save_file

from plenary import VisionTransformer
from plenary.training import CheckpointError, Recipe, World, checkpoint, optimizer, store
from plenary.training.ema import Average

SIZES = {"image_size": (6, 9), "patch_size": 3, "in_channels": 1, "num_classes": 5, "embed_dim": 14}
SIZES |= {"num_layers": 2, "num_heads": 2, "hidden_dim": 17}
ALONE = World(torch.device("cpu"))


def stepped(seed=0, steps=2, **other):
    """A model after some steps, its optimizer and its average."""
    torch.manual_seed(seed)
    model = VisionTransformer(**SIZES | other)
    adam, average = optimizer(model, Recipe()), Average(model, 0.9)
    for step in range(steps):
        model(torch.rand(3, 1, 6, 9)).square().sum().backward()
        adam.step()
        average.update(step)
    return model, adam, average


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.safetensors"


@pytest.fixture
def saved(path):
    parts = stepped()
    checkpoint.save(path, ALONE, *parts, {"step": 2})
    return parts


def test_everything_comes_back(path, saved):
    model, adam, average = stepped(seed=1, steps=0)
    assert checkpoint.restore(path, model, adam, average) == {"step": 2}
    for mine, theirs in zip(model.parameters(), saved[0].parameters(), strict=True):
        assert mine.equal(theirs)
    for mine, theirs in zip(average.averages, saved[2].averages, strict=True):
        assert mine.equal(theirs)
    assert not all(a.equal(p) for a, p in zip(average.averages, model.parameters(), strict=True))
    for name, tensor in model.named_parameters():
        expected = saved[1].state[dict(saved[0].named_parameters())[name]]
        assert adam.state[tensor].keys() == expected.keys() == {"step", "exp_avg", "exp_avg_sq"}
        assert all(adam.state[tensor][key].equal(expected[key]) for key in expected), name


def test_the_numbers_of_the_optimizer_are_the_recipes(path, saved):
    model, _, average = stepped(seed=1, steps=0)
    adam = optimizer(model, Recipe(learning_rate=0.123, weight_decay=0.07))
    checkpoint.restore(path, model, adam, average)
    assert [(g["lr"], g["weight_decay"]) for g in adam.param_groups] == [(0.123, 0.07), (0.123, 0.0)]


def break_it(path, how):
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "cut off": content[:middle],
            "a flipped bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "another step": content.replace(rb"\"step\": 2", rb"\"step\": 3"),
            "another file": b"once upon a time " * 50,
            "empty": b"",
        }[how]
    )
    assert path.read_bytes() != content


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("cut off", "expected a safetensors file; these .* bytes are none, or not all of one"),
        ("a flipped bit", "do not have the hash that was written with them: expected sha256"),
        ("another step", "do not have the hash that was written with them: expected sha256"),
        ("another file", "expected a safetensors file"),
        ("empty", "expected a safetensors file; these 0 bytes are none"),
    ],
)
def test_a_broken_file_says_so_and_changes_nothing(path, saved, how, said):
    break_it(path, how)
    model, adam, average = stepped(seed=1)
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(CheckpointError, match=f"{path}: .*{said}.*start the run anew"):
        checkpoint.restore(path, model, adam, average)
    assert all(now.equal(then) for now, then in zip(model.parameters(), before, strict=True))


def test_a_file_that_is_not_ours_or_not_there_says_so(path):
    with pytest.raises(CheckpointError, match="there is no such file"):
        store.read(path)
    save_file({"weight": torch.ones(3)}, path, {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"not written by plenary: .* found \['format'\]"):
        store.read(path)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"embed_dim": 22}, r"class_token: expected \(1, 1, 22\), found \(1, 1, 14\); .*; and \d+ more"),
        ({"num_classes": 7}, r"head.weight: expected \(7, 14\), found \(5, 14\); head.bias: expected \(7,\)"),
        ({"num_layers": 1}, r"layers.1.\S+: expected nothing, found \("),
        ({"num_layers": 3}, r"layers.2.\S+: expected \(\d.*\), found nothing"),
    ],
)
def test_another_architecture_is_named_and_nothing_changed(path, saved, other, said):
    model, adam, average = stepped(seed=1, steps=0, **other)
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(CheckpointError, match=f"another architecture.*{said}"):
        checkpoint.restore(path, model, adam, average)
    assert all(now.equal(then) for now, then in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_leaves_the_last_checkpoint(path, saved, monkeypatch, number):
    before = path.read_bytes()

    def fail(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(
        CheckpointError, match=f"{os.strerror(number)}.*The file that was there before is untouched"
    ):
        checkpoint.save(path, ALONE, *stepped(seed=1), {"step": 3})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_new_checkpoint_never_stands_half_written_under_the_name(path, saved):
    """It comes as a file of its own: who has the old one open goes on reading the old one."""
    with path.open("rb") as old:
        before = path.read_bytes()
        checkpoint.save(path, ALONE, *stepped(seed=1), {"step": 3})
        assert old.read() == before != path.read_bytes()


def test_a_folder_that_is_gone_says_so(path, saved):
    model, adam, average = saved
    with pytest.raises(CheckpointError, match="could not be written: No such file or directory"):
        checkpoint.save(path.parent / "gone" / path.name, ALONE, model, adam, average, {})


def test_others_may_read_the_file(path, saved):
    """The library makes files for their owner alone."""
    plain = path.with_name("plain")
    plain.write_text("")
    assert path.stat().st_mode == plain.stat().st_mode


def test_the_average_follows_its_formula_and_swaps_in_and_out():
    model, _, _ = stepped(steps=0)
    average = Average(model, 0.9)
    weight, start = model.head.bias, model.head.bias.detach().clone()
    expected = start.clone()
    for step in range(97):
        with torch.no_grad():
            weight.add_(1.0)
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight.detach()
    with average.applied():
        torch.testing.assert_close(model.head.bias.detach(), expected)
    assert weight.equal(start + 97)
    with pytest.raises(KeyError), average.applied():
        raise KeyError
    assert weight.equal(start + 97)
