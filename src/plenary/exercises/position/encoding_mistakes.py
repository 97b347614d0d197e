"""Mistakes in how the table is laid out."""

import math

import torch
from torch import Tensor

from plenary.checks.exercise import Function, Misconception
from plenary.exercises.position.frequency_mistakes import ENCODING, right_frequencies, table


def _angles(length: int, embed_dim: int) -> Tensor:
    return torch.arange(length, dtype=torch.float64)[:, None] * right_frequencies(embed_dim)


def _swapped(length: int, embed_dim: int) -> Tensor:
    turned = _angles(length, embed_dim)
    return torch.stack([turned.cos(), turned.sin()], dim=-1).flatten(1).float()


def _halves(length: int, embed_dim: int) -> Tensor:
    turned = _angles(length, embed_dim)
    return torch.cat([turned.sin(), turned.cos()], dim=-1).float()


def _halves_cosine_first(length: int, embed_dim: int) -> Tensor:
    turned = _angles(length, embed_dim)
    return torch.cat([turned.cos(), turned.sin()], dim=-1).float()


def _own_frequency(factor: int) -> Function:
    """Give every column j the exponent factor * j / D, sine on the even ones and cosine on the odd ones."""

    def encoding(length: int, embed_dim: int) -> Tensor:
        right_frequencies(embed_dim)
        column = torch.arange(embed_dim, dtype=torch.float64)
        turned = torch.arange(length, dtype=torch.float64)[:, None] * 10000.0 ** (
            -factor * column / embed_dim
        )
        return torch.where(column % 2 == 0, turned.sin(), turned.cos()).float()

    return encoding


