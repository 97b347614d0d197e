"""Multi30k: captions of photographs, in German and in English."""

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from plenary.data import source
from plenary.data.arguments import at_least
from plenary.data.vocabulary import BOS, EOS, PAD, SPECIALS, Vocabulary

PAD_ID, BOS_ID, EOS_ID = (SPECIALS.index(token) for token in (PAD, BOS, EOS))
ADDRESS = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/"
# SHA-256 of the files of that repository; their MD5 are the ones that torchtext lists.
HASHES = {
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
}


class SentencePairs(Dataset[tuple[Tensor, Tensor]]):
    """N sentences as ids and their translations. Indexed by a batch of indices (B,), it gives that batch.

    An item is the sources (B, S) and the targets (B, T), int64: a source is its words, a target is BOS, its
    words and EOS, and both are padded with 0 to the longest *of that batch*. A decoder reads `target[:, :-1]`
    and is to write `target[:, 1:]`.

    `source_lengths` and `target_lengths` (N,) count what is not padding, for those who make batches of like
    lengths.
    """

    def __init__(self, sources: list[list[int]], targets: list[list[int]]) -> None:
        self.source, self.source_lengths = _padded(sources)
        self.target, self.target_lengths = _padded([[BOS_ID, *target, EOS_ID] for target in targets])

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: Int[Tensor, " B"]) -> tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]:
        longest = [int(lengths[index].max()) for lengths in (self.source_lengths, self.target_lengths)]
        return self.source[index, : longest[0]], self.target[index, : longest[1]]


@dataclass(frozen=True)
class Translation:
    """Sentence pairs as ids, the two vocabularies, and the sentences to test with as they were written.

    `max_source_length` and `max_target_length` are over all three parts, the latter with BOS and EOS.
    """

    train: SentencePairs
    validation: SentencePairs
    test: SentencePairs
    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    test_sentences: tuple[tuple[str, str], ...]
    pad_id: int = PAD_ID
    bos_id: int = BOS_ID
    eos_id: int = EOS_ID

    @property
    def max_source_length(self) -> int:
        """Words of the longest source."""
        return max(part.source.shape[1] for part in (self.train, self.validation, self.test))

    @property
    def max_target_length(self) -> int:
        """Words of the longest target, BOS and EOS counted."""
        return max(part.target.shape[1] for part in (self.train, self.validation, self.test))


def multi30k(
    data_dir: str | os.PathLike[str] | None = None, min_count: int = 2, max_length: int | None = None
) -> Translation:
    """German to English: 29,000 sentence pairs to train with, 1,014 to validate, 1,000 (test_2016_flickr) to test.

    Looked for in the data folder as `multi30k/train.de.gz` and so on, packed or not, then downloaded (1.3 MB).
    Sentences are split as `plenary.data.words` says; words that occur fewer than `min_count` times in the
    training sentences are <unk>.

    Args:
        data_dir: the data folder; see `plenary.data.data_dir`.
        min_count: the least count of a word that gets an id.
        max_length: leave out training pairs with more words than that on either side. The other parts stay
            whole, so that a score stays comparable.

    Raises:
        DownloadError: a file was not found, and its download failed.
        ValueError: a damaged file; an empty line; German and English of different length; max_length leaves
            nothing.
        TypeError, ValueError: min_count or max_length is not a whole number from 1.

    Source: Elliott, Frank, Sima'an, and Specia (2016), Multi30K: Multilingual English-German Image Descriptions.
    """
    at_least("multi30k", 1, min_count=min_count, max_length=1 if max_length is None else max_length)
    train, validation, test = (
        sentence_pairs(part, data_dir) for part in ("train", "val", "test_2016_flickr")
    )
    german = Vocabulary.of_words((pair[0] for pair in train), min_count)
    english = Vocabulary.of_words((pair[1] for pair in train), min_count)

    def encoded(pairs: list[tuple[str, str]], longest: int | None) -> SentencePairs:
        ids = [(german.encode(ours), english.encode(theirs)) for ours, theirs in pairs]
        short = [pair for pair in ids if longest is None or max(map(len, pair)) <= longest]
        if not short:
            raise ValueError(
                f"multi30k: no pair has at most max_length = {longest} words a side. Allow more."
            )
        return SentencePairs([ours for ours, _ in short], [theirs for _, theirs in short])

    return Translation(
        encoded(train, max_length),
        encoded(validation, None),
        encoded(test, None),
        german,
        english,
        tuple(test),
    )


def sentence_pairs(part: str, given: str | os.PathLike[str] | None = None) -> list[tuple[str, str]]:
    """The sentences of "train", "val" or "test_2016_flickr" as they were written, German and English.

    Raises:
        DownloadError, ValueError: as `multi30k`.
    """
    files = [caption_file(f"{part}.{language}.gz", given) for language in ("de", "en")]
    german, english = map(caption_lines, files)
    if len(german) != len(english):
        raise ValueError(
            f"multi30k: line n of one file translates line n of the other; {files[0]} has {len(german)} lines, and "
            f"{files[1]} {len(english)}. Put the originals there, or remove them, and they are downloaded."
        )
    return list(zip(german, english, strict=True))


def caption_file(name: str, given: str | os.PathLike[str] | None) -> Path:
    """Where a file such as "val.en.gz" is, looked for in the data folder and then downloaded."""
    inside = f"multi30k/{name}"
    found = source.find(inside, inside.removesuffix(".gz"), given=given)
    return found or source.fetch(ADDRESS + name, HASHES[name], source.place(inside, given), inside)


def caption_lines(file: Path) -> list[str]:
    """The lines of a file, packed or not, none of them empty."""
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        # Not splitlines(): that would also split at rarer characters, such as Unicode's line separator.
        lines = [line.strip() for line in content.decode().removesuffix("\n").split("\n")]
    except (*source.BROKEN, UnicodeDecodeError) as error:
        raise source.damaged("multi30k", file) from error
    if "" in lines:
        raise ValueError(
            f"multi30k: every line must be a sentence; line {lines.index('') + 1} of {file} is empty. Remove "
            f"it, and its translation."
        )
    return lines


def _padded(rows: list[list[int]]) -> tuple[Int[Tensor, "N length"], Int[Tensor, " N"]]:
    tensors = [torch.tensor(row) for row in rows]
    return pad_sequence(tensors, batch_first=True, padding_value=PAD_ID), torch.tensor([*map(len, rows)])
