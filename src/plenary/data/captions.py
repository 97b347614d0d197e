"""The English captions of Multi30k, one by one: sentences in which a word is to be guessed from the others."""

import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from plenary.data.arguments import at_least
from plenary.data.translation import caption_file, caption_lines
from plenary.data.vocabulary import PAD, UNK, Vocabulary

BLANK = "<blank>"
SPECIALS = (PAD, BLANK, UNK)
PAD_ID, BLANK_ID, UNK_ID = range(3)


def caption_words(text: str) -> list[str]:
    """The words of a text in lower case, without its punctuation; "t-shirt" and "man's" are one word each."""
    return re.findall(r"\w+(?:['’-]\w+)*", unicodedata.normalize("NFC", text).lower())


@dataclass(frozen=True)
class Captions:
    """Captions as ids, and their vocabulary.

    Its first ids are <pad>, <blank> and <unk>; then come the words, the frequent ones first. A caption that has
    too many words, or no word of the vocabulary, is left out of all parts.
    """

    train: tuple[tuple[int, ...], ...]
    validation: tuple[tuple[int, ...], ...]
    test: tuple[tuple[int, ...], ...]
    vocabulary: Vocabulary
    max_length: int


def captions(
    data_dir: str | os.PathLike[str] | None = None, vocabulary_size: int = 1000, max_length: int = 16
) -> Captions:
    """The English half of Multi30k: 29,000 captions to train with, 1,014 to validate, 1,000 to test.

    Looked for, and downloaded, as `plenary.data.multi30k` does it.

    Args:
        data_dir: the data folder; see `plenary.data.data_dir`.
        vocabulary_size: how many words have an id of their own, the most frequent ones of the training captions.
        max_length: the most words of a caption.

    Raises:
        DownloadError: a file was not found, and its download failed.
        ValueError: a damaged file, or one with an empty line; max_length leaves no caption to train with.
        TypeError, ValueError: vocabulary_size or max_length is not a whole number from 1.
    """
    at_least("captions", 1, vocabulary_size=vocabulary_size, max_length=max_length)
    texts = {
        part: caption_lines(caption_file(f"{part}.en.gz", data_dir))
        for part in ("train", "val", "test_2016_flickr")
    }
    counts = Counter(word for text in texts["train"] for word in caption_words(text))
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:vocabulary_size]
    vocabulary = Vocabulary((*SPECIALS, *frequent), split=caption_words)

    def encoded(part: str) -> tuple[tuple[int, ...], ...]:
        rows = (tuple(vocabulary.encode(text)) for text in texts[part])
        return tuple(row for row in rows if len(row) <= max_length and any(id_ != UNK_ID for id_ in row))

    train, validation, test = map(encoded, texts)
    if not train:
        raise ValueError(f"captions: no caption has at most max_length = {max_length} words. Allow more.")
    return Captions(train, validation, test, vocabulary, max_length)
