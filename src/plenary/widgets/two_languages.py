"""German to English: what a trained Transformer wrote, and to which German words each English one listened.

python -m plenary.widgets.two_languages

makes the page's file anew from the committed weights, after a change of the weights or of the sentences.
"""

import math
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Asset, Choice
from plenary.widgets.still import still

if TYPE_CHECKING:
    from plenary.training.translator import Translated

WEIGHTS = "two_languages.safetensors"
"""The model: weights, both vocabularies and the figures. It is not in the page."""
SHOWN = "two_languages_shown.safetensors"
"""What the page shows: for every sentence what was written, how surely, and all cross-attention."""
DECODINGS = {"greedy": 1, "beam 4": 4}
"""The name of each way to decode, and the size of its beam."""
LAYERS, HEADS = 3, 4
MOST_WORDS = 37
END = "<eos>"


class Sentence(NamedTuple):
    """A caption made up for this book, a person's translation of it, and what it is there for."""

    german: str
    english: str
    shows: str


SENTENCES = (
    Sentence(
        "Auf einer Bank im Park sitzt eine alte Frau und liest ein Buch.",
        "An old woman is sitting on a bench in the park, reading a book.",
        "the place comes first",
    ),
    Sentence(
        "Vier Arbeiter mit gelben Helmen reparieren das Dach eines Hauses.",
        "Four workers in yellow helmets are repairing the roof of a house.",
        "nearly word for word",
    ),
    Sentence(
        "Ein Mädchen schaut zu, wie zwei Hunde im Schnee miteinander spielen.",
        "A girl is watching two dogs play with each other in the snow.",
        "a verb at the very end",
    ),
    Sentence(
        "Ein Mann mit Hut hebt vor einem Laden eine Zeitung auf.",
        "A man in a hat is picking up a newspaper in front of a shop.",
        "a verb in two parts",
    ),
    Sentence(
        "Ein Motorradfahrer in schwarzer Lederjacke wartet an einer Ampel.",
        "A motorcyclist in a black leather jacket is waiting at a traffic light.",
        "one word becomes two",
    ),
    Sentence(
        "Ein Mann ohne Hemd malt ein Bild von einem Mann im Anzug.",
        "A man without a shirt is painting a picture of a man in a suit.",
        "the same word twice",
    ),
    Sentence(
        "Ein Hund, der einen Stock im Maul trägt, läuft durch das Wasser.",
        "A dog carrying a stick in its mouth is running through the water.",
        "a clause inside a sentence",
    ),
    Sentence(
        "Ein Junge, der eine Mütze trägt, füttert Enten, während seine Schwester zuschaut.",
        "A boy wearing a cap is feeding ducks while his sister is watching.",
        "the beam writes more",
    ),
    Sentence(
        "Eine Frau verkauft Quitten auf einem Markt.",
        "A woman is selling quinces at a market.",
        "an unknown noun",
    ),
    Sentence(
        "Eine Touristin aus Reykjavik fotografiert eine Kirche.",
        "A tourist from Reykjavik is taking a picture of a church.",
        "an unknown name",
    ),
    Sentence(
        "Den Mann beißt ein kleiner weißer Hund.",
        "A small white dog is biting the man.",
        "who bites whom",
    ),
    Sentence(
        "Mit einem großen Messer schneidet ein Koch Gemüse in der Küche.",
        "A cook is cutting vegetables in the kitchen with a big knife.",
        "the tool comes first",
    ),
)


