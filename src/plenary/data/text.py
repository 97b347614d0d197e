"""Tiny Shakespeare: a megabyte of plays, as characters."""

import os
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import Dataset

from plenary.data import source
from plenary.data.arguments import at_least
from plenary.data.vocabulary import Vocabulary

ADDRESS = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
HASH = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
FILE = "tinyshakespeare.txt"


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """All windows of `length` tokens of a text, and what comes next. Indexed by indices (B,), it gives that batch.

    An item is the input (B, length) and the target (B, length), int64: the target at t is the input at t + 1.

    Args:
        ids: the text.
        length: tokens of a window.
        stride: tokens from the beginning of one window to that of the next.

    Raises:
        TypeError, ValueError: length or stride is not a whole number from 1; a text that is not (N,) whole
            numbers, or that is shorter than one window and the token after it.
    """

    def __init__(self, ids: Int[Tensor, " N"], length: int, stride: int = 1) -> None:
        at_least("Windows", 1, length=length, stride=stride)
        if ids.ndim != 1 or ids.dtype != torch.int64:
            raise TypeError(
                f"Windows: a text is int64 of shape (N,); this one is {ids.dtype} of {tuple(ids.shape)}."
            )
        if len(ids) <= length:
            raise ValueError(
                f"Windows: a window of length {length} and the token after it need a text of {length + 1} "
                f"tokens; this one has {len(ids)}. Take shorter windows."
            )
        self.length = length
        self._windows = ids.unfold(0, length + 1, stride)  # a view: windows overlap and nothing is copied

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: Int[Tensor, " B"]) -> tuple[Int[Tensor, "B L"], Int[Tensor, "B L"]]:
        windows = self._windows[index]
        return windows[..., :-1], windows[..., 1:]


@dataclass(frozen=True)
class CharacterText:
    """A text to train with and the text after it, to validate with: ids (N,), int64, and their vocabulary."""

    train: Int[Tensor, " N"]
    validation: Int[Tensor, " M"]
    vocabulary: Vocabulary

    def windows(self, length: int, stride: int = 1) -> tuple[Windows, Windows]:
        """The windows to train with, and those to validate with; the latter do not overlap."""
        return Windows(self.train, length, stride), Windows(self.validation, length, length)


def tiny_shakespeare(data_dir: str | os.PathLike[str] | None = None) -> CharacterText:
    """1,115,394 characters of Shakespeare's plays, 65 different ones; the last tenth is for validation.

    Looked for in the data folder as `tinyshakespeare.txt`, then downloaded (1.1 MB).

    Raises:
        DownloadError: it was not found, and the download failed.
        ValueError: the file is not text in UTF-8, or empty.

    Source: Karpathy (2015), The Unreasonable Effectiveness of Recurrent Neural Networks (char-rnn).
    """
    path = source.find(FILE, given=data_dir) or source.fetch(ADDRESS, HASH, source.place(FILE, data_dir))
    try:
        text = path.read_bytes().decode()  # as it is: no line ending is translated
    except UnicodeDecodeError as error:
        raise source.damaged("tiny_shakespeare", path) from error
    if not text:
        raise source.damaged("tiny_shakespeare", path)
    vocabulary = Vocabulary.of_characters(text)
    ids = torch.tensor(vocabulary.encode(text))
    cut = len(ids) * 9 // 10
    return CharacterText(ids[:cut], ids[cut:], vocabulary)