def _next_pairs_cosine(length: int, embed_dim: int) -> Tensor:
    right_frequencies(embed_dim)
    pair = torch.arange(embed_dim // 2, dtype=torch.float64)
    sine, cosine = (
        torch.arange(length, dtype=torch.float64)[:, None] * 10000.0 ** (-2 * (pair + step) / embed_dim)
        for step in (0, 1)
    )
    return torch.stack([sine.sin(), cosine.cos()], dim=-1).flatten(1).float()


def _any_width(length: int, embed_dim: int) -> Tensor:
    exponents = torch.arange(0, embed_dim, 2, dtype=torch.float64) / embed_dim
    return torch.arange(length, dtype=torch.float64)[:, None] * 10000.0**-exponents


def _crashes(length: int, embed_dim: int) -> Tensor:
    turned, encoding = _any_width(length, embed_dim), torch.zeros(length, embed_dim)
    encoding[:, 0::2] = turned.sin()
    encoding[:, 1::2] = turned.cos()
    return encoding


def _one_more(length: int, embed_dim: int) -> Tensor:
    turned = _any_width(length, embed_dim)
    return torch.stack([turned.sin(), turned.cos()], dim=-1).flatten(1).float()


def _cut(length: int, embed_dim: int) -> Tensor:
    return _one_more(length, embed_dim)[:, :embed_dim]


def _one_less(length: int, embed_dim: int) -> Tensor:
    return _one_more(length, embed_dim)[:, : embed_dim // 2 * 2]


def _last_is_zero(length: int, embed_dim: int) -> Tensor:
    turned, encoding = _any_width(length, embed_dim)[:, : embed_dim // 2], torch.zeros(length, embed_dim)
    encoding[:, 0 : embed_dim // 2 * 2 : 2] = turned.sin().float()
    encoding[:, 1::2] = turned.cos().float()
    return encoding


def _crashes_at_the_end(length: int, embed_dim: int) -> Tensor:
    encoding = torch.zeros(length, embed_dim)
    for position in range(length):
        for column in range(0, embed_dim, 2):
            angle = position / 10000 ** (column / embed_dim)
            encoding[position, column] = math.sin(angle)
            encoding[position, column + 1] = math.cos(angle)
    return encoding


_RIGHT = table()


def _double(length: int, embed_dim: int) -> Tensor:
    right = _RIGHT(length, embed_dim)
    assert isinstance(right, Tensor)
    return right.double()


def _with_batch(length: int, embed_dim: int) -> Tensor:
    return _double(length, embed_dim).float().unsqueeze(0)


def _with_batch_behind(length: int, embed_dim: int) -> Tensor:
    return _double(length, embed_dim).float().unsqueeze(1)


def _transposed(length: int, embed_dim: int) -> Tensor:
    return _double(length, embed_dim).float().T


ENCODING_MISTAKES = (
    Misconception(
        id="pos-sine-and-cosine-swapped",
        title="Your even columns hold cosines and your odd ones sines; it is the other way round.",
        belief="A point on the circle is usually written (cos, sin). The paper starts each pair with the sine, "
        "at column 0.",
        hint="At position 0 the first number is sin 0.",
        anchor="pos-layout",
        section="Which column holds what",
        wrong={ENCODING: (_swapped,)},
    ),
    Misconception(
        id="pos-halves",
        title="Your sines fill the first half of the columns and your cosines the second; here they "
        "alternate.",
        belief="The same numbers, in another order. Many libraries do this, the first one ever published among "
        "them, and a model that is trained with it is as good. The paper's formula, and this exercise, "
        "put each cosine beside its sine, so that a pair is a pair of neighbours.",
        hint="Sines go to columns 0, 2, 4, ..., cosines to 1, 3, 5, ...",
        anchor="pos-layout",
        section="Which column holds what",
        wrong={ENCODING: (_halves, _halves_cosine_first)},
        evidence="https://github.com/tensorflow/tensor2tensor/issues/391",
    ),
    Misconception(
        id="pos-cosine-has-its-own-frequency",
        title="Your cosine has another frequency than the sine beside it.",
        belief="Counting columns j = 0, 1, 2, ... in the exponent gives each column its own wave. The formula "
        "counts pairs: columns 2i and 2i + 1 share one angle. Only so do the two lie on a circle, and a "
        "shift becomes a rotation.",
        hint="Work out one angle for each pair, and take its sine and its cosine.",
        anchor="pos-pairs",
        section="Why a sine needs its cosine",
        wrong={ENCODING: (_own_frequency(1), _own_frequency(2), _next_pairs_cosine)},
        evidence="https://github.com/jadore801120/attention-is-all-you-need-pytorch/issues/32",
    ),
    Misconception(
        id="pos-starts-at-one",
        title="Your positions start at 1; they start at 0.",
        belief="The first word is number one in speech, and some tutorials keep 0 for padding. Here rows are "
        "counted as Python does: row t of the table is position t.",
        hint="At position 0 all angles are 0: the first row is 0, 1, 0, 1, ...",
        anchor="pos-zero",
        section="Row t is position t",
        wrong={ENCODING: (table(first=1),)},
    ),
    Misconception(
        id="pos-odd-width",
        title="Your function does not refuse an odd width with a ValueError.",
        belief="Sine and cosine come in pairs, and with an odd width one of them is left alone. What happens "
        "then is chance: a message about sizes from deep inside, one column more or less than asked "
        "for, or a pair without its cosine, for which no rotation exists.",
        hint="Look at embed_dim first, and say in the error what came and what is needed.",
        anchor="pos-even",
        section="The width has to be even",
        wrong={ENCODING: (_crashes, _crashes_at_the_end, _one_more, _cut, _one_less, _last_is_zero)},
        evidence="https://github.com/codertimo/BERT-pytorch/issues/78",
    ),
    Misconception(
        id="pos-axis-too-many",
        title="Your table has an axis for the batch; asked for is (T, D).",
        belief="Tutorials store the table with an extra axis, to be added to a batch of tokens. Broadcasting "
        "does that by itself: (T, D) is added to every sample of (B, T, D).",
        hint="Return two axes, positions by features.",
        anchor="pos-add",
        section="Added once, before the stack",
        wrong={ENCODING: (_with_batch, _with_batch_behind)},
    ),
    Misconception(
        id="pos-transposed",
        title="Your table is transposed: positions belong in the rows, features in the columns.",
        belief="Both are tables of the same waves. It is added to tokens, and tokens are rows.",
        hint="Row t is what is added to token t.",
        anchor="pos-zero",
        section="Row t is position t",
        wrong={ENCODING: (_transposed,)},
    ),
    Misconception(
        id="pos-double-precision",
        title="Your table is in float64; asked for is torch's default dtype, float32.",
        belief="More digits do no harm to the waves, and numpy works with them. But a float64 table added to "
        "float32 tokens makes float64 tokens, and the next linear layer refuses them.",
        hint="Work in float64 if you like, and convert what you return.",
        anchor="pos-add",
        section="Added once, before the stack",
        wrong={ENCODING: (_double,)},
    ),
)
