"""Does the loop train, tell when it cannot, and keep to its folder?"""

import csv
import json
import math
from dataclasses import replace
from itertools import chain

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.training import (
    Architecture,
    Augmentation,
    CheckpointError,
    ImageTask,
    Recipe,
    TrainingError,
    World,
    curves,
    describe,
    evaluate,
    load,
    log,
    optimizer,
    train,
    warmup_cosine,
)
from plenary.training.batches import Plan
from plenary.training.loss import summed_loss

PLAIN = Recipe(epochs=3, batch_size=13, learning_rate=0.01, checkpoint_seconds=0)
ALONE = World(torch.device("cpu"))


def test_it_is_adamw_over_shuffled_batches(tiny, tmp_path):
    """The loop, written out once more with nothing around it, takes the same steps."""
    task = tiny.task(dropout=0.0)
    recipe = replace(PLAIN, label_smoothing=0.1, clip_norm=0.7)
    history = train(tiny.model_of(task, 3), task, recipe, tmp_path / "run", ALONE)

    model, plan = tiny.model_of(task, 3), Plan(tiny.SAMPLES, recipe, ALONE)
    adam = optimizer(model, recipe)
    losses, seen = [], []
    for step in range(tiny.STEPS):
        for group in adam.param_groups:
            group["lr"] = 0.01 * warmup_cosine(step + 1, round(0.1 * tiny.STEPS), tiny.STEPS + 1)
        images, labels = task.training[plan.share(step).indices]
        loss = F.cross_entropy(model((images - 0.4) / 0.3), labels, label_smoothing=0.1)
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.7)
        adam.step()
        losses.append((loss.item(), len(labels)))
        seen.append(sorted(plan.share(step).indices.tolist()))
    for epoch, row in enumerate(history.rows):
        part = losses[5 * epoch : 5 * epoch + 5]
        assert row["loss"] == pytest.approx(sum(a * n for a, n in part) / tiny.SAMPLES, rel=1e-5)
        assert sorted(chain(*seen[5 * epoch : 5 * epoch + 5])) == list(range(tiny.SAMPLES))
    assert seen[:5] != seen[5:10], "each epoch has an order of its own"
    found = load(tmp_path / "run").state_dict()
    for name, weight in model.state_dict().items():
        if not name.endswith("k_proj.bias"):  # its gradient is 0 but for rounding, of which Adam makes steps
            torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-5)


