"""Is a translation put together, looked at and scored as it should be, and does a run become the widget's file?"""

import json
import math

import pytest
import torch
from click.testing import CliRunner

from plenary import Transformer, cli
from plenary.data.translation import BOS_ID, multi30k
from plenary.data.vocabulary import Vocabulary, words
from plenary.training import runs, store, translation
from plenary.training.translation import UNK_ID, align, bleu, main, measure
from plenary.training.translator import detokenise, look, read, replace_unknown, translate, write

PAIRS = [
    ("Ein Hund spielt im Park.", "A dog is playing in the park."),
    ("Ein Mann schläft im Park.", "A man is sleeping in the park."),
    ("Ein Mann im T-Shirt spielt.", "A man in a t-shirt is playing."),
    ("Ein Hund schläft.", "A dog is sleeping."),
]


@pytest.fixture
def folder(tmp_path):
    """Captions in which every word comes up three times, and test captions with a word that nobody knows."""
    (tmp_path / "multi30k").mkdir()
    parts = {
        "train": PAIRS * 3,
        "val": PAIRS,
        "test_2016_flickr": [*PAIRS, ("Ein Zork schläft im Park.", "A zork is sleeping in the park.")],
    }
    for part, pairs in parts.items():
        for at, language in enumerate(("de", "en")):
            lines = [pair[at] for pair in pairs]
            (tmp_path / "multi30k" / f"{part}.{language}").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = Transformer(30, 25, 12, 3, 1, 2, 20, max_length=9).eval()
    torch.nn.init.constant_(model.head.bias[UNK_ID], 1.5)  # so that <unk> is written now and then
    return model


GERMAN = Vocabulary(("<pad>", "<bos>", "<eos>", "<unk>", *(f"d{n}" for n in range(26))))
ENGLISH = Vocabulary(("<pad>", "<bos>", "<eos>", "<unk>", *(f"e{n}" for n in range(21))))


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("the man ' s t - shirt .", "the man's t-shirt."),
        ("they don ' t stop , they ' re running !", "they don't stop, they're running!"),
        ("a state - of - the - art car", "a state-of-the-art car"),
        ('a sign that says " stop " .', 'a sign that says "stop".'),
        ("two dogs ' owner at 10 : 30", "two dogs' owner at 10:30"),
        ("1 , 000 people ( and a cat ) , 50 % off ; why ?", "1,000 people (and a cat), 50% off; why?"),
        ("a man - a tall one -", "a man-a tall one -"),
        ("", ""),
    ],
)
def test_words_and_marks_become_a_sentence(written, sentence):
    assert detokenise(written.split()) == sentence
    # And what was a sentence of captions becomes one again.
    if sentence.count(" -") == 0:
        assert detokenise(words(sentence)) == sentence


def test_an_unknown_word_is_the_one_that_the_last_layer_but_one_heard():
    attention = torch.zeros(3, 2, 4, 3)
    attention[0, :, :, 0] = 1  # the first layer would say "ein", the last one "rennt"
    attention[2, :, :, 1] = 1
    attention[1, 0, 1] = torch.tensor([0.5, 0.1, 0.4])  # its first head "ein" too; but the mean says "zork"
    attention[1, 1, 1] = torch.tensor([0.0, 0.6, 0.4])
    written = ["a", "<unk>", "runs", "<eos>"]
    assert replace_unknown(written, ["ein", "rennt", "zork"], attention) == ["a", "zork", "runs"]
    assert replace_unknown(written, ["ein", "rennt", "zork"], attention, layer=-1) == ["a", "rennt", "runs"]
    assert replace_unknown(written, ["ein", "rennt", "zork"], attention[2:]) == ["a", "rennt", "runs"]


