"""Colours that can be read, told apart and kept in one place."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from plenary import palette

ROOT = Path(__file__).resolve().parents[1]
MODES = {"light": palette.light, "dark": palette.dark}
TEXT = ("ink", "muted", "accent", "query", "key", "value", "wrong")
TOLD_APART = ("query", "key", "value", "wrong")

# Machado, Oliveira and Fernandes (2009), full severity, on linear RGB.
SEEN_BY = {
    "everybody": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def linear(colour: str) -> np.ndarray:
    part = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2."""
    dim, bright = sorted(float(linear(colour) @ (0.2126, 0.7152, 0.0722)) for colour in (one, other))
    return (bright + 0.05) / (dim + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE Lab of a linear RGB colour, white point D65."""
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = to_xyz @ np.clip(rgb, 0, 1) / (0.95047, 1.0, 1.08883)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_can_every_colour_be_had_in_both_modes():
    declared = re.findall(r"(--plenary-[a-z]+):", palette.css())
    assert sorted(declared) == sorted(2 * [palette.PREFIX + name for name in palette.names()])
    for name in palette.names():
        assert re.fullmatch("#[0-9a-f]{6}", palette.light(name))
        assert re.fullmatch("#[0-9a-f]{6}", palette.dark(name))


def test_is_every_light_colour_a_different_one():
    # plotting turns a hex back into the name of its colour
    assert len({palette.light(name) for name in palette.names()}) == len(palette.names())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ground", ["paper", "panel"])
@pytest.mark.parametrize("name", TEXT)
def test_can_text_in_this_colour_be_read(name, ground, mode):
    assert contrast(MODES[mode](name), MODES[mode](ground)) >= 4.5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("eyes", SEEN_BY)
@pytest.mark.parametrize(("one", "other"), list(combinations(TOLD_APART, 2)))
def test_can_these_eyes_tell_these_colours_apart(one, other, eyes, mode):
    seen = [lab(SEEN_BY[eyes] @ linear(MODES[mode](name))) for name in (one, other)]
    assert np.linalg.norm(seen[0] - seen[1]) >= 14


@pytest.mark.parametrize("pick", list(MODES.values()))
def test_is_an_unknown_name_answered_with_the_known_ones(pick):
    with pytest.raises(ValueError, match=r"no colour is called 'pink'. Take one of ink, muted"):
        pick("pink")


def test_is_the_palette_the_only_place_where_colours_are_written():
    for path in (ROOT / "book" / "_theme").iterdir():
        if path.suffix in {".css", ".svg", ".html"}:
            text = re.sub(
                r"var\(--plenary-([a-z]+), (#[0-9a-f]{6})\)", same_as_the_palette, path.read_text("utf-8")
            )
            assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?![-\w])|\b(?:rgb|hsl)a?\(", text), path.name


def same_as_the_palette(fallback: re.Match[str]) -> str:
    assert palette.light(fallback[1]) == fallback[2]
    return ""
