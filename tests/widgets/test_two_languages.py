"""Does `TwoLanguages` show what its trained model writes and hears, and is the model's card true?"""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from traitlets import TraitError

from plenary.widgets.two_languages import DECODINGS, SENTENCES, TwoLanguages, figures, percent, written

FOLDER = Path(str(files("plenary.widgets")))
FILE = FOLDER / "two_languages.safetensors"
WIDTH, HEADS, LAYERS = 128, 4, 3


@cache
def the_model():
    from plenary.training.translator import read

    model, german, english, _ = read(FILE)
    return model.double(), german, english


@pytest.mark.parametrize("decoding", DECODINGS)
def test_the_page_shows_what_the_committed_weights_compute(decoding):
    from plenary.training.translator import translate

    for number, sentence in enumerate(SENTENCES):
        seen = written(number, decoding)
        made = translate(*the_model(), sentence.german, DECODINGS[decoding])
        assert seen[:2] == made[:2]
        assert (seen.spoken, seen.text) == (made.spoken, made.text)
        assert seen.probabilities == pytest.approx(made.probabilities, abs=1e-4)
        assert seen.attention.shape == made.attention.shape
        assert torch.allclose(seen.attention, made.attention, atol=5e-4)


def by_hand(source, target):
    """The model with torch's own functions: the logits after each target word, and all cross-attention."""
    t = {name: tensor.double() for name, tensor in load_file(FILE).items()}

    def through(name, x):
        return F.linear(x, t[f"{name}.weight"], t[f"{name}.bias"])

    def norm(name, x):
        return F.layer_norm(x, (WIDTH,), t[f"{name}.weight"], t[f"{name}.bias"])

    def embed(name, ids):
        powers = 10000 ** (torch.arange(0, WIDTH, 2).double() / WIDTH)
        angles = torch.arange(len(ids)).double()[:, None] / powers
        positions = torch.stack([angles.sin(), angles.cos()], -1).flatten(1)
        return F.embedding(torch.tensor(ids), t[f"{name}.weight"]) * WIDTH**0.5 + positions

    def attend(name, x, other, causal=False):
        q, k, v = (
            through(f"{name}.{one}_proj", of).unflatten(-1, (HEADS, -1)).transpose(0, 1)
            for one, of in (("q", x), ("k", other), ("v", other))
        )
        scores = q @ k.mT / (WIDTH // HEADS) ** 0.5
        if causal:
            scores = scores.masked_fill(torch.ones(scores.shape[1:]).triu(1).bool(), -torch.inf)
        weights = scores.softmax(-1)
        return through(f"{name}.out_proj", (weights @ v).transpose(0, 1).flatten(1)), weights

    def think(name, x):
        return through(f"{name}.linear2", F.gelu(through(f"{name}.linear1", x)))

    x = embed("source_embedding", source)
    for number in range(LAYERS):
        own = f"encoder.layers.{number}"
        y = norm(f"{own}.norm1", x)
        x = x + attend(f"{own}.attention", y, y)[0]
        x = x + think(f"{own}.feed_forward", norm(f"{own}.norm2", x))
    memory = norm("encoder.norm", x)
    x, cross = embed("target_embedding", target), []
    for number in range(LAYERS):
        own = f"decoder.layers.{number}"
        y = norm(f"{own}.norm1", x)
        x = x + attend(f"{own}.self_attention", y, y, causal=True)[0]
        heard, weights = attend(f"{own}.cross_attention", norm(f"{own}.norm2", x), memory)
        cross.append(weights)
        x = x + heard
        x = x + think(f"{own}.feed_forward", norm(f"{own}.norm3", x))
    return through("head", norm("decoder.norm", x)), torch.stack(cross)


@pytest.mark.parametrize("number", [0, 8])
def test_the_model_is_this_by_hand(number):
    _, german, english = the_model()
    seen = written(number)
    ids = [english.tokens.index(word) for word in seen.words]
    logits, cross = by_hand(german.encode(SENTENCES[number].german), [1, *ids[:-1]])
    assert logits.argmax(-1).tolist() == ids
    chances = logits.softmax(-1)[torch.arange(len(ids)), ids]
    assert seen.probabilities == pytest.approx(chances.tolist(), abs=1e-4)
    assert torch.allclose(seen.attention, cross, atol=5e-4)


def test_the_files_are_small_and_half():
    assert FILE.stat().st_size <= 6_000_000
    assert (FOLDER / "two_languages_shown.safetensors").stat().st_size <= 250_000
    tensors = load_file(FILE)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert sum(tensor.numel() for tensor in tensors.values()) == figures()["parameters"]


def test_the_card_says_what_was_measured():
    card = (FOLDER / "two_languages.md").read_text(encoding="utf-8")
    found = figures()
    for name in ("bleu", "bleu_last", "bleu_unknown", "bleu_tokens"):
        assert [*found[name]] == ["1", "2", "4", "8"]
        cells = " | ".join(f"{score:.2f}" for score in found[name].values())
        assert cells in card, (name, cells)
    assert " | ".join(str(number) for number in found["unknown"].values()) in card
    assert " | ".join(f"{share:.3f}" for share in found["length"].values()) in card
    assert " | ".join(str(number) for number in found["changed"].values()) in card
    for name in ("signature", "signature_tokens"):
        assert found[name] in card
    for name in ("parameters", "pairs", "german_words", "english_words", "seconds", "anchors"):
        assert f"{found[name]:,}" in card, name
    for row, mean in zip(found["aligned"], found["aligned_mean"], strict=True):
        assert " | ".join(percent(share) for share in [*row, mean]) in card
    assert percent(found["chance"]) in card
    for share in (*found["unknown_heard"], *found["validation_aligned_mean"]):
        assert percent(share) in card
    # The limits that it names.
    flat = " ".join(card.split())
    assert all(f'"{written(number).text}"' in flat for number in (9, 10, 11))
    assert "miteinander" in SENTENCES[2].german
    assert "other" not in written(2).text
    assert f"{found['epochs']} epochs" in card
    assert f"seed {found['seed']}" in card
    assert f"{100 * found['restored']:.1f} %" in card
    assert f"{found['peer']['bleu']:.2f}" in card
    assert found["peer"]["address"] in card
    # In this manner of counting, and in no other, the two can be compared.
    assert found["signature_tokens"].startswith("nrefs:1|case:lc|eff:no|tok:none")


def test_the_sentences_show_what_they_are_there_for():
    made = [written(number) for number in range(len(SENTENCES))]
    assert len(SENTENCES) == 12
    assert len({sentence.shows for sentence in SENTENCES}) == 12
    assert all(5 <= len(one.source) <= 20 for one in made)
    assert all(one.words[-1] == "<eos>" for one in made)
    assert "<unk>" in made[8].words
    assert "quitten" in made[8].spoken
    # What the beam finds is likelier, or longer.
    beam = written(7, "beam 4")
    assert len(beam.words) > len(made[7].words)
    assert beam.log_probability < made[7].log_probability
    assert sum(one.text != written(number, "beam 4").text for number, one in enumerate(made)) >= 2
    script = (FOLDER / "two_languages.mjs").read_text(encoding="utf-8")
    assert f"const DECODINGS = {[*DECODINGS]};".replace("'", '"') in script


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sentence": 12}, "TwoLanguages: sentence is 12; expected a whole number from 0 to 11"),
        ({"decoding": "beam 3"}, 'TwoLanguages: decoding is \'beam 3\'; expected "greedy" or "beam 4"'),
        ({"layer": 0}, "TwoLanguages: layer is 0; expected a whole number from 1 to 3"),
        ({"head": 5}, "TwoLanguages: head is 5; expected a whole number from 0 (the mean of all) to 4"),
        ({"word": True}, "TwoLanguages: word is True; expected a whole number from 0 to 36"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings, message):
    with pytest.raises(TraitError) as raised:
        TwoLanguages(**settings)
    assert str(raised.value) == message


def test_what_is_not_there_cannot_be_looked_at():
    for wrong in ((12, "greedy"), (0, "beam 3")):
        with pytest.raises(ValueError, match="expected a sentence from 0 to 11, and greedy or beam 4"):
            written(*wrong)


@pytest.mark.parametrize(("head", "said"), [(0, "the mean of the four heads"), (2, "head 2")])
def test_the_still_has_both_sentences_and_every_weight(head, said):
    still = TwoLanguages(sentence=3, decoding="beam 4", layer=1, head=head, word=36).still()
    made = written(3, "beam 4")
    table = made.attention[0].mean(0) if head == 0 else made.attention[0, head - 1]
    assert re.search(rf'role="img" aria-label="[^"]*layer 1, {said}. While “\[end\]” is written', still)
    assert SENTENCES[3].german in still
    assert SENTENCES[3].english in still
    assert made.text in still
    cells = [int(cell) for cell in re.findall(r"<td>(\d+)</td>", still)]
    expected = [[p, *row] for p, row in zip(made.probabilities, table.tolist(), strict=True)]
    assert cells == pytest.approx([100 * one for row in expected for one in row], abs=0.5001)
    assert "needs JavaScript" in still
    assert set(TwoLanguages().state()) == {"sentence", "decoding", "layer", "head", "word"}
