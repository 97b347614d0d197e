"""What each head of a trained model listens to, and what the model says when some of them are silent."""

from contextlib import ExitStack
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from plenary.widgets.base import PlenaryWidget
from plenary.widgets.listening import DEMONSTRATIONS, LONGEST, MOST_WORDS, first_words, percent
from plenary.widgets.settings import Asset, Choice, Picks, Text
from plenary.widgets.still import still

if TYPE_CHECKING:
    from plenary.training.blanks import BlankFiller

WEIGHTS = "heads.safetensors"
LAYERS, HEADS = (1, 2), (1, 2, 3, 4)
NAMES = tuple(f"{layer}.{head}" for layer in LAYERS for head in HEADS)


class Heads(PlenaryWidget):
    """Hide a word of a sentence, see to whom each of eight heads listens, and switch heads off.

    Args:
        sentence: in English, at most 120 characters; of its words the first 16 are read.
        word: which word is hidden, counted from 0; past the end of the sentence it is the last one.
        chosen: whose table is shown whole, "1.1" (layer 1, head 1) to "2.4".
        off: the heads that are silent, such as ["1.2", "2.4"].

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "heads.mjs"
    uses = ("layers.mjs", "blanks.mjs")
    style = "heads.css"

    sentence = Text(DEMONSTRATIONS[0][0], longest=LONGEST)
    word = Choice(range(MOST_WORDS), DEMONSTRATIONS[0][1], f"a whole number from 0 to {MOST_WORDS - 1}")
    chosen = Choice(NAMES, "1.2", 'a layer and a head, from "1.1" to "2.4"')
    off = Picks(NAMES, [])
    weights = Asset(WEIGHTS)

    def still(self) -> str:
        """All eight tables as one picture; and the guesses, with all heads and without those that are off."""
        return _still(self.sentence, self.word, self.off)


class Filled(NamedTuple):
    """What the model does with one word hidden."""

    words: list[str]
    """The n words as the model reads them."""
    weights: Tensor
    """(2, 4, n, n), float64: layer, head, who listens, who is listened to."""
    guesses: list[tuple[str, float]]
    """The five best guesses, best first, with their probabilities."""


def fill(sentence: str, word: int, off: tuple[str, ...] | list[str] = ()) -> Filled:
    """Hide one word, and let the model guess it, with some heads silent.

    Args:
        sentence: 1 to 16 words.
        word: counted from 0.
        off: names of heads, "1.1" (layer 1, head 1) to "2.4".

    Raises:
        ValueError: no words or too many, no such word, or no such head.
    """
    from plenary.data.captions import BLANK_ID, SPECIALS, UNK_ID, caption_words
    from plenary.introspection import record_attention, without_heads

    spoken = caption_words(sentence)
    if not 1 <= len(spoken) <= MOST_WORDS:
        raise ValueError(f"fill: expected a sentence of 1 to {MOST_WORDS} words, got {len(spoken)}.")
    if not 0 <= word < len(spoken):
        raise ValueError(f"fill: word is {word}; expected a number from 0 to {len(spoken) - 1}.")
    if strange := [name for name in off if name not in NAMES]:
        raise ValueError(f"fill: there is no head {strange[0]!r}; expected one of {', '.join(NAMES)}.")
    model, facts = _model()
    names = facts["words"]
    ids = [names.index(one) + len(SPECIALS) if one in names else UNK_ID for one in spoken]
    ids[word] = BLANK_ID
    with torch.no_grad(), record_attention(model) as recording, ExitStack() as silent:
        for number, layer in zip(LAYERS, model.encoder.layers, strict=True):
            heads = [head - 1 for head in HEADS if f"{number}.{head}" in off]
            silent.enter_context(without_heads(layer.attention, heads))  # type: ignore[arg-type]
        best = model(torch.tensor([ids])).softmax(-1).topk(5)
    guesses = [(names[n], p) for p, n in zip(best.values[0].tolist(), best.indices[0].tolist(), strict=True)]
    return Filled(spoken, torch.stack([one[0] for one in recording.matching()]), guesses)


def figures() -> dict[str, Any]:
    """What was measured of the model: accuracy, top5, baseline, parameters, blanks, without and more.

    "without" is a list of {"layer", "head", "accuracy"}: the share of the same blanks that are filled with that one
    head silent.
    """
    return _model()[1]["figures"]


@cache
def _model() -> tuple["BlankFiller", dict[str, Any]]:
    """The model in float64, and the facts of its file."""
    # Here and not above: the training package takes half a second.
    from plenary.training.blanks import read

    model, facts = read(Path(str(files("plenary.widgets").joinpath(WEIGHTS))))
    return model.double(), facts


def _still(sentence: str, word: int, off: list[str]) -> str:
    read = first_words(sentence)
    if not read:
        return "<p>This figure is interactive and needs JavaScript. Its sentence has no words yet.</p>"
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import attention_heatmap

    word = min(word, len(read.split()) - 1)
    whole, silent = fill(read, word), fill(read, word, off)
    hidden = whole.words[word]
    best = "; ".join(
        f"head {name} to {whole.words[int(row.argmax())]} ({percent(row.max().item())})"
        for name, row in zip(NAMES, silent.weights[:, :, word].flatten(0, 1), strict=True)
    )
    guessed = ", ".join(f"{name} ({percent(p)})" for name, p in whole.guesses)
    said = f"With “{hidden}” hidden, the model guesses {guessed}."
    if off:
        others = ", ".join(f"{name} ({percent(p)})" for name, p in silent.guesses)
        said += f" Without {', '.join(off)} it guesses {others}."
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        picture = attention_heatmap(
            silent.weights.flatten(0, 1),
            titles=[f"head {name}" for name in NAMES],
            alt=f"Eight tables of attention weights, four heads in each of two layers. The blank in place of "
            f"{hidden} listens most: {best}.",
        )
    return still(
        picture.svg,
        f"{said} Heads are named by layer and number. Computed in Python by the trained model of the page.",
        f"To whom the blank in place of “{hidden}” listens, in per cent.",
        ["head", *whole.words],
        [
            [name, *(percent(weight).removesuffix(" %") for weight in row)]
            for name, row in zip(NAMES, silent.weights[:, :, word].flatten(0, 1).tolist(), strict=True)
        ],
    )
