"""Positions and another grid, in Python: what the page's JavaScript is held to."""

import re
from base64 import b64decode
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from traitlets import TraitError

from plenary import interpolate_positions
from plenary.training import digit_reader
from plenary.widgets import StretchPositions
from plenary.widgets.stretch_positions import WAYS, compare, learned, stretch

GRIDS = [(8, 8), (2, 7), (5, 3), (4, 4)]


def test_the_positions_are_the_trained_model_s_to_the_last_bit() -> None:
    raw = np.frombuffer(b64decode(StretchPositions().positions), dtype="<f2").reshape(17, 48)
    expected = digit_reader.model().positions.detach()[0]
    assert np.array_equal(raw.astype("float32"), expected.numpy())
    assert torch.equal(learned(), expected.double())


@pytest.mark.parametrize("grid", GRIDS)
def test_every_way_is_what_its_name_says(grid: tuple[int, int]) -> None:
    positions = learned()
    picture = positions[1:].unflatten(0, (4, 4)).permute(2, 0, 1)[None]
    right = stretch(positions, grid, "right")
    assert torch.equal(right, interpolate_positions(positions[None], (4, 4), grid)[0])
    exchanged = stretch(positions, grid, "axes exchanged")
    turned = interpolate_positions(positions[None], (4, 4), (grid[1], grid[0]))[0, 1:].unflatten(
        0, grid[::-1]
    )
    torch.testing.assert_close(exchanged[1:].unflatten(0, grid), turned.transpose(0, 1))
    pinned = F.interpolate(picture, grid, mode="bicubic", align_corners=True)[0].flatten(1).T
    torch.testing.assert_close(stretch(positions, grid, "corners aligned")[1:], pinned, rtol=0, atol=1e-12)
    line = stretch(positions, grid, "class position included")
    assert line.shape == right.shape
    for way in ("right", "axes exchanged", "corners aligned"):
        assert torch.equal(stretch(positions, grid, way)[0], positions[0])
    # The first sample of a longer line lies before token 0, which is repeated there; of a shorter one behind it.
    assert torch.allclose(line[0], positions[0]) == (grid[0] * grid[1] >= 16)
    assert torch.allclose(line[1], right[1], atol=1e-3) == (grid == (4, 4))


def test_what_the_chapter_asks() -> None:
    twice = compare(8, 8, "right", "new", 0, 0)
    assert (int(twice.old.argmax()), twice.kept) == (0, 0)
    assert float(twice.old[0, 0]) > 0.95
    assert compare(8, 8, "corners aligned", "new", 0, 0).kept == 4
    same = compare(4, 4, "right", "old", 2, 3)
    assert same.kept == 16
    torch.testing.assert_close(same.old, same.new)
    assert float(same.old[2, 3]) == pytest.approx(1)
    # A place beyond the grid is the last one.
    torch.testing.assert_close(compare(3, 5, "right", "new", 7, 7), compare(3, 5, "right", "new", 2, 4))
    means = {way: float(compare(8, 8, way, "old", 0, 0).off.mean()) for way in WAYS}
    assert means["right"] == 0
    assert 0 < means["corners aligned"] < means["class position included"] < means["axes exchanged"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"height": 9}, "StretchPositions: height is 9; expected a whole number from 2 to 8"),
        ({"width": 1}, "StretchPositions: width is 1; expected a whole number from 2 to 8"),
        ({"way": "wrong"}, "StretchPositions: way is 'wrong'; expected one of right, axes exchanged"),
        ({"board": 0}, 'StretchPositions: board is 0; expected "old" or "new"'),
        ({"row": 8}, "StretchPositions: row is 8; expected a whole number from 0 to 7"),
        ({"positions": "x"}, "StretchPositions: positions is 'x'; expected nothing: it is the file"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TraitError, match=re.escape(message)):
        StretchPositions(**settings)


def test_state_size_and_still_picture() -> None:
    widget = StretchPositions(height=3, width=5, way="axes exchanged", board="new", row=7, column=2)
    assert list(widget.state()) == ["height", "width", "way", "board", "row", "column"]
    still = widget.still()
    assert len(widget.twin().encode()) - len(still.encode()) < 60_000
    assert len(widget.positions) < 3_000
    found = compare(3, 5, "axes exchanged", "new", 2, 2)
    assert "The position of new patch (2, 2)" in still
    assert f"{found.kept} of 15 new patches have an old position exactly" in still
    assert f"off the right one by {100 * found.off.mean():.0f} % of its length" in still
    cells = re.findall(r"<td>(-?[\d.]+)</td>", still)
    assert cells == [f"{value:.2f}" for value in found.new.flatten().tolist()]
