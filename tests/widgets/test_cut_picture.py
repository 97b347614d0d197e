"""The picture to cut, without a browser: its settings, its cuts, and what stands there without JavaScript."""

import json
import re
from pathlib import Path

import pytest
import torch
from traitlets import TraitError

from plenary import patchify, unpatchify
from plenary.widgets import CutPicture
from plenary.widgets.cut_picture import (
    CUTS,
    FILE,
    SIDE,
    SIZES,
    cut,
    kept,
    make,
    order,
    picture,
    put_together,
    sequence,
)


def test_settings_and_state() -> None:
    widget = CutPicture(patch_size=8, row=0, column=95, cut="strips", shuffled=True)
    expected = {"patch_size": 8, "row": 0, "column": 95, "cut": "strips", "shuffled": True}
    assert widget.state() == expected
    assert SIZES == (4, 6, 8, 12, 16, 24, 32, 48)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch_size": 5}, "CutPicture: patch_size is 5; expected one of 4, 6, 8, 12, 16, 24, 32, 48"),
        ({"row": 96}, "CutPicture: row is 96; expected a row from 0 to 95"),
        ({"column": True}, "CutPicture: column is True; expected a column from 0 to 95"),
        ({"cut": "wrong"}, "expected one of right, reshape alone, strips"),
        ({"picture": "mine"}, "it is the file cut_picture.json"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings: dict, message: str) -> None:
    with pytest.raises(TraitError, match=re.escape(message)):
        CutPicture(**settings)


@pytest.mark.parametrize("size", SIZES)
def test_only_the_right_cut_gives_the_picture_back(size: int) -> None:
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(size))
    assert torch.equal(cut(images, size), patchify(images, size))
    for way in CUTS:
        patches = cut(images, size, way)
        assert patches.shape == patchify(images, size).shape
        # Nothing is lost and nothing invented: every way moves the same numbers to other places.
        assert torch.equal(patches.flatten(1).sort()[0], images.flatten(1).sort()[0])
        assert torch.equal(put_together(patches, size), images) == (way == "right")
    # Six of the seven differ in their first patch; the last one only in the order of the patches.
    assert len({cut(images, size, way)[0, 0].numpy().tobytes() for way in CUTS}) == len(CUTS) - 1
    assert not torch.equal(cut(images, size, "patches by columns"), cut(images, size))


@pytest.mark.parametrize("size", SIZES)
def test_shuffled_sequence_has_the_same_patches(size: int) -> None:
    count = (SIDE // size) ** 2
    assert sorted(order(count)) == list(range(count))
    assert order(count) != list(range(count))
    straight, shuffled = (sequence(picture(), size, shuffled=one) for one in (False, True))
    assert torch.equal(shuffled, straight[:, order(count)])
    assert torch.equal(unpatchify(straight, size, SIDE, SIDE), picture())


def test_default_picture_is_what_the_command_makes(tmp_path: Path) -> None:
    path = tmp_path / FILE
    make(path)
    found, expected = (
        json.loads(one.read_text(encoding="ascii"))
        for one in (path, Path(__file__).parents[2] / "src" / "plenary" / "widgets" / FILE)
    )
    assert found["about"] == expected["about"]
    assert "danielbuechele" in expected["about"]
    assert "CC BY 2.0" in expected["about"]
    assert len(expected["palette"]) == 64
    assert [len(row) for row in expected["rows"]] == [SIDE] * SIDE
    # Another version of the library that reads JPEG may round otherwise; the picture is the same to the eye.
    one, other = (
        torch.tensor([list(bytes.fromhex(colour)) for colour in all_of["palette"]]).double()
        for all_of in (found, expected)
    )
    assert (one.mean(0) - other.mean(0)).abs().max() < 8


def test_still_picture_has_words_and_a_table() -> None:
    still = CutPicture(patch_size=12, cut="every n-th pixel").still()
    alt = re.search(r'aria-label="([^"]*)"', still)
    assert alt
    assert "64 patches of 12 x 12, 432 numbers each; cut by both splits the other way round" in alt[1]
    assert f"{kept(12, 'every n-th pixel', False)} of 9,216 pixels as they were" in alt[1]
    assert "the picture again" in CutPicture().still()
    assert "needs JavaScript" in still
    assert "licence CC BY 2.0" in still
    assert still.count("<tr>") == 1 + len(SIZES)
    assert '<th scope="row">16</th><td>36</td><td>768</td><td>1,296</td>' in still


def test_twin_is_small_and_holds_no_picture_of_the_readers() -> None:
    widget = CutPicture()
    assert len(widget.twin().encode()) - len(widget.still().encode()) - len(widget.picture) < 60_000
    assert "picture" not in widget.state()
