"""The widget of chapter 14: what was measured can be measured again, and says of each mistake where it shows."""

import json
from base64 import b64decode
from typing import Any

import pytest
import torch
from bs4 import BeautifulSoup
from torch import nn
from traitlets import TraitError

from plenary import VisionTransformer
from plenary.widgets import SameWeights
from plenary.widgets.same_weights import (
    MISTAKES,
    PRECISIONS,
    STAGES,
    WEIGHTS,
    Weights,
    copied,
    load,
    measure,
    parted,
    picture,
    rounding,
    run,
    stages_of,
    torchvision_model,
)

NAMES = [stage.name for stage in STAGES]
EVERY = [
    (mistake, weights, precision) for mistake in MISTAKES for weights in WEIGHTS for precision in PRECISIONS
]


def test_settings_reach_the_page_and_the_file_is_not_one() -> None:
    widget = SameWeights(mistake="conv", weights="fresh", stage=13)
    said = "SameWeights(mistake='conv', weights='fresh', precision='float64', stage=13)"
    assert repr(widget) == said
    assert widget.settings() == ["mistake", "weights", "precision", "stage"]
    assert json.loads(b64decode(widget.measured)) == load()
    assert len(b64decode(widget.measured)) < 30_000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stage": 14}, "SameWeights: stage is 14; expected a whole number from 0 to 13"),
        ({"weights": "zeros"}, "SameWeights: weights is 'zeros'; expected 'random' or 'fresh'"),
        ({"precision": "half"}, "SameWeights: precision is 'half'; expected 'float64' or 'float32'"),
        ({"mistake": "epsilon"}, "SameWeights: mistake is 'epsilon'; expected one of none, eps, conv"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TraitError) as raised:
        SameWeights(**settings)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(("mistake", "weights", "precision"), EVERY, ids=["-".join(one) for one in EVERY])
def test_measured_again_it_is_the_same(mistake: str, weights: Weights, precision: str) -> None:
    again, kept = measure(mistake, weights, precision), run(mistake, weights, precision)
    # What rounding does differs from machine to machine; what a mistake does, by rounding only.
    noise = 1e-13 if precision == "float64" else 5e-6
    for name in ("theirs", "ours", "differences"):
        assert getattr(again, name) == pytest.approx(kept[name], rel=0.01, abs=noise)
    assert again.shapes == load()["shapes"]["mean" if mistake == "mean" else "ours"]


@pytest.mark.parametrize(
    ("mistake", "first"),
    [
        ("none", None),
        ("eps", "layer 0: norm 1"),
        ("conv", "patches"),
        ("qkv", "layer 0: + attention"),
        ("class-token", "+ class token"),
        ("positions", "+ positions"),
        ("norms", "layer 0: norm 1"),
        ("gelu", "layer 0: + MLP"),
        ("last-norm", "last norm"),
        ("no-last-norm", "last norm"),
        ("mean", "row for the head"),
    ],
)
def test_every_mistake_shows_first_where_it_was_made(mistake: str, first: str | None) -> None:
    assert set(load()["mistakes"]) == set(MISTAKES)
    for precision in PRECISIONS:
        at = parted(mistake, "random", precision)
        assert (None if at is None else NAMES[at]) == first
        if at is not None:
            # And from there to the end.
            assert min(run(mistake, "random", precision)["differences"][at:]) > 10 * rounding(
                "random", precision
            )


def test_fresh_weights_hide_some_mistakes_and_their_logits_all() -> None:
    hidden = {mistake for mistake in MISTAKES if parted(mistake, "fresh") is None}
    assert hidden == {"none", "class-token", "norms", "last-norm"}
    assert {run(mistake, "fresh")["differences"][-1] for mistake in MISTAKES} == {0}


def test_rounding_shrinks_with_the_precision_and_a_mistake_does_not() -> None:
    assert rounding("random", "float64") < 1e-14
    assert 1e-8 < rounding("random", "float32") < 1e-5
    wide, narrow = (run("eps", "random", precision)["differences"] for precision in ("float64", "float32"))
    assert narrow[3:] == pytest.approx(wide[3:], rel=0.3)


@torch.no_grad()
def test_stages_are_those_of_a_walk_through_both_models_by_hand() -> None:
    theirs: Any = torchvision_model("random", "float64")
    ours: Any = copied(theirs, "none")
    x = theirs.conv_proj(picture("float64")).flatten(2).mT
    by_hand = [x]
    by_hand.append(torch.cat([theirs.class_token, x], dim=1))
    by_hand.append(by_hand[-1] + theirs.encoder.pos_embedding)
    for layer in theirs.encoder.layers:
        x = by_hand[-1]
        by_hand.append(layer.ln_1(x))
        by_hand.append(x + layer.self_attention(by_hand[-1], by_hand[-1], by_hand[-1])[0])
        x = by_hand[-1]
        by_hand.append(layer.ln_2(x))
        by_hand.append(x + layer.mlp(by_hand[-1]))
    by_hand.append(theirs.encoder.ln(by_hand[-1]))
    by_hand.append(by_hand[-1][:, 0])
    by_hand.append(theirs.heads(by_hand[-1]))
    assert len(by_hand) == len(STAGES)
    for model in (theirs, ours):
        for stage, found, expected in zip(STAGES, stages_of(model, picture("float64")), by_hand, strict=True):
            rows = expected[:, 0] if found.ndim < expected.ndim else expected[:, : found.shape[1]]
            assert torch.allclose(found, rows, rtol=0, atol=1e-12), stage


def test_names_are_those_of_the_state_dicts() -> None:
    theirs = torchvision_model("random", "float64")
    assert isinstance(theirs, nn.Module)
    ours = VisionTransformer.from_torchvision(theirs)
    for side, model in (("theirs", theirs), ("ours", ours)):
        known = model.state_dict()
        for stage in STAGES:
            name = getattr(stage, side)
            assert name == "x[:, 0]" or any(one == name or one.startswith(f"{name}.") for one in known), name


@pytest.mark.parametrize("weights", WEIGHTS)
def test_random_weights_are_random_everywhere(weights: Weights) -> None:
    """No parameter is constant, or half of them are."""
    constant = [
        name for name, one in torchvision_model(weights, "float64").named_parameters() if one.std() < 1e-9
    ]
    assert (constant == []) == (weights == "random")
    assert "heads.head.weight" in constant or weights == "random"


def test_still_says_it_with_the_measured_numbers() -> None:
    found = run("gelu")
    still = BeautifulSoup(SameWeights(mistake="gelu").still(), "html.parser")
    (image,) = still.select("[role=img]")
    said = str(image["aria-label"])
    assert "They part at stage 7, layer 0: + MLP" in said
    assert f"at the logits they differ by {found['differences'][-1]:.2g}" in said
    rows = [[cell.get_text() for cell in row.select("th, td")] for row in still.select("tbody tr")]
    assert [row[0] for row in rows] == NAMES
    assert rows[6] == [
        "layer 0: + MLP",
        "encoder.layers.encoder_layer_0.mlp",
        "layers.0.feed_forward",
        *(f"{found[which][6]:.3g}" for which in ("theirs", "ours")),
        f"{found['differences'][6]:.2g}",
    ]
    without = BeautifulSoup(SameWeights(mistake="norms", weights="fresh").still(), "html.parser")
    assert "They do not part" in str(without.select("[role=img]")[0]["aria-label"])
