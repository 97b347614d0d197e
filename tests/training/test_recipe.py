"""Does a recipe refuse what makes no sense, and survive being saved?"""

import json
import math

import pytest

from plenary.training import Augmentation, Recipe


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epochs", 0, "1 or more"),
        ("epochs", 2.5, "1 or more"),
        ("batch_size", -3, "1 or more"),
        ("learning_rate", 0.0, "a positive number"),
        ("learning_rate", math.nan, "a positive number"),
        ("learning_rate", math.inf, "a positive number"),
        ("warmup", 1.0, r"in \[0, 1\)"),
        ("label_smoothing", -0.1, r"in \[0, 1\)"),
        ("ema_decay", 1.0, r"in \[0, 1\)"),
        ("weight_decay", -1.0, "0 or more"),
        ("clip_norm", -1.0, "0 or more"),
        ("betas", (0.9, 1.0), "two numbers"),
        ("precision", "float16", "one of auto, float32, bfloat16"),
        ("seed", -1, "a whole number"),
        ("workers", -1, "a whole number"),
    ],
)
def test_a_number_out_of_range_is_named(name, value, expected):
    with pytest.raises(ValueError, match=f"Recipe: {name} must be {expected}.*; it is "):
        Recipe(**{name: value})


def test_a_recipe_survives_json():
    recipe = Recipe(
        epochs=3, betas=(0.8, 0.97), augmentation=Augmentation(crop=2, mix=0.5), learning_rate=0.1 + 0.2
    )
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_differences_are_listed_and_what_changes_nothing_is_not():
    recipe = Recipe(epochs=3, workers=2)
    assert recipe.differences(Recipe(epochs=3, checkpoint_seconds=5)) == []
    assert Recipe(seed=7, epochs=3).differences(recipe) == ["seed is 7, was 0"]
