"""Is each mistake in the model or in its training, where it says, and nowhere else?"""

from functools import cache

import pytest
import torch
import torch.nn.functional as F

from plenary.checks import exercises
from plenary.data import Images
from plenary.training import World, reference
from plenary.training.batches import Plan
from plenary.training.vit_bugs import BUGS, Bug, attention, forward

RIGHT = Bug("right", "nothing")
PICTURES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
IN_TRAINING = {"decay-everything", "rate-ten-times", "gradients-kept", "test-pictures-learned"}
"""Of these a model shows nothing before its first step."""


@cache
def start(name, steps=2):
    """A model with the bug, its weights, logits of some test pictures, and its weights after some steps."""
    bug = BUGS.get(name, RIGHT)
    model, task, recipe = reference.digits(0)
    # As it is made, the head is zero, and so are all logits.
    with torch.no_grad():
        model.head.weight.copy_(torch.randn(10, 48, generator=torch.Generator().manual_seed(0)))
    bug.plant(model)
    task, recipe = bug.task(task), bug.recipe(recipe)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pictures, _ = task.validation_batch(task.validation[torch.arange(16)])
    torch.manual_seed(0)
    with torch.no_grad():
        logits = model.eval()(pictures)
    optimizer = bug.optimizer(model.train(), recipe)
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate
    size = len(task.training)  # type: ignore[arg-type]
    plan = Plan(size, recipe, World(torch.device("cpu")))
    for step in range(steps):
        share = plan.share(step)
        images, labels = task.training_batch(task.training[share.indices], share, recipe.augmentation)
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    return weights, logits, model.state_dict()


@pytest.mark.parametrize("bug", BUGS.values(), ids=lambda bug: bug.name)
def test_each_bug_changes_the_logits_or_the_steps_and_no_first_weight(bug):
    weights, logits, after = start("right")
    others, other_logits, other_after = start(bug.name)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in others.items())
    assert other_logits.shape == logits.shape
    if bug.name in IN_TRAINING | {"layers-in-a-list"}:
        torch.testing.assert_close(other_logits, logits)
    else:
        assert (other_logits - logits).abs().max() > 1e-3
    # What differs at the test only leaves the steps alone.
    moved = max(float((tensor - after[name]).abs().max()) for name, tensor in other_after.items())
    assert (moved > 1e-5) == (bug.name != "not-normalised")


def test_the_class_is_as_right_as_before():
    right = logits_of("right", PICTURES)
    for bug in BUGS.values():
        bug.plant(reference.digits(0)[0])
    assert torch.equal(logits_of("right", PICTURES), right)


@pytest.mark.parametrize("plant", [forward(), attention()], ids=["forward", "attention"])
def test_where_no_step_is_another_one_the_model_stays_right(plant):
    model, task, _ = reference.digits(0)
    torch.nn.init.normal_(model.head.weight)
    pictures, _ = task.validation_batch(task.validation[torch.arange(4)])
    right = model(pictures)
    plant(model)
    torch.testing.assert_close(model(pictures), right, rtol=1e-4, atol=1e-5)


def test_each_bug_is_one_that_the_exercises_know_or_has_no_exercise():
    known = {f"{name} {one.id}" for name, exercise in exercises().items() for one in exercise.misconceptions}
    mistakes = [bug.mistake for bug in BUGS.values() if bug.mistake]
    assert set(mistakes) <= known
    assert len(set(mistakes)) == len(mistakes) >= len(BUGS) - 5


def logits_of(name, pictures):
    """By a model with the bug, with a head that is not zero."""
    model = reference.digits(0)[0]
    with torch.no_grad():
        model.head.weight.copy_(torch.randn(10, 48, generator=torch.Generator().manual_seed(0)))
        BUGS.get(name, RIGHT).plant(model)
        return model.eval()(pictures)


def test_under_a_causal_mask_the_class_token_sees_no_picture():
    logits = logits_of("causal-mask", PICTURES)
    torch.testing.assert_close(logits, logits[:1].expand(4, -1))


def test_a_reshape_cuts_runs_of_four_pixels():
    # Row (r, s) of a square patch takes the place of a run, and the grids of both are 16 in a line.
    runs = PICTURES.reshape(4, 4, 4, 2, 2).permute(0, 1, 3, 2, 4).reshape(4, 1, 8, 8)
    torch.testing.assert_close(logits_of("patches-reshaped", PICTURES), logits_of("right", runs))


def test_one_layer_stands_for_three_and_a_list_keeps_its_layers_from_being_trained():
    model, _, _ = reference.digits(0)
    BUGS["shared-layers"].plant(model)
    assert {name.split(".")[1] for name, _ in model.named_parameters() if name.startswith("layers")} == {"0"}
    model, _, _ = reference.digits(0)
    BUGS["layers-in-a-list"].plant(model)
    assert not [name for name, _ in model.named_parameters() if name.startswith("layers")]


def test_a_quarter_of_training_is_the_test_and_as_many_pictures_as_before():
    _, task, _ = reference.digits(0)
    leaked = BUGS["test-pictures-learned"].task(task)
    assert isinstance(leaked.training, Images)
    assert isinstance(task.training, Images)
    assert isinstance(task.validation, Images)
    assert len(leaked.training) == len(task.training) == 1_437
    learned = {image.numpy().tobytes() for image in leaked.training.images}
    assert all(image.numpy().tobytes() in learned for image in task.validation.images)
    assert leaked.validation is task.validation


def test_gradients_that_are_kept_add_up():
    model, _, recipe = reference.digits(0)
    optimizer = BUGS["gradients-kept"].optimizer(model, recipe)
    for _ in range(3):
        model.head.bias.sum().backward()
        optimizer.zero_grad()
    assert model.head.bias.grad is not None
    assert torch.equal(model.head.bias.grad, torch.full((10,), 3.0))


def test_where_everything_decays_no_group_is_spared():
    model, _, recipe = reference.digits(0)
    (group,) = BUGS["decay-everything"].optimizer(model, recipe).param_groups
    assert group["weight_decay"] == recipe.weight_decay
    assert len(group["params"]) == len(list(model.parameters()))