class TwoLanguages(PlenaryWidget):
    """Choose a German caption and an English word of its translation: to which German words did it listen?

    The numbers were computed beforehand by PyTorch with the trained model, whose weights are not in the page.

    Args:
        sentence: which of the 12 captions, from 0.
        decoding: "greedy" or "beam 4".
        layer: which decoder layer's cross-attention is shown, 1 to 3.
        head: 1 to 4, or 0 for the mean of all four.
        word: which written word listens, counted from 0; past the end it is the last one, the end of the sentence.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "two_languages.mjs"
    uses = ("layers.mjs",)
    style = "two_languages.css"

    sentence = Choice(range(len(SENTENCES)), 0, f"a whole number from 0 to {len(SENTENCES) - 1}")
    decoding = Choice([*DECODINGS], "greedy", '"greedy" or "beam 4"')
    layer = Choice(range(1, LAYERS + 1), LAYERS - 1, f"a whole number from 1 to {LAYERS}")
    head = Choice(range(HEADS + 1), 0, f"a whole number from 0 (the mean of all) to {HEADS}")
    word = Choice(range(MOST_WORDS), 2, f"a whole number from 0 to {MOST_WORDS - 1}")
    shown = Asset(SHOWN)

    def still(self) -> str:
        """The table of one head as a picture and as numbers, with both sentences."""
        return _still(self.sentence, self.decoding, self.layer, self.head, self.word)


def figures() -> dict[str, Any]:
    """What was measured of the model: BLEU by beam size and in three manners, sizes, recipe, seconds and more."""
    return _shown()[1]["figures"]


@cache
def written(number: int, decoding: str = "greedy") -> "Translated":
    """What the page shows of a sentence: as `plenary.training.translator.translate` gives it, to three digits.

    Args:
        number: of `SENTENCES`, from 0.
        decoding: "greedy" or "beam 4".

    Raises:
        ValueError: there is no such sentence, or no such way to decode.
    """
    from plenary.training.translator import Translated

    if decoding not in DECODINGS or number not in range(len(SENTENCES)):
        raise ValueError(
            f"written: expected a sentence from 0 to {len(SENTENCES) - 1}, and greedy or beam 4; got {number!r}, "
            f"{decoding!r}."
        )
    tensors, facts = _shown()
    about = facts["sentences"][number]
    found = about[decoding]
    attention = tensors[_name(number, decoding)].double()
    return Translated(
        about["source"],
        found["words"],
        found["probabilities"],
        attention.view(LAYERS, HEADS, len(found["words"]), len(about["source"])),
        found["spoken"],
        found["text"],
    )


def pack(weights: Path, path: Path) -> None:
    """Translate the sentences with the model in one file, and write what the page shows into another.

    Raises:
        CheckpointError: a file cannot be read, or not be written.
    """
    from plenary.training import store
    from plenary.training.translator import ALIGNED, read, translate

    model, german, english, facts = read(weights)
    model.double()
    tensors, sentences = {}, []
    for number, sentence in enumerate(SENTENCES):
        about: dict[str, Any] = sentence._asdict()
        for decoding, beam_size in DECODINGS.items():
            made = translate(model, german, english, sentence.german, beam_size)
            about["source"] = made.source
            about["known"] = [word in german.tokens for word in made.source]
            about[decoding] = {
                "words": made.words,
                "probabilities": [round(p, 4) for p in made.probabilities],
                "spoken": made.spoken,
                "text": made.text,
                "log_probability": round(made.log_probability, 3),
            }
            # A row for each word of each head of each layer, as the page's reader of files knows matrices.
            tensors[_name(number, decoding)] = made.attention.flatten(0, 2).half()
        sentences.append(about)
    sizes = {"layers": LAYERS, "heads": HEADS, "aligned": LAYERS + 1 + ALIGNED}
    store.write(path, tensors, {**sizes, "figures": facts["figures"], "sentences": sentences})


def _name(number: int, decoding: str) -> str:
    return f"{number} {decoding}"


@cache
def _shown() -> tuple[dict[str, Any], dict[str, Any]]:
    """The attention of every translation, and all that is said of it."""
    # Here and not above: the training package takes half a second.
    from plenary.training import store

    return store.read(_path(SHOWN))


def _path(name: str) -> Path:
    return Path(str(files("plenary.widgets").joinpath(name)))


def percent(share: float) -> str:
    """A share in whole per cent, as the page writes it."""
    return f"{math.floor(100 * share + 0.5)} %"


def _still(number: int, decoding: str, layer: int, head: int, word: int) -> str:
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import attention_heatmap

    made = written(number, decoding)
    names = [name.replace(END, "[end]") for name in made.words]
    table = made.attention[layer - 1].mean(0) if head == 0 else made.attention[layer - 1, head - 1]
    word = min(word, len(names) - 1)
    most = sorted(zip(table[word].tolist(), made.source, strict=True), key=lambda pair: -pair[0])[:3]
    heard = ", ".join(f"{name} ({percent(weight)})" for weight, name in most)
    which = "the mean of the four heads" if head == 0 else f"head {head}"
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        picture = attention_heatmap(
            table,
            rows=names,
            columns=made.source,
            alt=f"Cross-attention between “{SENTENCES[number].german}” and its translation, “{made.text}”, in "
            f"layer {layer}, {which}. While “{names[word]}” is written, the model listens most to {heard}.",
        )
    return still(
        picture.svg,
        f"The model ({decoding}) translates “{SENTENCES[number].german}” as “{made.text}”; a person, as "
        f"“{SENTENCES[number].english}”. Shown is layer {layer}, {which}.",
        "In per cent: rows are the English words, columns the German words to which each listens; the second "
        "column is the probability with which the word was written.",
        ["written", "probability", *made.source],
        [
            [name, percent(p).removesuffix(" %"), *(percent(one).removesuffix(" %") for one in row)]
            for name, p, row in zip(names, made.probabilities, table.tolist(), strict=True)
        ],
    )


if __name__ == "__main__":
    pack(_path(WEIGHTS), _path(SHOWN))
