"""Does weight decay fall on the matrices, each parameter once, and on nothing else?"""

import pytest
from torch import nn

from plenary import LanguageModel, LearnedEncoding, VisionTransformer
from plenary.training import Recipe, optimizer, parameter_groups


def names(model, group):
    """All names of the parameters of a group; a shared one has several."""
    every = model.named_parameters(remove_duplicate=False)
    return {name for name, parameter in every if any(parameter is mine for mine in group["params"])}


@pytest.fixture
def vit():
    return VisionTransformer((6, 9), 3, 2, 5, 14, 2, 2, 17)


def test_matrices_decay_and_offsets_and_scales_do_not(vit):
    decay, rest = parameter_groups(vit, 0.07)
    assert (decay["weight_decay"], rest["weight_decay"]) == (0.07, 0.0)
    for name in names(vit, decay):
        assert name.endswith("weight")
        assert "norm" not in name
    assert {"positions", "class_token", "head.bias", "norm.weight", "layers.1.norm2.bias"} <= names(vit, rest)
    assert {"head.weight", "layers.0.attention.q_proj.weight", "patch_embedding.projection.weight"} <= names(
        vit, decay
    )


def test_each_parameter_stands_in_one_group_once(vit):
    groups = parameter_groups(vit, 0.1)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(parameter) for parameter in vit.parameters()}


def test_a_shared_parameter_counts_once():
    model = LanguageModel(13, 10, 2, 1, 7)
    model.head.weight = model.embedding.weight
    decay, rest = parameter_groups(model, 0.1)
    assert sum(parameter is model.head.weight for parameter in decay["params"] + rest["params"]) == 1
    assert {"embedding.weight", "head.weight"} <= names(model, decay)


def test_a_frozen_parameter_is_left_out(vit):
    vit.patch_embedding.requires_grad_(False)
    decay, rest = parameter_groups(vit, 0.1)
    assert not any(name.startswith("patch_embedding") for name in names(vit, decay) | names(vit, rest))


def test_positions_and_norms_are_known_by_what_they_are():
    # None of these is a vector, and their names say nothing.
    model = nn.ModuleDict({"a": LearnedEncoding(7, 5), "b": nn.LayerNorm([3, 5]), "c": nn.Linear(5, 3)})
    decay, rest = parameter_groups(model, 0.1)
    assert names(model, decay) == {"c.weight"}
    assert names(model, rest) == {"a.table", "b.weight", "b.bias", "c.bias"}


def test_the_optimizer_takes_the_numbers_of_the_recipe(vit):
    adam = optimizer(vit, Recipe(learning_rate=0.003, weight_decay=0.07, betas=(0.8, 0.97)))
    assert [group["weight_decay"] for group in adam.param_groups] == [0.07, 0.0]
    assert {group["lr"] for group in adam.param_groups} == {0.003}
    assert {group["betas"] for group in adam.param_groups} == {(0.8, 0.97)}


def test_errors_say_what_is_wrong(vit):
    with pytest.raises(ValueError, match=r"weight_decay is -0\.1; it must be 0 or more"):
        parameter_groups(vit, -0.1)
    with pytest.raises(ValueError, match="no parameter that requires a gradient"):
        optimizer(vit.requires_grad_(False), Recipe())
