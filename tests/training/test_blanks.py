"""Is a word hidden as it should be, does a run become the widget's file, and are its figures counted right?"""

import json

import pytest
import torch
from click.testing import CliRunner

from plenary import cli
from plenary.data.captions import BLANK_ID, PAD_ID, UNK_ID, caption_words, captions
from plenary.training import Recipe, World
from plenary.training.batches import Plan
from plenary.training.blanks import (
    BlankFiller,
    BlanksTask,
    EveryBlank,
    Sentences,
    blanks,
    heads,
    main,
    measure,
    read,
)

TEXTS = {
    "train": [
        "A man's dog runs.",
        "A dog, a cat and a man",
        "A man sleeps on a T-shirt.",
        "Two dogs run far away!",
    ],
    "val": ["A dog sleeps.", "A zebra runs."],
    "test_2016_flickr": [
        "A cat sleeps on a dog.",
        "Unknown things",
        "A man, a dog and a a a a a a a a a a a a a.",
    ],
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "multi30k").mkdir()
    for part, lines in TEXTS.items():
        (tmp_path / "multi30k" / f"{part}.en").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_captions_are_words_without_marks(folder):
    assert caption_words("A man's dog -- in a T-shirt, runs.") == [
        "a",
        "man's",
        "dog",
        "in",
        "a",
        "t-shirt",
        "runs",
    ]
    assert caption_words("cafe\u0301 ÉTÉ") == ["café", "été"]
    found = captions(folder, vocabulary_size=7)
    # "a" and "dog" and "man" lead; of the others the first ones in the alphabet.
    assert found.vocabulary.tokens[:6] == ("<pad>", "<blank>", "<unk>", "a", "dog", "man")
    assert len(found.vocabulary) == 10
    # "Unknown things" has no word to hide, and the last one has 18 words.
    assert len(found.test) == 1
    assert found.train[0] == (3, UNK_ID, 4, UNK_ID)
    with pytest.raises(ValueError, match="no caption has at most max_length = 1 words"):
        captions(folder, max_length=1)


def test_training_hides_one_known_word_and_all_of_them_in_time():
    sentences = Sentences(((5, UNK_ID, 7), (UNK_ID, 6), (9, 10, 11, 12, 13)))
    task = BlanksTask("blanks", sentences, EveryBlank(sentences))
    recipe = Recipe(epochs=60, batch_size=3)
    plan = Plan(3, recipe, World(torch.device("cpu")))
    hidden = set()
    for step in range(60):
        share = plan.share(step)
        (before,) = sentences[share.indices]
        after, words = task.training_batch((before,), share, recipe.augmentation)
        assert ((after == BLANK_ID).sum(dim=1) == 1).all()
        assert torch.equal(after[after != BLANK_ID], before[after != BLANK_ID])
        assert torch.equal(before[after == BLANK_ID], words + 3)
        hidden |= set((words + 3).tolist())
    assert hidden == {5, 6, 7, 9, 10, 11, 12, 13}


def test_validation_hides_each_known_word_once():
    every = EveryBlank(Sentences(((5, UNK_ID, 7), (6,))))
    assert len(every) == 3
    tokens, words = every[torch.arange(3)]
    assert tokens.tolist() == [[BLANK_ID, UNK_ID, 7], [5, UNK_ID, BLANK_ID], [BLANK_ID, PAD_ID, PAD_ID]]
    assert words.tolist() == [2, 4, 3]


def test_padding_changes_nothing_and_one_blank_is_asked_for():
    model = BlankFiller(11, embed_dim=12, num_heads=3, num_layers=2, hidden_dim=20, max_length=7).eval()
    short = torch.tensor([[5, BLANK_ID, 9]])
    assert model(short).shape == (1, 11)
    padded = torch.cat([short, torch.full((1, 4), PAD_ID)], dim=1)
    assert torch.allclose(model(short), model(padded), atol=1e-6)
    for wrong in ([[5, 6, 9]], [[BLANK_ID, 6, BLANK_ID]]):
        with pytest.raises(ValueError, match="expected one blank"):
            model(torch.tensor(wrong))


def test_the_shares_are_counted_over_hidden_words():
    class Says(torch.nn.Module):
        def forward(self, tokens):
            # Word 0 (id 3) for sure, then 1, 2, 3, 4; never word 5 or 6.
            return torch.tensor([9.0, 8, 7, 6, 5, 0, 0]).expand(len(tokens), 7)

    found = measure(Says(), ((3, 3, 4, UNK_ID), (8, 5)), commonest=5)
    assert found["accuracy"] == pytest.approx(2 / 5)
    assert found["top5"] == pytest.approx(4 / 5)
    assert found["baseline"] == pytest.approx(1 / 5)


@pytest.mark.parametrize(("name", "build", "heads"), [("blanks", blanks, 1), ("heads", heads, 4)])
def test_a_run_becomes_the_file_of_the_widget(folder, name, build, heads):
    task, recipe = build(folder)
    assert (task.name, recipe.seed) == (name, 0)
    run, file = folder / "run", folder / "packed.safetensors"
    done = CliRunner().invoke(
        cli.main,
        [
            "train",
            name,
            "--data-dir",
            str(folder),
            "--run-dir",
            str(run),
            "--epochs",
            "2",
            "--device",
            "cpu",
        ],
    )
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(main, [str(run), str(file), "--data-dir", str(folder)])
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    model, facts = read(file)
    assert facts["figures"] == said
    assert (said["epochs"], said["captions"], said["commonest"], said["blanks"]) == (2, 4, "a", 6)
    assert said["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert facts["words"][:3] == ["a", "dog", "man"]
    assert facts["architecture"]["arguments"]["num_heads"] == heads
    # With one head there is nothing left to compare.
    without = said.get("without", [])
    assert len(without) == (2 * heads if heads > 1 else 0)
    assert all(0 <= one["accuracy"] <= 1 for one in without)
    trained, _ = read(run / "model.safetensors")
    for name, tensor in trained.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor.half().float())


def test_another_run_is_refused(folder):
    run, file = folder / "digits", folder / "packed.safetensors"
    options = ["--run-dir", str(run), "--epochs", "1", "--batch-size", "600", "--device", "cpu"]
    assert CliRunner().invoke(cli.main, ["train", "digits", *options]).exit_code == 0
    done = CliRunner().invoke(main, [str(run), str(file), "--data-dir", str(folder)])
    assert done.exit_code == 1
    assert "expected a BlankFiller, found VisionTransformer" in done.output
    assert not file.exists()
