"""A model that translates German captions: read from its file, and asked for a sentence.

model, german, english, facts = read(path)
translate(model, german, english, "Ein Hund spielt im Schnee.").text

`translation` makes the file of a run, and measures what it writes.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from plenary.data.translation import BOS_ID, EOS_ID
from plenary.data.vocabulary import BOS, EOS, PAD, UNK, Vocabulary, words
from plenary.decoding import beam_search, greedy_decode
from plenary.introspection import record_attention
from plenary.training import store
from plenary.training.task import Architecture
from plenary.transformer import Transformer

ALIGNED = -2
"""The layer whose attention says which source word a written one comes from: the last but one.

`translation.align` finds it on the validation captions, with the first layer close behind and the last one not;
Garg, Peitz, Nallasamy, and Paulik (2019), Jointly Learning to Align and Translate with Transformer Models, found
the last but one in larger models.
"""


class Translated(NamedTuple):
    """A sentence, what a model made of it, and to which of its words it listened meanwhile."""

    source: list[str]
    """The S words that were read, as they stand in the sentence, in lower case."""
    words: list[str]
    """The T words that were written; <unk> and the <eos> at the end among them."""
    probabilities: list[float]
    """The probability of each written word, given those before it."""
    attention: Float[Tensor, "layers H T S"]
    """Row t of a head says to which source words it listened when word t was written: the cross-attention."""
    spoken: list[str]
    """The written words without <eos>, and with a word of the source in place of each <unk>."""
    text: str
    """`spoken` as a sentence."""

    @property
    def log_probability(self) -> float:
        """The natural logarithm of the probability of all that was written."""
        return sum(map(math.log, self.probabilities))


def read(path: Path) -> tuple[Transformer, Vocabulary, Vocabulary, dict[str, Any]]:
    """The model in the file that `pack` wrote, in eval mode; the source's and the target's words; and its facts.

    Raises:
        CheckpointError: there is no such file, or it is damaged.
        ValueError: it holds another model.
    """
    weights, facts = store.read(path)
    model = transformer_of(path, facts)
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    german, english = (Vocabulary(tuple(facts[name])) for name in ("german", "english"))
    return model.eval(), german, english, facts


def translate(
    model: Transformer, german: Vocabulary, english: Vocabulary, sentence: str, beam_size: int = 1
) -> Translated:
    """Translate one sentence, greedily or with a beam, and look at how it was written.

    Args:
        model: in eval mode.
        german: the words of the source.
        english: the words of the target.
        sentence: at most `model.max_length` words and marks.
        beam_size: 1 is greedy.

    Raises:
        ValueError: the sentence has no words or too many.
    """
    source = words(sentence)
    if not 1 <= len(source) <= model.max_length:
        raise ValueError(
            f"translate: expected a sentence of 1 to {model.max_length} words and marks, got {len(source)}."
        )
    ids = torch.tensor([german.encode(sentence)])
    (written,) = write(model, ids, beam_size)
    probabilities, attention = look(model, ids, written)
    tokens = [english.tokens[number] for number in written]
    spoken = replace_unknown(tokens, source, attention)
    return Translated(source, tokens, probabilities, attention, spoken, detokenise(spoken))


def write(model: Transformer, source: Int[Tensor, "B S"], beam_size: int = 1) -> list[list[int]]:
    """What the model writes for a batch of sources: ids, with the EOS at their end if one was written."""
    if beam_size == 1:
        tokens = greedy_decode(model, source, BOS_ID, EOS_ID, model.max_length)
    else:
        tokens, _ = beam_search(model, source, BOS_ID, EOS_ID, model.max_length, beam_size)
    rows: list[list[int]] = tokens.tolist()
    return [row[: row.index(EOS_ID) + 1] if EOS_ID in row else row for row in rows]


def look(
    model: Transformer, source: Int[Tensor, "1 S"], written: list[int]
) -> tuple[list[float], Float[Tensor, "layers H T S"]]:
    """Each written word's probability, and to which source words every head listened when it was written."""
    target = torch.tensor([[BOS_ID, *written]])
    with torch.no_grad(), record_attention(model) as recording:
        chances = model(source, target[:, :-1]).softmax(-1)
    probabilities = chances[0].gather(1, target[0, 1:, None]).squeeze(1)
    return probabilities.tolist(), torch.cat(recording.matching("decoder.*.cross_attention"))


def replace_unknown(
    written: list[str], source: list[str], attention: Float[Tensor, "layers H T S"], layer: int = ALIGNED
) -> list[str]:
    """Put in place of each <unk> the source word to which it listened most; PAD, BOS and EOS are left out.

    Listened to is the mean over the heads of one layer. Names and numbers, which are the same in both languages,
    can come out right.

    Source: Luong, Sutskever, Le, Vinyals, and Zaremba (2015), Addressing the Rare Word Problem in Neural Machine
    Translation; with attention in place of an aligner as in Jean, Cho, Memisevic, and Bengio (2015), On Using Very
    Large Target Vocabulary for Neural Machine Translation, section 3.3.
    """
    layer = max(layer, -len(attention))  # of a single layer, that one
    most: list[int] = attention[layer].mean(dim=0).argmax(dim=-1).tolist()
    return [
        source[place] if word == UNK else word
        for word, place in zip(written, most, strict=True)
        if word not in (PAD, BOS, EOS)
    ]


def detokenise(tokens: Sequence[str]) -> str:
    """Words and marks as a sentence: "the man ' s t - shirt ." becomes "the man's t-shirt."."""
    text = " ".join(tokens)
    for pattern, replacement in (
        (r"(?<=\w) (['’]) (?=(?:s|t|d|m|re|ve|ll)\b)", r"\1"),  # man's, don't, they're
        (r"(?<=\w) ([-/]) (?=\w)", r"\1"),  # t-shirt, and/or
        (r"(?<=\d) ([.,:]) (?=\d)", r"\1"),  # 1,000 and 10:30
        (r"""(["'“]) (.+?) (["'”])(?!\w)""", r"\1\2\3"),  # a quotation
        (r"(?<=s) (['’])(?= |$)", r"\1"),  # the dogs' owner
        (r" ([.,!?;:%)\]…])", r"\1"),
        (r"([(\[$#]) ", r"\1"),
    ):
        text = re.sub(pattern, replacement, text)
    return text


def transformer_of(path: Path, facts: dict[str, Any]) -> Transformer:
    """A model of the sizes that a file names, or the reason why there is none."""
    found = facts.get("architecture") or {}
    model = Architecture(**found).build() if found.get("name") == "Transformer" else None
    if not isinstance(model, Transformer):
        raise ValueError(f"{path}: expected a Transformer, found {found.get('name')}.")
    return model
