"""The widget of chapter 9: what was measured can be measured again, and is what its words say."""

import json
import re
from base64 import b64decode
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from bs4 import BeautifulSoup
from torch import nn
from traitlets import TraitError

from plenary.encoder import EncoderLayer
from plenary.widgets import NormPlacement
from plenary.widgets.norm_placement import (
    BATCH,
    CLASSES,
    DEPTHS,
    HEADS,
    KINDS,
    LENGTH,
    WHATS,
    WIDTH,
    Kind,
    encoder,
    gradients,
    load,
    medians,
    over_seeds,
)


def test_settings_reach_the_page_and_the_file_is_not_one() -> None:
    widget = NormPlacement(depth=24, what="input")
    assert repr(widget) == "NormPlacement(depth=24, what='input')"
    assert widget.settings() == ["depth", "what"]
    assert json.loads(b64decode(widget.measured)) == load()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 3}, "NormPlacement: depth is 3; expected 2, 4, 6, 8, 12, 16, 24 or 32"),
        ({"depth": "24"}, "NormPlacement: depth is '24'; expected 2, 4, 6, 8, 12, 16, 24 or 32"),
        ({"what": "inputs"}, "NormPlacement: what is 'inputs'; expected 'weights' or 'input'"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TraitError) as raised:
        NormPlacement(**settings)
    assert str(raised.value) == message


def test_every_layer_of_every_stack_has_its_numbers() -> None:
    for what in WHATS:
        assert set(load()[what]) == set(KINDS)
        for kind in KINDS:
            assert [int(depth) for depth in load()[what][kind]] == list(DEPTHS)
            for depth in DEPTHS:
                layers = load()[what][kind][str(depth)]
                assert len(layers) == depth
                assert all(0 < low <= middle <= high for low, middle, high in layers)


@pytest.mark.parametrize(("kind", "depth"), [("pre", 2), ("post", 2), ("pre", 12), ("post", 8)])
def test_measured_again_it_is_the_same(kind: Kind, depth: int) -> None:
    again = over_seeds(kind, depth)
    for what in WHATS:
        torch.testing.assert_close(
            torch.tensor(again[what]), torch.tensor(load()[what][kind][str(depth)]), rtol=2e-3, atol=0
        )


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_a_loop_over_pytorchs_own_parts(kind: Kind) -> None:
    """The same weights in `nn.TransformerEncoderLayer`s, the last norm added by hand, and `backward`."""
    model = encoder(kind, 3, seed=4)
    layers = []
    for ours in model.layers:
        assert isinstance(ours, EncoderLayer)
        theirs = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=kind == "pre"
        ).double()
        own = ours.attention
        attention = theirs.self_attn
        stacked = torch.cat([own.q_proj.weight, own.k_proj.weight, own.v_proj.weight])
        attention.in_proj_weight.data = stacked.detach().clone()
        attention.in_proj_bias.data.zero_()
        for left, right in (
            (attention.out_proj, own.out_proj),
            (theirs.linear1, ours.feed_forward.linear1),
            (theirs.linear2, ours.feed_forward.linear2),
        ):
            left.load_state_dict(right.state_dict())
        layers.append(theirs)

    numbers = torch.Generator().manual_seed(1)
    x = torch.randn(BATCH, LENGTH, WIDTH, generator=numbers).double().requires_grad_()
    readout = torch.randn(WIDTH, CLASSES, generator=numbers).double() / 8
    classes = torch.randint(CLASSES, (BATCH * LENGTH,), generator=numbers)
    states = [x]
    for layer in layers:
        states.append(layer(states[-1]))
        states[-1].retain_grad()
    out = F.layer_norm(states[-1], (WIDTH,)) if kind == "pre" else states[-1]
    F.cross_entropy((out @ readout).reshape(-1, CLASSES), classes).backward()

    found = gradients(kind, 3, seed=4)
    by_input = [state.grad.norm().item() for state in states[:-1] if state.grad is not None]
    squares = [
        sum(p.grad.square().sum() for p in layer.parameters() if p.ndim == 2 and p.grad is not None)
        for layer in layers
    ]
    assert found["input"] == pytest.approx(by_input, rel=1e-6)
    assert found["weights"] == pytest.approx([float(one) ** 0.5 for one in squares], rel=1e-6)


def test_both_kinds_start_with_the_same_weights() -> None:
    pre, post = (encoder(kind, 2, seed=1).layers.state_dict() for kind in KINDS)
    assert all(torch.equal(pre[name], post[name]) for name in pre)
    another = encoder("pre", 2, seed=2).layers.state_dict()
    name = "0.feed_forward.linear1.weight"
    assert not torch.equal(pre[name], another[name])


def test_the_chapter_says_what_was_measured() -> None:
    """What the prose says in words; its numbers come from the same file."""
    for what in WHATS:
        last = {kind: [medians(what, kind, depth)[-1] for depth in DEPTHS] for kind in KINDS}
        assert all(deeper < shallow for shallow, deeper in pairwise(last["pre"])), "falls with the depth"
        assert min(last["post"]) > 0.7 * last["post"][0], "does not"
        for depth in DEPTHS:
            # Pre-norm's is largest at the bottom and smallest at the top.
            assert max(medians(what, "pre", depth)) < 1.1 * medians(what, "pre", depth)[0]
            assert min(medians(what, "pre", depth)) == medians(what, "pre", depth)[-1]
            # In neither does the first layer's vanish.
            assert all(medians(what, k, depth)[0] > 0.8 * medians(what, k, depth)[-1] for k in KINDS)


@pytest.mark.parametrize("what", WHATS)
def test_still_says_it_with_the_measured_numbers(what: str) -> None:
    still = BeautifulSoup(NormPlacement(what=what).still(), "html.parser")
    (picture,) = still.select("[role=img]")
    said = str(picture["aria-label"])
    pre, post = (load()[what][kind] for kind in KINDS)
    assert f"a layer's {what} in a fresh encoder of 24 layers" in said
    assert f"is {pre['24'][0][1] / pre['24'][-1][1]:.1f} times the last's in pre-norm" in said
    assert f"from {post['2'][-1][1]:.2g} to {post['32'][-1][1]:.2g} in post-norm" in said
    rows = [[cell.get_text() for cell in row.select("th, td")] for row in still.select("tbody tr")]
    assert [int(row[0]) for row in rows] == list(DEPTHS)
    assert rows[6] == ["24", *(f"{one['24'][at][1]:.3g}" for one in (pre, post) for at in (0, -1))]
    assert re.search("median of five seeds", still.get_text())
