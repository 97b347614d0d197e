"""The query among the keys: its settings, its numbers, and what it says without JavaScript."""

import math
import re
from typing import Any

import pytest
import torch
from traitlets import TraitError

from plenary.functional import soft_lookup
from plenary.widgets.base import module_source
from plenary.widgets.soft_lookup import CORNERS, NAMES, ROOM, SoftLookup, keys_and_values, lookup

KEYS, VALUES = keys_and_values()
QUERIES = [(0.2, 0.9), (-0.5, 0.0), (4.0, 4.0), (-3.7, 1.25), (0.0, 3.0)]


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1.0, 100.0])
@pytest.mark.parametrize("query", QUERIES)
def test_numbers_are_those_of_the_package_and_of_torch(
    query: tuple[float, float], temperature: float
) -> None:
    found = lookup(query, temperature)
    point = torch.tensor(query, dtype=torch.float64)
    torch.testing.assert_close(
        found.output, soft_lookup(point, KEYS, VALUES, temperature), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(found.squared, torch.cdist(point[None], KEYS)[0].square())
    weights = torch.distributions.Categorical(logits=-found.squared / (2 * temperature))
    assert found.entropy == pytest.approx(weights.entropy().item(), abs=1e-9)
    assert found.heard == pytest.approx(math.exp(found.entropy))


@pytest.mark.parametrize("query", QUERIES)
def test_limits_are_where_the_temperature_leads(query: tuple[float, float]) -> None:
    cold, hot = lookup(query, limit="cold"), lookup(query, limit="hot")
    torch.testing.assert_close(cold.weights, lookup(query, 1e-5).weights, rtol=0, atol=1e-9)
    torch.testing.assert_close(hot.weights, lookup(query, 1e9).weights, rtol=0, atol=1e-6)
    torch.testing.assert_close(hot.output, VALUES.mean(0))


def test_tied_keys_share_alike_in_the_cold() -> None:
    found = lookup((0.0, 3.0), limit="cold")
    assert dict(zip(NAMES, found.weights.tolist(), strict=True)) == dict.fromkeys(NAMES, 0.0) | {
        "weather": 0.5,
        "sea": 0.5,
    }
    assert found.entropy == pytest.approx(math.log(2))


def test_chapter_s_two_answers_hold() -> None:
    on_key, outside = lookup(ROOM["garden"][0]), lookup((4.0, 4.0))
    assert on_key.entropy > 0.5  # on a key, and far from decided
    assert outside.entropy < 0.05  # far from all, and decided
    ring = [(4 * math.cos(t), 4 * math.sin(t)) for t in torch.linspace(0, 2 * math.pi, 100).tolist()]
    # The key among the others wins nowhere out there.
    assert "garden" not in {NAMES[int(lookup(point, 0.05).weights.argmax())] for point in ring}


def test_corners_go_round_the_hull_of_the_values() -> None:
    corners = torch.tensor([ROOM[name][1] for name in CORNERS], dtype=torch.float64)
    sides = corners.roll(-1, 0) - corners
    # Every value is to the left of, or on, every side.
    away = VALUES[None] - corners[:, None]
    turn = sides[:, None, 0] * away[..., 1] - sides[:, None, 1] * away[..., 0]
    assert (turn >= -1e-12).all()
    assert set(NAMES) - set(CORNERS) == {"garden"}
    assert (turn[:, NAMES.index("garden")] > 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"query": [0.0]}, "SoftLookup: query is [0.0]; expected 2 numbers from -4 to 4, in lists"),
        ({"query": [0.0, 4.1]}, "SoftLookup: query is [0.0, 4.1]; expected 2 numbers from -4 to 4, in lists"),
        ({"query": "00"}, "SoftLookup: query is '00'; expected 2 numbers from -4 to 4, in lists"),
        ({"temperature": 0}, "SoftLookup: temperature is 0; expected a number from 0.01 to 100"),
        ({"temperature": True}, "SoftLookup: temperature is True; expected a number from 0.01 to 100"),
        ({"limit": "warm"}, "SoftLookup: limit is 'warm'; expected 'none', 'cold' or 'hot'"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TraitError) as raised:
        SoftLookup(**settings)
    assert str(raised.value) == message


def test_settings_reach_the_page() -> None:
    widget = SoftLookup(query=(1, -2), temperature=3, limit="hot")
    assert widget.state() == {"query": [1.0, -2.0], "temperature": 3.0, "limit": "hot"}
    assert repr(widget) == "SoftLookup(query=[1.0, -2.0], temperature=3.0, limit='hot')"


def test_still_says_this_setting_in_words_and_numbers() -> None:
    query = (-1.5, 2.0)
    found, still = lookup(query, limit="cold"), SoftLookup(query=query, limit="cold").still()
    alt = re.search('aria-label="(.*?)"', still)
    assert alt
    assert alt[1].startswith(
        "The query at (−1.50, 2.00) among six keys, in the limit of temperature 0: weather"
    )
    assert f"the entropy of the weights is {found.entropy:.2f} of at most 1.79 nats" in alt[1]
    assert "inside the hull" in alt[1]
    assert "needs JavaScript" in still
    rows = re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', still)
    assert [name for name, _ in rows] == list(NAMES)
    shown = [re.findall("<td>(.*?)</td>", cells)[2] for _, cells in rows]
    assert shown == [f"{p:.3f}" for p in found.weights.tolist()]
    assert still != SoftLookup(query=query).still()


def test_twin_is_small_and_has_the_same_room() -> None:
    widget = SoftLookup()
    assert len(widget.twin().encode()) - len(widget.still().encode()) < 60_000
    table = re.findall(r'\["(\w+)", \[(\S+), (\S+)\], \[(\S+), (\S+)\]\]', module_source(SoftLookup.module))
    there = {name: ((float(a), float(b)), (float(c), float(d))) for name, a, b, c, d in table}
    assert there == ROOM
