"""Does `Listening` show what its trained model computes, and is the model's card true?"""

import re
from importlib.resources import files
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from traitlets import TraitError

from plenary.widgets.listening import DEMONSTRATIONS, Listening, demonstrations, figures, listen

FOLDER = Path(str(files("plenary.widgets")))
TENSORS = load_file(FOLDER / "listening.safetensors")


def by_hand(ids, place):
    """The model on one sentence with torch's own functions: each layer's weights at the blank, and the logits."""
    t = {name: tensor.double() for name, tensor in TENSORS.items()}
    width = t["embedding.weight"].shape[1]
    ids = [1 if at == place else one for at, one in enumerate(ids)]
    angles = torch.arange(len(ids)).double()[:, None] / 10000 ** (torch.arange(0, width, 2).double() / width)
    positions = torch.stack([angles.sin(), angles.cos()], -1).flatten(1)
    x = F.embedding(torch.tensor(ids), t["embedding.weight"]) * width**0.5 + positions
    rows = []
    for number in range(2):
        own = f"encoder.layers.{number}."
        y = F.layer_norm(x, (width,), t[own + "norm1.weight"], t[own + "norm1.bias"])
        q, k, v = (
            F.linear(y, t[f"{own}attention.{one}_proj.weight"], t[f"{own}attention.{one}_proj.bias"])
            for one in "qkv"
        )
        weights = (q @ k.T / width**0.5).softmax(-1)
        rows.append(weights[place])
        x = x + F.linear(
            weights @ v, t[own + "attention.out_proj.weight"], t[own + "attention.out_proj.bias"]
        )
        y = F.layer_norm(x, (width,), t[own + "norm2.weight"], t[own + "norm2.bias"])
        y = F.linear(y, t[own + "feed_forward.linear1.weight"], t[own + "feed_forward.linear1.bias"])
        x = x + F.linear(
            F.gelu(y), t[own + "feed_forward.linear2.weight"], t[own + "feed_forward.linear2.bias"]
        )
    last = F.layer_norm(x[place], (width,), t["encoder.norm.weight"], t["encoder.norm.bias"])
    return rows, t["embedding.weight"][3:] @ last + t["bias"]


def test_listen_is_the_model_by_hand_on_one_sentence_at_a_time():
    from plenary.training.blanks import read

    names = read(FOLDER / "listening.safetensors")[1]["words"]
    for sentence in (*demonstrations(), "Two zorks are running, quickly!"):
        first, second = listen(sentence, layer=1), listen(sentence)
        ids = [names.index(word) + 3 if word in names else 2 for word in first.words]
        for place in range(len(ids)):
            rows, logits = by_hand(ids, place)
            assert torch.allclose(first.weights[place], rows[0], atol=1e-6)
            assert torch.allclose(second.weights[place], rows[1], atol=1e-6)
            chances, numbers = logits.softmax(-1).topk(5)
            assert [word for word, _ in second.guesses[place]] == [names[int(n)] for n in numbers]
            assert [p for _, p in second.guesses[place]] == pytest.approx(chances.tolist(), abs=1e-6)


def test_the_weights_are_small_and_half():
    assert (FOLDER / "listening.safetensors").stat().st_size <= 200_000
    assert {tensor.dtype for tensor in TENSORS.values()} == {torch.float16}
    assert sum(tensor.numel() for tensor in TENSORS.values()) == figures()["parameters"] <= 100_000


def test_the_demonstrations_are_8_to_13_words_that_the_model_knows():
    for sentence, word in DEMONSTRATIONS:
        heard = listen(sentence)
        assert 8 <= len(heard.words) <= 13
        assert all(heard.known)
        assert 0 <= word < len(heard.words)
        assert torch.allclose(heard.weights.sum(-1), torch.ones(len(heard.words)).double())
    script = (FOLDER / "listening.mjs").read_text(encoding="utf-8")
    assert re.findall(r'sentence: "(.*)", word: (\d+) ', script) == [(s, str(w)) for s, w in DEMONSTRATIONS]


def test_the_card_says_what_was_measured():
    card = (FOLDER / "listening.md").read_text(encoding="utf-8")
    found = figures()
    for name in ("accuracy", "top5", "baseline"):
        assert f"{100 * found[name]:.1f} %" in card, name
    for name in ("parameters", "blanks", "captions", "vocabulary"):
        assert f"{found[name]:,}" in card, name
    assert f"{found['epochs']} epochs" in card
    assert f"seed {found['seed']}" in card
    assert found["accuracy"] > 3 * found["baseline"]
    # The limits that it names.
    first = [guesses[0][0] for guesses in listen("Two women in front of a red car are smiling.").guesses]
    assert (first[3], first[8]) == ("front", "is")
    assert listen("A person is holding a baby.").guesses[1][0][0] == "woman"
    assert listen("A person is repairing a car.").guesses[1][0][0] == "man"


def test_words_that_are_not_known_are_all_the_same():
    one, other = listen("A man is playing a zork."), listen("A man is playing a glyptodont.")
    assert one.known == [True, True, True, True, True, False]
    assert torch.equal(one.weights, other.weights)


@pytest.mark.parametrize("sentence", ["", "?!", "a " * 17])
def test_no_words_and_too_many_are_refused(sentence):
    with pytest.raises(ValueError, match="expected a sentence of 1 to 16 words"):
        listen(sentence)
    # The widget says so, or reads the first ones.
    assert Listening(sentence=sentence).still()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"word": 16}, "Listening: word is 16; expected a whole number from 0 to 15"),
        ({"word": 2.0}, "Listening: word is 2.0; expected a whole number from 0 to 15"),
        ({"layer": 0}, "Listening: layer is 0; expected 1 or 2"),
        ({"sentence": 7}, "Listening: sentence is 7; expected a text of at most 120 characters"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings, message):
    with pytest.raises(TraitError) as raised:
        Listening(**settings)
    assert str(raised.value) == message
    with pytest.raises(ValueError, match="layer is 3; expected 1 or 2"):
        listen("a man", layer=3)


def test_the_still_has_words_and_every_weight():
    widget = Listening(sentence="A dog <b> is running & barking.", word=15, layer=1)
    still = widget.still()
    heard = listen("A dog <b> is running & barking.", layer=1)
    assert re.search(r'role="img" aria-label="[^"]*With barking hidden, the blank listens most to', still)
    cells = [int(cell) for cell in re.findall(r"<td>(\d+)</td>", still)]
    assert cells == pytest.approx((100 * heard.weights).flatten().tolist(), abs=0.5001)
    assert heard.guesses[-1][0][0] in still
    assert "needs JavaScript" in still
    assert "<b>" not in still
    assert set(widget.state()) == {"sentence", "word", "layer"}
