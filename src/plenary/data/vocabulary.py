"""Words and their ids."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Int
from torch import Tensor

from plenary.data.arguments import at_least

PAD, BOS, EOS, UNK = SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")


def words(text: str) -> list[str]:
    """Split a text, in lower case, into words and punctuation marks; each mark stands alone.

    A word is a run of letters, digits and underscores of any script, in Unicode's composed form (NFC).
    """
    return re.findall(r"\w+|[^\w\s]", unicodedata.normalize("NFC", text).lower())


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a language; a token's place is its id.

    Args:
        tokens: all different.
        split: turns a text into tokens.
        joint: stands between two tokens when a text is put together again.

    Raises:
        ValueError: a token occurs twice.
    """

    tokens: tuple[str, ...]
    split: Callable[[str], Sequence[str]] = words
    joint: str = " "

    def __post_init__(self) -> None:
        if twice := [token for token, count in Counter(self.tokens).items() if count > 1]:
            raise ValueError(
                f"Vocabulary: tokens must all differ; {twice[0]!r} occurs more than once. Remove one."
            )

    @classmethod
    def of_words(cls, texts: Iterable[str], min_count: int = 1) -> "Vocabulary":
        """The words that occur `min_count` times or more, the frequent ones first.

        Before them stand <pad>, <bos>, <eos> and <unk>, whose ids are 0, 1, 2 and 3.

        Raises:
            TypeError, ValueError: min_count is not a whole number from 1.
        """
        at_least("Vocabulary", 1, min_count=min_count)
        counts = Counter(word for text in texts for word in words(text))
        frequent = [word for word, count in counts.items() if count >= min_count]
        return cls((*SPECIALS, *sorted(frequent, key=lambda word: (-counts[word], word))))

    @classmethod
    def of_characters(cls, text: str) -> "Vocabulary":
        """The characters of a text in the order of Unicode; none is special, and all others are unknown."""
        return cls(tuple(sorted(set(text))), split=tuple, joint="")

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """The ids of a text's tokens, without BOS and EOS. What is not in the vocabulary is <unk>, if it has that.

        Raises:
            ValueError: a token is not in the vocabulary, and neither is <unk>.
        """
        ids, unknown = self._ids, self._ids.get(UNK)
        found = [ids.get(token, unknown) for token in self.split(text)]
        known = [number for number in found if number is not None]
        if len(known) < len(found):
            missing = self.split(text)[found.index(None)]
            raise ValueError(
                f"Vocabulary: the text must be made of the {len(self)} tokens of this vocabulary; {missing!r} "
                f"is none. Replace it, or build the vocabulary from a text that has it."
            )
        return known

    def decode(self, ids: Iterable[int] | Int[Tensor, " T"]) -> str:
        """The text of these ids, up to the first EOS; PAD and BOS are left out. Marks stay apart from words.

        Raises:
            ValueError: an id is not in the vocabulary.
        """
        chosen = []
        for number in map(int, ids):
            if not 0 <= number < len(self):
                raise ValueError(
                    f"Vocabulary: ids run from 0 to {len(self) - 1}; {number} is none. Was it encoded with "
                    f"another vocabulary?"
                )
            if self.tokens[number] == EOS:
                break
            if self.tokens[number] not in (PAD, BOS):
                chosen.append(self.tokens[number])
        return self.joint.join(chosen)
