"""Does `RolloutViewer` show pictures chosen by its rule, and the numbers of the trained model?"""

import json
import re

import pytest
import torch
from traitlets import TraitError

from plenary import attention_rollout, class_attention_map, data
from plenary.training import digit_reader
from plenary.widgets.rollout_viewer import (
    PATCHES,
    WRONG,
    RolloutViewer,
    ink,
    orders,
    pictures,
    probabilities,
    shares,
)


def test_the_strip_is_chosen_by_its_rule():
    images, labels = (test := data.digits().test)[torch.arange(len(test))]
    answers = digit_reader.look(images).logits.argmax(-1)
    shown = pictures()
    for digit, one in enumerate(shown[:10]):
        assert one.label == one.answer == digit
        earlier = (labels[: one.number] == digit) & (answers[: one.number] == digit)
        assert not earlier.any()
    assert [one.number for one in shown[10:]] == (labels != answers).nonzero().flatten().tolist()[:WRONG]
    for one in shown:
        assert torch.equal(one.pixels, images[one.number, 0])
        assert (one.label, one.answer) == (int(labels[one.number]), int(answers[one.number]))
    # What the page is given is the same, and the same for every widget.
    for (index, label, answer, pixels), one in zip(json.loads(RolloutViewer().strip), shown, strict=True):
        assert (index, label, answer) == (one.number, one.label, one.answer)
        assert [int(digit, 17) / 16 for digit in pixels] == one.pixels.flatten().tolist()


def test_shares_are_those_of_the_model():
    look = digit_reader.look(pictures()[7].pixels[None, None])
    tables = [one.double() for one in look.attentions]
    rollout = attention_rollout(tables)
    assert torch.allclose(shares(7), rollout[0, 0])
    assert torch.allclose(shares(7)[1:], class_attention_map(rollout, (4, 4)).flatten())
    assert torch.allclose(shares(7, layer=2), attention_rollout(tables[:2])[0, 0])
    assert torch.allclose(shares(7, "head", 2, 3), tables[1][0, 2, 0])
    assert torch.allclose(shares(7, "mean", 1), tables[0][0].mean(0)[0])
    means = [one[0].mean(0) for one in tables]
    assert torch.allclose(shares(7, identity=False), (means[2] @ means[1] @ means[0])[0])
    for view in ("head", "mean", "rollout"):
        assert float(shares(7, view).sum()) == pytest.approx(1, abs=1e-6)


def test_covering_turns_patches_into_paper_one_after_the_other():
    order = orders(shares(4), lot=5)
    assert order["most"] == order["least"][::-1]
    assert all(sorted(one) == list(range(PATCHES)) for one in order.values())
    assert orders(shares(4), lot=6)["lot"] != order["lot"]
    assert shares(4)[1:][order["most"]].diff().max() <= 0
    found = probabilities(4, order["lot"])
    assert torch.allclose(found.sum(-1), torch.ones(PATCHES + 1))
    picture = pictures()[4].pixels.clone()
    for step, patch in enumerate(order["lot"]):
        assert torch.allclose(
            found[step], digit_reader.look(picture[None, None]).logits[0].softmax(-1), atol=1e-6
        )
        before = picture.mean()
        picture.view(4, 2, 4, 2)[patch // 4, :, patch % 4, :] = 0
        assert float(before - picture.mean()) == pytest.approx(float(ink(4)[patch]) / PATCHES, abs=1e-6)
    assert not picture.any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"picture": 14}, "RolloutViewer: picture is 14; expected a whole number from 0 to 13"),
        ({"view": "flow"}, 'RolloutViewer: view is \'flow\'; expected "head", "mean" or "rollout"'),
        ({"layer": 0}, "RolloutViewer: layer is 0; expected 1, 2 or 3"),
        ({"identity": 1}, "RolloutViewer: identity is 1; expected True or False"),
        ({"covered": 17}, "RolloutViewer: covered is 17; expected a whole number from 0 to 16"),
        (
            {"strip": "[]"},
            "RolloutViewer: strip is '\\[\\]'; expected nothing: the pictures are chosen by a rule",
        ),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings, message):
    with pytest.raises(TraitError, match=message):
        RolloutViewer(**settings)


def test_the_still_has_words_and_the_numbers():
    widget = RolloutViewer(picture=2, view="mean", layer=1, lot=3)
    still = widget.still()
    row, answer = shares(2, "mean", 1), pictures()[2].answer
    order = orders(row, 3)
    assert re.search(
        r'role="img" aria-label="A 2 that the model reads as a 2[^"]*the mean of the heads of layer 1', still
    )
    body = re.findall(r"<tr><th scope=\"row\">(\d+)</th>(.*?)</tr>", still)
    assert [int(number) for number, _ in body] == list(range(PATCHES + 1))
    for number, cells in body:
        found = [float(cell) for cell in re.findall(r"<td>([\d.]+)</td>", cells)][-3:]
        expected = [
            probabilities(2, order[how])[int(number), answer].item() for how in ("most", "least", "lot")
        ]
        assert found == pytest.approx(expected, abs=0.0006)
    assert len(widget.twin()) - len(still) - len(widget.weights) < 60_000
