"""``greedy_decode``: a model that reverses its source, and what has to come out when it is made to write."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Array, Made, Probe, Value, call_probe, shown_probe
from plenary.exercises.tiny_transformer import correct_decoders
from plenary.exercises.tiny_transformer.decoding_mistakes import DECODING_MISTAKES

BOS, EOS, FIRST_SYMBOL = 1, 2, 3


class Reverser(nn.Module):
    """Wants to write its source from back to front, and from the back again when it is through.

    After words that are not those it wants something else, and so it does when the source changes its length; in
    training mode it is always one id too high.
    """

    def __init__(self, vocab_size: int, bos_id: int, training: bool) -> None:
        super().__init__()
        self.vocab_size, self.bos_id = vocab_size, bos_id
        self.scale = nn.Parameter(torch.tensor(-1.0))
        self.with_gradients = False
        self.source_length: int | None = None
        self.train(training)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """(B, S), (B, T) to logits (B, T, V), all of them negative."""
        self.with_gradients |= torch.is_grad_enabled()
        if source.is_floating_point() or target.is_floating_point():
            raise TypeError("ids must be whole numbers, for an embedding to look up")
        length = target.shape[1]
        self.source_length = self.source_length or source.shape[1]
        grown = source.shape[1] - self.source_length
        wanted = source[:, -1 - torch.arange(length) % source.shape[1]]
        expected = torch.cat([torch.full_like(source[:, :1], self.bos_id), wanted[:, :-1]], 1)
        slips = ((target != expected) * (1 + target)).cumsum(1)
        wanted = (wanted + slips + grown + int(self.training)) % self.vocab_size
        distance = (torch.arange(self.vocab_size) - wanted[..., None]) % self.vocab_size
        return self.scale * (1 + distance)


def probes(seed: int) -> list[Probe]:
    """Ask with rows that end at different times, one never; with sources longer and shorter than the answer."""
    generator = torch.Generator().manual_seed(seed)

    def source(batch: int, length: int, ends: dict[int, int], vocab_size: int = 11, eos: int = EOS) -> Tensor:
        drawn = torch.randint(FIRST_SYMBOL, vocab_size, (batch, length), generator=generator)
        drawn[drawn == eos] = vocab_size - 1 if eos != vocab_size - 1 else FIRST_SYMBOL
        for row, place in ends.items():
            drawn[row, -1 - place] = eos
        return drawn

    def asked(
        words: Tensor, max_length: int, *, training: bool = False, ids: tuple[int, int, int] = (11, BOS, EOS)
    ) -> dict[str, Tensor | Value]:
        vocab_size, bos, eos = ids
        model = Made("reverser", {"vocab_size": vocab_size, "bos_id": bos, "training": training})
        return {"model": model, "source": words, "bos_id": bos, "eos_id": eos, "max_length": max_length}

    small = torch.tensor([[4, 2, 3, 5], [3, 5, 4, 3]])
    return [
        shown_probe("small", **asked(torch.tensor([[6, 3, 5, 4]]), 3)),
        shown_probe("small, one ends", **asked(small, 4)),
        shown_probe("small, in training", **asked(small, 4, training=True)),
        shown_probe("small, all end early", **asked(small[:, [1, 0, 1, 3]], 5)),
        call_probe("none ends", **asked(source(2, 7, {}), 5)),
        call_probe("each at its own time", **asked(source(4, 7, {0: 2, 1: 0, 3: 4}), 6)),
        call_probe("square", **asked(source(4, 4, {1: 1}), 4)),
        call_probe("longer than the source", **asked(source(3, 4, {0: 3}), 9)),
        call_probe("all end", **asked(source(2, 7, {0: 1, 1: 3}), 6)),
        call_probe("other ids", **asked(source(3, 5, {2: 2}, 13, 0), 4, ids=(13, 12, 0))),
        call_probe("in training", **asked(source(3, 7, {1: 3}), 5, training=True)),
    ]


def collect(returned: Any, arguments: dict[str, Any]) -> tuple[Any, ...]:
    """Take the words, and the state in which the model was left."""
    if not isinstance(returned, Tensor):
        what = "None; a return may be missing" if returned is None else f"a {type(returned).__name__}"
        raise TypeError(f"returned {what}; expected a torch.Tensor of words (B, max_length).")
    model = arguments["model"]
    return bool(model.with_gradients), bool(model.training), returned


def reference(model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int) -> Tensor:
    """Write each row by itself, as a list of numbers."""
    mode = model.training
    rows = []
    with torch.inference_mode():
        model.eval()
        for words in source:
            row: list[int] = []
            while len(row) < max_length and eos_id not in row:
                said = model(words[None], torch.tensor([[bos_id, *row]]))
                row.append(int(said[0, len(row)].topk(1).indices))
            rows.append(row + [eos_id] * (max_length - len(row)))
        model.train(mode)
    return torch.tensor(rows)


def derive(probe: Probe, answer: Answer) -> Answer:
    """Show words as whole numbers, and speak of gradients only where nothing is shown: they cost no points."""
    arrays = {name: whole(array) for name, array in answer.arrays.items()}
    if probe.shown:
        del arrays["kept_gradients"]
    return replace(answer, arrays=arrays)


def whole(array: Array) -> Array:
    """Return the same numbers as integers, if they are whole."""
    return array.astype(np.int64) if np.isfinite(array).all() and (array == np.floor(array)).all() else array


def nothing_follows_the_end(probe: Probe, answer: Answer) -> str | None:
    """Behind the first EOS of a row stands EOS."""
    words, eos = answer.arrays["words"], probe.arguments["eos_id"]
    for row, one in enumerate(words if words.ndim == 2 else ()):
        ends = np.flatnonzero(one == eos)
        if ends.size and (one[ends[0] :] != eos).any():
            return f"row {row} goes on after its first EOS"
    return None


_SHOWN = ("small", "small, one ends", "small, all end early")
_EVALUATION = (
    "none ends",
    "each at its own time",
    "square",
    "longer than the source",
    "all end",
    "other ids",
)
_TRAINING = ("small, in training", "in training")

DECODE = Exercise(
    name="greedy_decode",
    signature="greedy_decode(model, source, bos_id, eos_id, max_length) -> words (B, max_length)",
    page="transformer/tiny_transformer",
    outputs=("kept_gradients", "left_in_training", "words"),
    probes=probes,
    reference=reference,
    properties=(
        Property("words of a row that never ends", 2, ("small", "none ends"), ("words",)),
        Property(
            "a row ends by itself, and is filled with EOS",
            2,
            ("small, one ends", "each at its own time", "square", "other ids", "longer than the source"),
            ("words",),
        ),
        Property("all rows end early", 1, ("small, all end early", "all end"), ("words",)),
        Property("writes in evaluation mode", 2, _TRAINING, ("words",)),
        Property(
            "leaves the model in its mode", 1, (*_SHOWN, *_EVALUATION, *_TRAINING), ("left_in_training",)
        ),
        Property("keeps no gradients", 0, (*_EVALUATION, "in training"), ("kept_gradients",)),
    ),
    laws=(nothing_follows_the_end,),
    misconceptions=DECODING_MISTAKES,
    correct=correct_decoders.DECODERS,
    makers={"reverser": Reverser},
    collect=collect,
    derive=derive,
)
