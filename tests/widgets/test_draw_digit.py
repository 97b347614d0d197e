"""Does `DrawDigit` keep what it is set to, and does `read` say what the trained model computes?"""

import copy
import re
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cosine_similarity
from traitlets import TraitError

from plenary.data import digits
from plenary.training import digit_reader
from plenary.widgets.draw_digit import (
    HEADS,
    LAYERS,
    NAMES,
    PATCHES,
    VIEWS,
    DrawDigit,
    percent,
    pixels_of,
    read,
)

FILE = Path(str(files("plenary.widgets").joinpath("digits.safetensors")))
PICTURE = digits().test.images[3, 0].tolist()


def logits_of(model) -> torch.Tensor:
    """A plain forward pass over the picture."""
    facts = digit_reader.facts()
    with torch.no_grad():
        return model((torch.tensor(PICTURE)[None, None] - facts["mean"][0]) / facts["std"][0])[0]


def test_the_names_are_those_of_the_model():
    model = digit_reader.model()
    assert len(model.layers) == len(LAYERS)
    assert digit_reader.facts()["architecture"]["arguments"]["num_heads"] == len(HEADS)
    assert model.grid[0] * model.grid[1] == PATCHES
    assert {tensor.dtype for tensor in load_file(FILE).values()} == {torch.float16}


def test_what_is_whole_is_a_plain_forward_pass():
    found = read(PICTURE)
    assert torch.allclose(found.logits, logits_of(digit_reader.model()), atol=1e-5)
    assert torch.allclose(found.chances, found.logits.softmax(-1))
    assert torch.allclose(found.journey[-1], found.chances, atol=1e-6)
    for table in (found.attention, found.rollouts, found.journey):
        assert torch.allclose(table.sum(-1), torch.ones(()), atol=1e-5)
    states = digit_reader.look(torch.tensor(PICTURE)[None, None]).states
    assert found.likeness[2, 3, 7].item() == pytest.approx(
        cosine_similarity(states[2][0, 3], states[2][0, 7], 0).item(), abs=1e-5
    )


def test_what_is_taken_away_is_away():
    whole = read(PICTURE).logits
    model = copy.deepcopy(digit_reader.model())
    torch.nn.init.zeros_(model.positions)
    assert torch.allclose(read(PICTURE, positions=False).logits, logits_of(model), atol=1e-5)
    model = copy.deepcopy(digit_reader.model())
    model.layers.pop(1)
    assert torch.allclose(read(PICTURE, skipped=[2]).logits, logits_of(model), atol=1e-5)
    model = copy.deepcopy(digit_reader.model())
    size = model.head.in_features // len(HEADS)
    out = model.layers.get_parameter("0.attention.out_proj.weight")
    out.data[:, 2 * size : 3 * size] = 0
    assert torch.allclose(read(PICTURE, off=["1.3"]).logits, logits_of(model), atol=1e-5)
    for other in (read(PICTURE, False), read(PICTURE, skipped=[2]), read(PICTURE, off=["1.3"])):
        assert not torch.allclose(other.logits, whole, atol=1e-2)


def test_what_is_off_has_no_part_in_the_rollout():
    found = read(PICTURE, off=["1.1", "1.2", "1.4", "3.2"], skipped=[2])
    identity = torch.eye(PATCHES + 1)
    first = (found.attention[0, 2] + identity) / 2
    last = (found.attention[2, [0, 2, 3]].mean(0) + identity) / 2
    assert torch.allclose(found.rollouts, torch.stack([first, first, last @ first]), atol=1e-6)
    assert torch.equal(read(PICTURE, off=NAMES[:4], skipped=[2]).rollouts[1], identity)


def test_settings_take_what_is_drawn():
    widget = DrawDigit(pixels=PICTURE, off=["3.4", "1.2"], skipped=(3, 1), token=16, view="journey", layer=0)
    assert (widget.off, widget.skipped, widget.pixels) == (["1.2", "3.4"], [1, 3], PICTURE)
    names = {"pixels", "positions", "off", "skipped", "token", "view", "layer", "head"}
    assert set(widget.state()) == names
    assert pixels_of("0" * 62 + "8g")[-1][-2:] == [0.5, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pixels": [[0] * 8] * 7}, "expected 8 x 8 numbers from 0 to 1, in lists"),
        ({"pixels": [[2] * 8] * 8}, "expected 8 x 8 numbers from 0 to 1, in lists"),
        ({"positions": 1}, "positions is 1; expected True or False"),
        ({"off": ["4.1"]}, "off is ['4.1']; expected a list of some of 1.1, "),
        ({"skipped": [0]}, "skipped is [0]; expected a list of some of 1, 2, 3, each at most once"),
        ({"token": 17}, "token is 17; expected a whole number from 0, the class token, to 16"),
        ({"view": "heads"}, 'view is \'heads\'; expected "attention", "similarity", "rollout" or "journey"'),
        ({"layer": 4}, "layer is 4; expected a whole number from 0 to 3"),
        ({"head": 0}, "head is 0; expected a whole number from 1 to 4"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings, message):
    with pytest.raises(TraitError, match=r"^DrawDigit: ") as raised:
        DrawDigit(**settings)
    assert message in str(raised.value)


def test_read_refuses_what_is_not_there():
    with pytest.raises(ValueError, match=r"off has '4\.1'; expected 1\.1, 1\.2"):
        read(PICTURE, off=["4.1"])
    with pytest.raises(ValueError, match="skipped has 0; expected 1, 2, 3"):
        read(PICTURE, skipped=[0])


def test_the_still_has_words_and_every_digit():
    for widget in (DrawDigit(), DrawDigit(pixels=PICTURE, positions=False, off=["1.3"], skipped=[2])):
        still, found = widget.still(), read(widget.pixels, widget.positions, widget.off, widget.skipped)
        best = int(found.chances.argmax())
        said = rf'role="img" aria-label="[^"]*as {best} \({percent(found.chances[best].item())}\)'
        assert re.search(said, still)
        rows = re.findall(r'<th scope="row">(\d)</th>((?:<td>[^/]*</td>){4})', still)
        assert [digit for digit, _ in rows] == list("0123456789")
        assert f"<td>{percent(found.chances[best].item())}</td>" in rows[best][1]
        taken = "Taken away: positions, layer 2, head 3 of layer 1."
        assert (taken in still) == (not widget.positions)
    blank = DrawDigit(pixels=[[0] * 8] * 8).still()
    assert "aria-label" in blank


def test_the_page_stays_small():
    widget = DrawDigit()
    html = len(widget.twin().encode())
    assert html < 1_000_000
    assert html - len(widget.still().encode()) - len(widget.weights) < 75_000


def test_a_share_that_is_not_all_is_not_called_all():
    assert [percent(p) for p in (0, 0.004, 0.4, 0.996, 1)] == ["0 %", "< 1 %", "40 %", "> 99 %", "100 %"]
    assert len(VIEWS) == 4
