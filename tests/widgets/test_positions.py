"""Positions without a browser: its settings, its numbers, and what stands there without JavaScript."""

import re
from typing import Any

import pytest
import torch
from torch import nn
from traitlets import TraitError

from plenary import is_permutation_equivariant, rotation_matrix, sinusoidal_encoding
from plenary.widgets.positions import (
    FIRST_ORDER,
    LENGTH,
    ORDERS,
    WIDTH,
    WORDS,
    Positions,
    _weights,
    carry,
    listen,
    moved,
    rows,
    similarity,
)


def test_table_and_rotation_are_those_of_the_package() -> None:
    table = sinusoidal_encoding(LENGTH, WIDTH).double()
    torch.testing.assert_close(rows(torch.arange(LENGTH)), table, rtol=0, atol=1e-6)
    for position, offset in ((0, 0), (5, 3), (31, 15), (4, -9)):
        found = carry(position, offset)
        carried = rotation_matrix(offset, WIDTH).double() @ rows(torch.tensor(position))
        torch.testing.assert_close(found.carried, carried, rtol=0, atol=1e-6)
        torch.testing.assert_close(found.carried, found.target, rtol=0, atol=1e-12)
        assert found.off < 1e-12
    torch.testing.assert_close(similarity(7), table @ table[7], rtol=0, atol=1e-5)
    assert similarity(7)[10].item() == pytest.approx(similarity(20)[23].item(), abs=1e-12)
    # The bars of the picture start at 0.
    assert min(float(similarity(position).min()) for position in range(LENGTH)) > 0


@pytest.mark.parametrize("positions", [False, True])
def test_layer_is_torch_s_attention_with_the_same_weights(positions: bool) -> None:
    words, matrices = _weights()
    layer = nn.MultiheadAttention(WIDTH, 1, bias=False, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        layer.in_proj_weight.copy_(matrices.flatten(0, 1))
        layer.out_proj.weight.copy_(torch.eye(WIDTH))
        for order in (FIRST_ORDER, "543210", "052341"):
            x = words[[int(word) for word in order]] + positions * rows(torch.arange(len(WORDS)))
            expected, _ = layer(x[None], x[None], x[None])
            torch.testing.assert_close(listen(order, positions), expected[0], rtol=0, atol=1e-12)

        def whole(tokens: torch.Tensor) -> torch.Tensor:
            added = tokens + positions * rows(torch.arange(len(WORDS)))
            return layer(added, added, added)[0]

        seats = torch.tensor([0, 5, 2, 3, 4, 1])
        assert is_permutation_equivariant(whole, words[None], seats) is not positions


def test_every_order_moves_every_output_with_positions_and_none_without() -> None:
    assert len(ORDERS) == 720
    for order in ORDERS[1::13]:
        assert moved(order, False).max() < 1e-12
        assert moved(order, True).max() > 0.02
    assert moved(FIRST_ORDER, True).max() == 0
    assert moved("052341", True).min() > 0.2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"position": 32}, "Positions: position is 32; expected a whole number from 0 to 31"),
        ({"position": 1.5}, "Positions: position is 1.5; expected a whole number from 0 to 31"),
        ({"offset": -16}, "Positions: offset is -16; expected a whole number from -15 to 15"),
        ({"pair": 8}, "Positions: pair is 8; expected a whole number from 0 to 7"),
        ({"pair": True}, "Positions: pair is True; expected a whole number from 0 to 7"),
        (
            {"order": "012344"},
            "Positions: order is '012344'; expected the digits 0 to 5 in some order, such as",
        ),
        ({"order": [0, 1, 2, 3, 4, 5]}, "Positions: order is [0, 1, 2, 3, 4, 5]; expected the digits 0 to 5"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TraitError, match=re.escape(message)):
        Positions(**settings)


def test_state_and_size() -> None:
    widget = Positions(position=31, offset=-15, pair=7, order="543210")
    assert widget.state() == {"position": 31, "offset": -15, "pair": 7, "order": "543210"}
    assert len(widget.twin().encode()) - len(widget.still().encode()) < 60_000


def test_still_picture_has_words_and_a_table() -> None:
    still = Positions(position=9, offset=-4, order="543210").still()
    assert 'role="img"' in still
    alike = similarity(9)
    assert f"{alike[9]:.0f} with itself and at least {alike.min():.2f}" in still
    assert "carries row 9 to row 5" in still
    assert "“man old that bit dog one”" in still
    cells = re.findall(r'<tr><th scope="row">(\w+)</th><td>([\d.]+)</td><td>([\d.]+)</td></tr>', still)
    expected = [
        (WORDS[int(word)], "0.00", f"{change:.2f}")
        for word, change in zip("543210", moved("543210", True).tolist(), strict=True)
    ]
    assert cells == expected
    # In the first order there is nothing to see, so another one stands in.
    assert "“one man bit that old dog”" in Positions().still()
