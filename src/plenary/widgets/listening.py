"""Who listens to whom: a small trained model fills in a blank, and shows to which words the blank listens."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Asset, Choice, Text
from plenary.widgets.still import still

if TYPE_CHECKING:
    from plenary.training.blanks import BlankFiller

WEIGHTS = "listening.safetensors"
LAYERS = (1, 2)
MOST_WORDS = 16
LONGEST = 120
DEMONSTRATIONS = (
    ("A man with a beard is playing his guitar on a stage.", 6),
    ("A brown dog with a red collar is running through the grass.", 2),
    ("Two women in front of a red car are smiling.", 8),
)
"""Sentences in the style of the captions, each with the word to hide first; also in listening.mjs."""


class Listening(PlenaryWidget):
    """Hide a word of a sentence, and see to which words the blank listens, and what the model guesses.

    Args:
        sentence: in English, at most 120 characters; of its words the first 16 are read.
        word: which word is hidden, counted from 0; past the end of the sentence it is the last one.
        layer: which of the model's two layers is shown, 1 or 2.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "listening.mjs"
    uses = ("layers.mjs", "blanks.mjs")
    style = "listening.css"

    sentence = Text(DEMONSTRATIONS[0][0], longest=LONGEST)
    word = Choice(range(MOST_WORDS), DEMONSTRATIONS[0][1], f"a whole number from 0 to {MOST_WORDS - 1}")
    layer = Choice(LAYERS, LAYERS[-1], "1 or 2")
    weights = Asset(WEIGHTS)

    def still(self) -> str:
        """The whole table as a picture and as numbers, and the guesses for the word that is hidden."""
        return _still(self.sentence, self.word, self.layer)


class Listened(NamedTuple):
    """What the model does with each word of a sentence hidden in turn."""

    words: list[str]
    """The n words as the model reads them: in lower case, without punctuation."""
    known: list[bool]
    """Whether a word is in the vocabulary; the others are all read as one unknown word."""
    weights: Tensor
    """(n, n), float64: row t says to whom word t listens when it is the blank."""
    guesses: list[list[tuple[str, float]]]
    """For each hidden word the five best guesses, best first, with their probabilities."""


def demonstrations() -> tuple[str, ...]:
    """The three sentences that the widget offers."""
    return tuple(sentence for sentence, _ in DEMONSTRATIONS)


def listen(sentence: str, layer: int = LAYERS[-1]) -> Listened:
    """Hide each word in turn, let the model guess it, and write down to whom the blank listens.

    Args:
        sentence: 1 to 16 words.
        layer: 1 or 2.

    Raises:
        ValueError: no words or too many, or no such layer.
    """
    from plenary.data.captions import BLANK_ID, SPECIALS, UNK_ID, caption_words
    from plenary.introspection import record_attention

    if layer not in LAYERS:
        raise ValueError(f"listen: layer is {layer!r}; expected 1 or 2.")
    spoken = caption_words(sentence)
    if not 1 <= len(spoken) <= MOST_WORDS:
        raise ValueError(f"listen: expected a sentence of 1 to {MOST_WORDS} words, got {len(spoken)}.")
    model, facts = _model()
    names = facts["words"]
    ids = [names.index(word) + len(SPECIALS) if word in names else UNK_ID for word in spoken]
    each = torch.arange(len(ids))
    # Row t is the sentence with a blank at t: as many runs as words, all in one batch.
    tokens = torch.tensor([ids] * len(ids))
    tokens[each, each] = BLANK_ID
    with torch.no_grad(), record_attention(model) as recording:
        best = model(tokens).softmax(-1).topk(5)
    rows = recording.matching()[layer - 1][each, 0, each]
    guesses = [
        [(names[number], p) for p, number in zip(*pair, strict=True)]
        for pair in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]
    return Listened(spoken, [id_ != UNK_ID for id_ in ids], rows, guesses)


def figures() -> dict[str, Any]:
    """What was measured of the model: accuracy, top5, baseline, parameters, epochs, seconds, seed and more.

    The three shares are of the test captions, with every word of the vocabulary hidden once.
    """
    return _model()[1]["figures"]


@cache
def _model() -> tuple["BlankFiller", dict[str, Any]]:
    """The model in float64, and the facts of its file."""
    # Here and not above: the training package takes half a second.
    from plenary.training.blanks import read

    model, facts = read(Path(str(files("plenary.widgets").joinpath(WEIGHTS))))
    return model.double(), facts


def percent(share: float) -> str:
    """A share in whole per cent, as the page writes it."""
    return f"{int(100 * share + 0.5)} %"


def first_words(sentence: str) -> str:
    """The words that are read: of a longer sentence the first 16."""
    from plenary.data.captions import caption_words

    return " ".join(caption_words(sentence)[:MOST_WORDS])


def _still(sentence: str, word: int, layer: int) -> str:
    read = first_words(sentence)
    if not read:
        return "<p>This figure is interactive and needs JavaScript. Its sentence has no words yet.</p>"
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import attention_heatmap

    words, _, weights, guesses = listen(read, layer)
    word = min(word, len(words) - 1)
    most = sorted(zip(weights[word].tolist(), words, strict=True), key=lambda pair: -pair[0])[:3]
    heard = ", ".join(f"{name} ({percent(weight)})" for weight, name in most)
    guessed = ", ".join(f"{name} ({percent(p)})" for name, p in guesses[word])
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        picture = attention_heatmap(
            weights,
            rows=words,
            alt=f"Each word in turn is the blank, and listens to the others, in layer {layer}. With {words[word]} "
            f"hidden, the blank listens most to {heard}; the best guesses are {guessed}.",
        )
    return still(
        picture.svg,
        f"With “{words[word]}” hidden, the blank listens most to {heard} in layer {layer}; the best guesses are "
        f"{guessed}. Computed in Python by the trained model that runs in the page.",
        "In per cent: rows listen, each when it is hidden; columns are listened to.",
        ["hidden", *words],
        [
            [name, *(percent(weight).removesuffix(" %") for weight in row)]
            for name, row in zip(words, weights.tolist(), strict=True)
        ],
    )