def test_the_folder_tells_the_whole_run(tiny, tmp_path):
    task = tiny.task(dropout=0.0)
    history = tiny.go(tmp_path, dropout=0.0, draw=True)
    with (tmp_path / "log.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [{name: float(value) for name, value in row.items()} for row in found] == history.rows
    assert [row["step"] for row in history.rows] == [5, 10, 15]
    assert (tmp_path / "curves.png").stat().st_size > 5_000
    assert "<svg" in (tmp_path / "curves.svg").read_text()
    # The model in the folder is the one that was scored last: the averaged one.
    model = load(tmp_path)
    assert not model.training
    scores = evaluate(model, [task.validation_batch(task.validation[torch.arange(tiny.TESTED)])])
    assert history.last["validation_loss"] == pytest.approx(scores["loss"], rel=1e-6)
    assert history.last["validation_accuracy"] == pytest.approx(scores["accuracy"])
    about = describe(tmp_path)
    assert (about["task"], about["mean"], about["std"]) == ("tiny", [0.4], [0.3])
    assert about["last"]["validation_loss"] == history.last["validation_loss"]
    assert Recipe.from_dict(json.loads((tmp_path / "run.json").read_text())["recipe"]) == replace(
        tiny.RECIPE, checkpoint_seconds=60.0
    )


def test_it_learns(tiny, tmp_path):
    task = tiny.task(dropout=0.0)
    model = tiny.model_of(task)
    history = train(model, task, replace(PLAIN, epochs=20, checkpoint_seconds=60), tmp_path, ALONE)
    assert history.rows[0]["loss"] > 1.4
    assert history.last["loss"] < 0.5


def test_it_leaves_the_global_generator_alone(tiny, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    tiny.go(tmp_path, recipe=replace(tiny.RECIPE, epochs=1))
    assert torch.rand(3).equal(expected)


def test_bfloat16_trains_and_keeps_float32_weights(tiny, tmp_path):
    history = tiny.go(tmp_path, recipe=replace(tiny.RECIPE, precision="bfloat16"), dropout=0.0)
    full = tiny.go(tmp_path / "full", dropout=0.0)
    assert history.last["loss"] == pytest.approx(full.last["loss"], rel=0.02)
    assert history.last["loss"] != full.last["loss"]
    assert {parameter.dtype for parameter in load(tmp_path).parameters()} == {torch.float32}


class Exploding(nn.Module):
    """Its logits are no numbers from the third training batch on."""

    def __init__(self, bad):
        super().__init__()
        self.linear, self.bad, self.calls = nn.Linear(54, 5), bad, 0

    def forward(self, images):
        self.calls += self.training
        return self.linear(images.flatten(1)) * (self.bad if self.calls > 2 else 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_before_the_step(tiny, tmp_path, bad):
    model = Exploding(bad)
    with pytest.raises(TrainingError, match="expected a finite loss, and it is nan at step 2 ") as caught:
        train(model, tiny.task(), PLAIN, tmp_path, ALONE)
    said = str(caught.value)
    rate = 0.01 * warmup_cosine(3, 2, 16)
    assert f"learning rate {rate:.4g} and gradient norm nan. The step was not taken." in said
    assert f"The last good checkpoint is {tmp_path / 'checkpoint.safetensors'}. Try a smaller" in said
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    # The checkpoint is from the step before, and the run can go on from it.
    history = train(Exploding(1.0), tiny.task(), PLAIN, tmp_path, ALONE, resume=True)
    assert history.last["step"] == 15


def test_a_gradient_that_is_no_number_stops_too(tiny, tmp_path):
    class Root(nn.Module):
        """Fine at 0, and its slope there is not."""

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(54, 5)
            nn.init.zeros_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)

        def forward(self, images):
            return self.linear(images.flatten(1)).abs().sqrt()

    with pytest.raises(
        TrainingError, match=r"it is 1\.609 at step 0 .*gradient norm nan.*There is no checkpoint yet"
    ):
        train(Root(), tiny.task(), PLAIN, tmp_path, ALONE)


def test_bad_data_is_told_from_a_bad_step(tiny, tmp_path):
    task = tiny.task()
    task.training.tensors[0][17] = math.inf
    with pytest.raises(
        TrainingError, match="The batch itself holds numbers that are not finite: look at the data"
    ):
        train(tiny.model_of(task), task, PLAIN, tmp_path, ALONE)


def test_a_folder_with_a_run_is_not_overwritten_unasked(tiny, tmp_path):
    short = replace(tiny.RECIPE, epochs=1)
    tiny.go(tmp_path, recipe=short)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(
        FileExistsError, match=r"already holds a run. Continue it with --resume, start anew with --over"
    ):
        tiny.go(tmp_path, recipe=short)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    tiny.go(tmp_path, recipe=replace(short, seed=1), overwrite=True)
    assert describe(tmp_path)["recipe"]["seed"] == 1


def test_resuming_asks_for_the_same_run(tiny, tmp_path):
    with pytest.raises(CheckpointError, match="there is no run to resume"):
        tiny.go(tmp_path, resume=True)
    recipe = replace(tiny.RECIPE, epochs=1)
    first = tiny.go(tmp_path, recipe=recipe)
    with pytest.raises(CheckpointError, match=r"batch_size is 7, was 13.*leave these options out"):
        tiny.go(tmp_path, recipe=replace(recipe, batch_size=7), resume=True)
    task = tiny.task()
    shorter = replace(task, training=tiny.Pictures(47, 1))
    with pytest.raises(CheckpointError, match="training samples are 47, were 53"):
        train(tiny.model_of(task), shorter, recipe, tmp_path, ALONE, resume=True)
    with pytest.raises(CheckpointError, match="task is other, was tiny"):
        train(tiny.model_of(task), replace(task, name="other"), recipe, tmp_path, ALONE, resume=True)
    wider = replace(task.architecture, arguments=task.architecture.arguments | {"embed_dim": 22})
    with pytest.raises(
        CheckpointError, match=r"another architecture.*expected \(1, 1, 22\), found \(1, 1, 14\)"
    ):
        train(wider.build(), task, recipe, tmp_path, ALONE, resume=True)
    # What is finished stays as it is.
    assert tiny.go(tmp_path, recipe=recipe, resume=True).rows == first.rows


def test_a_log_of_a_killed_process_is_mended(tmp_path, tiny):
    tiny.go(tmp_path, recipe=replace(tiny.RECIPE, epochs=2))
    path = tmp_path / "log.csv"
    whole = path.read_text()
    header, first, second = whole.splitlines(keepends=True)
    path.write_text(header + first + second[:-3])  # the last number is cut, and still a number
    assert len(log.read(path)) == 1
    path.write_text(header + first + second[:9])
    assert len(log.read(path)) == 1
    log.Log(path, step=5)
    assert path.read_text() == header + first
    path.write_text("a,b\n1,2\n")
    with pytest.raises(CheckpointError, match="expected a log with the columns step, epoch"):
        log.read(path)


def test_no_data_says_so(tiny, tmp_path):
    empty = replace(tiny.task(), training=tiny.Pictures(0, 1))
    with pytest.raises(ValueError, match="expected training data with at least one sample"):
        train(nn.Linear(2, 3), empty, PLAIN, tmp_path, ALONE)


def test_curves_need_a_log(tmp_path):
    with pytest.raises(CheckpointError, match="expected the log of a run with at least one epoch"):
        curves(tmp_path)


def test_mixed_targets_give_the_mixed_loss(tiny):
    """Cross-entropy is linear in the target: a mixed picture's loss is the mix of the losses."""
    task, plan = tiny.task(), Plan(tiny.SAMPLES, replace(PLAIN, augmentation=Augmentation(mix=1.0)), ALONE)
    share = plan.share(2)
    rows = task.training[share.indices]
    images, targets = task.training_batch(rows, share, plan.recipe.augmentation)
    assert images.shape == (13, 1, 6, 9)
    torch.testing.assert_close(targets.sum(1), torch.ones(13))
    logits = torch.randn(13, 5, generator=torch.Generator().manual_seed(0))
    loss, count = summed_loss(logits, targets, share, -100, 0.0)
    assert count == 13
    labels, part = rows[1], targets[torch.arange(13), rows[1][share.own]]
    own = F.cross_entropy(logits, labels[share.own], reduction="none")
    partner = F.cross_entropy(logits, labels[share.partners], reduction="none")
    same = labels[share.own] == labels[share.partners]
    torch.testing.assert_close(loss, torch.where(same, own, part * own + (1 - part) * partner).sum())


def test_an_architecture_is_one_of_plenarys(tiny, tmp_path):
    with pytest.raises(ValueError, match="plenary has no model named 'os'"):
        Architecture("os")
    with pytest.raises(ValueError, match="plenary has no model named 'softmax'"):
        Architecture("softmax")
    task = replace(tiny.task(), architecture=None)
    assert isinstance(task, ImageTask)
    train(nn.Sequential(nn.Flatten(), nn.Linear(54, 5)), task, replace(PLAIN, epochs=1), tmp_path, ALONE)
    with pytest.raises(CheckpointError, match="none of plenary's, so it cannot be built from here"):
        load(tmp_path)


def test_the_first_weights_follow_from_the_seed(tiny):
    build = tiny.task().architecture.build
    first, again, other = (build(seed).positions for seed in (3, 3, 4))
    assert first.equal(again)
    assert not first.equal(other)


def test_samples_of_like_length_share_a_batch_and_all_of_them_come_up():
    lengths = tuple(torch.randint(1, 40, (1003,), generator=torch.Generator().manual_seed(0)).tolist())
    recipe = Recipe(epochs=2, batch_size=8)
    plain, sorted_ = (Plan(1003, recipe, ALONE, known) for known in (None, lengths))

    def batches(plan: Plan, epoch: int) -> list[Tensor]:
        steps = range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch)
        return [plan.share(step).indices for step in steps]

    def padding(plan: Plan) -> int:
        found = [torch.tensor(lengths)[rows] for rows in batches(plan, 0)]
        return sum(int((own.max() - own).sum()) for own in found)

    for epoch in (0, 1):
        own = batches(sorted_, epoch)
        assert sorted(torch.cat(own).tolist()) == list(range(1003))
        assert [len(one) for one in own] == [8] * 125 + [3]
    assert padding(sorted_) < padding(plain) / 5
    # Neither in the order of length, nor twice the same.
    longest = [max(lengths[i] for i in rows.tolist()) for rows in batches(sorted_, 0)]
    assert longest != sorted(longest)
    first, second = ({frozenset(one.tolist()) for one in batches(sorted_, epoch)} for epoch in (0, 1))
    assert len(first & second) < 10
