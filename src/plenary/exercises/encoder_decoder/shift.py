"""``shift_right``: how to ask for it, and what people get wrong."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, shown_probe
from plenary.exercises.encoder_decoder.shift_mistakes import NAME, SHIFT_MISTAKES

SHIFTED = ("shifted",)


def probes(seed: int) -> list[Probe]:
    """Ask with two sentences on paper, with batches and a square one, with one token, and in int32."""
    generator = torch.Generator().manual_seed(seed)

    def tokens(*shape: int) -> Tensor:
        """Draw ids from 20 up: none of them is 0, 1, or an id of BOS."""
        return torch.randint(20, 90, shape, generator=generator)

    return [
        shown_probe("small", tokens=torch.tensor([[5, 6, 7, 8], [9, 4, 3, 3]]), bos_id=2),
        call_probe("one sentence", tokens=tokens(1, 6), bos_id=7),
        call_probe("batch", tokens=tokens(3, 5), bos_id=11),
        call_probe("square", tokens=tokens(4, 4), bos_id=13),
        call_probe("one token", tokens=tokens(3, 1), bos_id=12),
        call_probe("int32", tokens=tokens(2, 7).int(), bos_id=14),
    ]


def reference(tokens: Tensor, bos_id: int) -> Tensor:
    """Shift with Python's lists."""
    return torch.tensor([[bos_id, *row[:-1]] for row in tokens.tolist()], dtype=tokens.dtype)


def starts_with_bos(probe: Probe, answer: Answer) -> str | None:
    """Every sentence starts with BOS, once."""
    shifted, bos = answer.arrays["shifted"], probe.arguments["bos_id"]
    rows = np.flatnonzero(shifted[:, 0] != bos)
    if len(rows):
        return (
            f"row {rows[0]} starts with {shifted[rows[0], 0]:g}; every row starts with bos_id, which is {bos}"
        )
    again = np.argwhere(shifted[:, 1:] == bos)
    return f"row {again[0][0]} has bos_id again at position {again[0][1] + 1}" if len(again) else None


def follows_the_tokens(probe: Probe, answer: Answer) -> str | None:
    """Position t holds token t - 1."""
    shifted, tokens = answer.arrays["shifted"], np.asarray(probe.arguments["tokens"])
    wrong = np.argwhere(shifted[:, 1:] != tokens[:, :-1])
    if not len(wrong):
        return None
    b, t = (int(i) for i in wrong[0])
    held, token = shifted[b, t + 1], tokens[b, t]
    return f"position {t + 1} of row {b} holds {held:g}; token {t} of the row goes there, {token}"


def _by_cat(tokens: Tensor, bos_id: int) -> Tensor:
    bos = torch.full((tokens.shape[0], 1), bos_id, dtype=tokens.dtype)
    return torch.cat([bos, tokens[:, :-1]], dim=1)


def _by_padding(tokens: Tensor, bos_id: int) -> Tensor:
    return F.pad(tokens[:, :-1], (1, 0), value=bos_id)


def _by_padding_out(tokens: Tensor, bos_id: int) -> Tensor:
    return F.pad(tokens, (1, -1), value=bos_id)


def _by_rolling(tokens: Tensor, bos_id: int) -> Tensor:
    shifted = tokens.roll(1, dims=1)
    shifted[:, 0] = bos_id
    return shifted


def _by_rolling_everything(tokens: Tensor, bos_id: int) -> Tensor:
    # What comes over from the row before stands where BOS goes.
    shifted = torch.roll(tokens, 1)
    shifted[:, 0] = bos_id
    return shifted


def _by_filling(tokens: Tensor, bos_id: int) -> Tensor:
    shifted = tokens.new_full(tokens.shape, bos_id)
    shifted[:, 1:] = tokens[:, :-1]
    return shifted


def _by_loops(tokens: Tensor, bos_id: int) -> Tensor:
    shifted = torch.zeros_like(tokens)
    for b in range(tokens.size(0)):
        for t in range(tokens.size(1)):
            shifted[b, t] = bos_id if t == 0 else tokens[b, t - 1]
    return shifted


def _by_index(tokens: Tensor, bos_id: int) -> Tensor:
    position = torch.arange(tokens.shape[1])
    return torch.where(position == 0, bos_id, tokens[:, position - 1])


SHIFT = Exercise(
    name=NAME,
    signature="shift_right(tokens, bos_id) -> shifted",
    page="transformer/encoder_decoder",
    outputs=SHIFTED,
    probes=probes,
    reference=reference,
    properties=(
        Property("one sentence", 2, ("one sentence",), SHIFTED),
        Property("every sentence of a batch", 3, ("small", "batch", "square"), SHIFTED),
        Property("a sentence of one token", 1, ("one token",), SHIFTED),
        Property("ids of another integer type", 1, ("int32",), SHIFTED),
    ),
    laws=(starts_with_bos, follows_the_tokens),
    misconceptions=SHIFT_MISTAKES,
    correct=(
        _by_cat,
        _by_padding,
        _by_padding_out,
        _by_rolling,
        _by_rolling_everything,
        _by_filling,
        _by_loops,
        _by_index,
    ),
)