def test_bleu_is_papineni_s_in_lower_case():
    # 5 of 6 words, 3 of 5 pairs, 2 of 4 triples and 1 of 3 quadruples are right, and the length fits.
    score, signature = bleu(["A b c d e f"], ["a B c d x f"])
    assert score == pytest.approx(100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    assert "case:lc" in signature
    assert "tok:13a" in signature
    # Half as long as it should be: e^(1 - 2).
    assert bleu(["a b c d"], ["a b c d e f g h"])[0] == pytest.approx(100 / math.e)
    assert "tok:none" in bleu(["a ."], ["a ."], tokenize="none")[1]


def test_a_translation_is_what_the_model_finds_likeliest_and_can_be_looked_at(model):
    sentence = "d3 d7 zork d1"
    made = translate(model, GERMAN, ENGLISH, sentence)
    assert made.source == ["d3", "d7", "zork", "d1"]
    source = torch.tensor([[7, 11, UNK_ID, 5]])
    (ids,) = write(model, source)
    assert made.words == [ENGLISH.tokens[number] for number in ids]
    assert made.attention.shape == (2, 3, len(ids), 4)
    assert torch.allclose(made.attention.sum(-1), torch.ones(2, 3, len(ids)))
    # Step by step: the likeliest word, its probability, and no word that comes later counts.
    for at, number in enumerate(ids):
        chances = model(source, torch.tensor([[BOS_ID, *ids[:at]]]))[0, -1].softmax(-1)
        assert int(chances.argmax()) == number
        assert made.probabilities[at] == pytest.approx(chances.max().item(), abs=1e-6)
        _, attention = look(model, source, ids[: at + 1])
        assert torch.allclose(attention[:, :, at], made.attention[:, :, at], atol=1e-6)
    assert math.exp(made.log_probability) == pytest.approx(math.prod(made.probabilities))
    assert made.text == detokenise(made.spoken)
    # A beam ranks by another number, in which greedy's is among the candidates.
    beam = translate(model, GERMAN, ENGLISH, sentence, beam_size=25)
    penalty = [((5 + len(one.words)) / 6) ** 0.6 for one in (made, beam)]
    assert beam.log_probability / penalty[1] >= made.log_probability / penalty[0] - 1e-6
    for wrong in ("", "d1 " * 10):
        with pytest.raises(ValueError, match="expected a sentence of 1 to 9 words and marks"):
            translate(model, GERMAN, ENGLISH, wrong)


def test_padding_and_batches_change_no_translation(model):
    sentences = ["d3 d7 d2 d1", "d5", "zork d9 d11 d12 d13 d14", "d20 d21"]
    pairs = [(sentence, "e1 e2 e3 e4") for sentence in sentences]
    found = measure(model, GERMAN, ENGLISH, pairs, beams=(1, 3))
    alone = {size: [translate(model, GERMAN, ENGLISH, one, size) for one in sentences] for size in (1, 3)}
    for size, made in alone.items():
        key = str(size)
        assert found["unknown"][key] == sum(one.words.count("<unk>") for one in made)
        assert found["bleu"][key] == bleu([one.text for one in made], [pair[1] for pair in pairs])[0]
        assert found["changed"][key] == sum(
            one.words != other.words for one, other in zip(made, alone[1], strict=True)
        )
        last = [detokenise(replace_unknown(one.words, one.source, one.attention, layer=-1)) for one in made]
        assert found["bleu_last"][key] == bleu(last, [pair[1] for pair in pairs])[0]
        assert found["length"][key] == sum(len(one.spoken) for one in made) / 16
    heard = [
        [one.source[place] == "zork" for place in one.attention.mean(1).argmax(-1)[:, at].tolist()]
        for one in alone[1]
        for at, word in enumerate(one.words)
        if word == "<unk>"
    ]
    assert heard
    assert found["unknown_heard"] == [
        pytest.approx(sum(column) / len(heard)) for column in zip(*heard, strict=True)
    ]
    assert found["sentences"] == 4
    assert found["restored"] == 1


def test_anchors_are_words_of_both_languages_and_counted_by_head(model, monkeypatch):
    def listens(_, source, written):
        # Three layers with one head: the first is always right, the second never, the third at the first place.
        attention = torch.zeros(3, 1, len(written), source.shape[1])
        attention[0, 0, 4, 3] = attention[1, 0, :, 1] = attention[2, 0, :, 0] = 1
        attention[0, 0, 0, 0] = 1
        return [], attention

    monkeypatch.setattr(translation, "look", listens)
    pairs = [
        ("Ein Hund im Park", "a dog in the park"),  # park: the fourth of four
        ("Baby im Park im Park", "baby in a park"),  # baby alone: park is there twice
        ("Der Arm", "the arm"),  # too short
    ]
    found = align(model, GERMAN, ENGLISH, pairs)
    assert found["anchors"] == 2
    assert found["aligned"] == [[1.0], [0.0], [0.5]]
    assert found["aligned_mean"] == [1.0, 0.0, 0.5]
    assert found["chance"] == pytest.approx((1 / 4 + 1 / 5) / 2)
    assert align(model, GERMAN, ENGLISH, pairs[2:]) == {"anchors": 0, "aligned_mean": []}


def test_a_run_becomes_the_file_of_the_widget(folder):
    run, file = folder / "run", folder / "packed.safetensors"
    options = ["--data-dir", str(folder), "--run-dir", str(run), "--epochs", "2", "--device", "cpu"]
    done = CliRunner().invoke(cli.main, ["train", "multi30k", *options])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(main, [str(run), str(file), "--data-dir", str(folder)])
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    model, german, english, facts = read(file)
    assert facts["figures"] == said
    splits = multi30k(folder, 3, 30)
    assert (german.tokens, english.tokens) == (
        splits.source_vocabulary.tokens,
        splits.target_vocabulary.tokens,
    )
    assert (said["sentences"], said["pairs"], said["epochs"], said["seed"]) == (5, 12, 2, 0)
    assert set(said["bleu"]) == {"1", "2", "4", "8"}
    assert said["changed"]["1"] == 0
    assert said["restored"] == 1
    assert said["anchors"] == 5  # park three times, shirt, zork
    assert said["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert translate(model, german, english, "Ein Zork schläft.").source == ["ein", "zork", "schläft", "."]
    for name, tensor in runs.load(run).state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor.half().float())
    # Other data have other words, and another run has another model.
    lines = (folder / "multi30k" / "train.de").read_text()
    (folder / "multi30k" / "train.de").write_text(lines.replace("Hund", "Mann"))
    done = CliRunner().invoke(main, [str(run), str(file), "--data-dir", str(folder)])
    assert done.exit_code == 1
    assert "Name the data that it was trained with" in done.output
    digits = folder / "digits"
    digits.mkdir()
    store.write(digits / runs.MODEL, {}, {"architecture": {"name": "VisionTransformer", "arguments": {}}})
    done = CliRunner().invoke(main, [str(digits), str(file), "--data-dir", str(folder)])
    assert done.exit_code == 1
    assert "expected a Transformer, found VisionTransformer" in done.output
