"""Does `Heads` show what its trained model computes, and is the model's card true?"""

import re
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from traitlets import TraitError

from plenary.widgets.heads import NAMES, Heads, figures, fill
from plenary.widgets.listening import DEMONSTRATIONS

FOLDER = Path(str(files("plenary.widgets")))
SENTENCE, WORD = DEMONSTRATIONS[0]


def test_a_silent_head_is_one_whose_columns_of_out_proj_are_zero():
    from plenary.training.blanks import read

    off = ["1.2", "2.4"]
    model, facts = read(FOLDER / "heads.safetensors")
    model = model.double()
    with torch.no_grad():
        for name in off:
            layer, head = (int(number) - 1 for number in name.split("."))
            weight = model.get_parameter(f"encoder.layers.{layer}.attention.out_proj.weight")
            weight[:, 12 * head : 12 * (head + 1)] = 0
        words = fill(SENTENCE, WORD).words
        ids = [facts["words"].index(word) + 3 for word in words]
        ids[WORD] = 1
        chances, numbers = model(torch.tensor([ids])).softmax(-1)[0].topk(5)
    found = fill(SENTENCE, WORD, off)
    assert [word for word, _ in found.guesses] == [facts["words"][int(n)] for n in numbers]
    assert [p for _, p in found.guesses] == pytest.approx(chances.tolist(), abs=1e-12)
    assert found.guesses != fill(SENTENCE, WORD).guesses
    # The first layer's own weights do not change; the second's do, for it hears another first one.
    before = fill(SENTENCE, WORD).weights
    assert torch.equal(found.weights[0], before[0])
    assert not torch.allclose(found.weights[1], before[1])
    assert torch.allclose(found.weights.sum(-1), torch.ones(2, 4, len(words)).double())


def test_the_card_says_what_was_measured():
    card = (FOLDER / "heads.md").read_text(encoding="utf-8")
    found = figures()
    tensors = load_file(FOLDER / "heads.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert sum(tensor.numel() for tensor in tensors.values()) == found["parameters"] <= 100_000
    assert f"{found['parameters']:,} parameters" in card
    for name in ("accuracy", "top5", "baseline"):
        assert f"{100 * found[name]:.1f} %" in card, name
    assert [f"{one['layer']}.{one['head']}" for one in found["without"]] == list(NAMES)
    for one in found["without"]:
        assert f"| {one['layer']}.{one['head']} | {100 * one['accuracy']:.1f} % |" in card
        assert one["accuracy"] < found["accuracy"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"word": 16}, "Heads: word is 16; expected a whole number from 0 to 15"),
        ({"chosen": "1.5"}, "Heads: chosen is '1.5'; expected a layer and a head"),
        ({"off": ["3.1"]}, r"Heads: off is \['3.1'\]; expected a list of some of 1.1, 1.2"),
        ({"sentence": 7}, "Heads: sentence is 7; expected a text of at most 120 characters"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings, message):
    with pytest.raises(TraitError, match=message):
        Heads(**settings)


def test_what_cannot_be_filled_is_refused():
    for sentence, word, off, message in (
        ("", 0, [], "a sentence of 1 to 16 words, got 0"),
        ("a man", 2, [], "word is 2; expected a number from 0 to 1"),
        ("a man", 0, ["1.9"], "there is no head '1.9'"),
    ):
        with pytest.raises(ValueError, match=message):
            fill(sentence, word, off)
    assert "no words yet" in Heads(sentence="?!").still()


def test_the_still_has_words_and_the_weights():
    still = Heads(sentence="A dog <b> is running & barking.", word=15, off=["1.2"]).still()
    found = fill("A dog <b> is running & barking.", 5, ["1.2"])
    assert re.search(
        r'role="img" aria-label="[^"]*The blank in place of barking listens most: head 1.1', still
    )
    cells = [int(cell) for cell in re.findall(r"<td>(\d+)</td>", still)]
    assert cells == pytest.approx((100 * found.weights[:, :, 5]).flatten().tolist(), abs=0.5001)
    assert f"Without 1.2 it guesses {found.guesses[0][0]}" in still
    assert "<b>" not in still
