"""``reversed_by_models``: what three trained models write, judged on sources that they have not seen."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Array, Probe, call_probe, shown_probe
from plenary.exercises.tiny_transformer.decoding import whole
from plenary.exercises.tiny_transformer.reversal_mistakes import (
    BOS,
    EOS,
    FIRST_SYMBOL,
    LONGEST,
    MISTAKES,
    MODELS,
    NUM_SYMBOLS,
    PAD,
    backwards,
)

LEAST = 0.9
"""The share of words that a model has to get right."""

RIGHT = "at least nine words in ten are right (one answer for each model)"
COPIED = "the source is copied"
SORTED = "the source is sorted"
LATE = "the answer comes one place late"
EARLY = "the answer starts with its second word"
PADDED = "padding is reversed too"
UNENDED = "the symbols are right, EOS is not"
EMPTY = "an answer ends before it has begun"
DIFFERENT = "the models differ where none was trained"
WORDS = "words"


def probes(seed: int) -> list[Probe]:
    """Ask for many short sources and for longer ones than in training; last, for two that fit on paper."""
    generator = torch.Generator().manual_seed(seed)

    def sources(batch: int, longest: int, shortest: int) -> Tensor:
        drawn = torch.randint(FIRST_SYMBOL, FIRST_SYMBOL + NUM_SYMBOLS, (batch, longest), generator=generator)
        length = torch.randint(shortest, longest + 1, (batch, 1), generator=generator)
        return drawn.masked_fill(torch.arange(longest) >= length, PAD)

    return [
        call_probe("fresh sources", source=sources(100, LONGEST, 2)),
        call_probe("full length", source=sources(60, LONGEST, LONGEST)),
        call_probe("longer than in training", source=sources(50, LONGEST + 4, LONGEST + 4)),
        shown_probe("two sources", source=torch.tensor([[5, 3, 9, 12, 4], [7, 11, 6, PAD, PAD]])),
    ]


def reference(source: Tensor) -> Tensor:
    """Write backwards with numpy, three times; where no model was trained, each errs in its own way."""
    words = torch.from_numpy(np.stack([_reversed(row) for row in source.numpy()]))
    answers = words.repeat(MODELS, 1, 1)
    if source.shape[1] > LONGEST:
        for model in range(MODELS):
            answers[model, :, LONGEST + model :] = EOS
    return answers


def _reversed(row: Array) -> Array:
    symbols = row[row != PAD]
    return np.concatenate([symbols[::-1], np.full(len(row) - len(symbols), EOS, dtype=row.dtype)])


def signs(probe: Probe, answer: Answer) -> Answer:
    """Turn the words of models that nobody else has into what can be compared."""
    words = answer.arrays["words"]
    source = np.asarray(probe.arguments["source"])
    shape = np.array(words.shape, dtype=np.int64)
    readable = words.shape == (MODELS, *source.shape)
    arrays: dict[str, Array] = {"shape of the answer": shape}
    if probe.shown:
        arrays[WORDS] = whole(words)
    elif source.shape[1] > LONGEST:
        different = readable and any((words[i] != words[0]).any() for i in range(1, MODELS))
        arrays[DIFFERENT] = np.array([different])
    else:
        for name, pattern in _PATTERNS.items():
            found = [_share(one, source, pattern) >= LEAST for one in words] if readable else []
            arrays[name] = np.array(found, dtype=bool)
    return Answer(arrays, {"words": answer.dtypes["words"]}, answer.changed)


Pattern = Callable[[list[int], int], list[int]]


def _share(words: Array, source: Array, pattern: Pattern) -> float:
    """Return the share of words that are as the pattern has them, up to one EOS."""
    hits = total = 0
    for row, given in zip(source, words, strict=True):
        symbols = [int(word) for word in row if word != PAD]
        wanted = pattern(symbols, len(row))
        hits += sum(bool(w == g) for w, g in zip(wanted, given, strict=False))
        total += len(wanted)
    return hits / total


_PATTERNS: dict[str, Pattern] = {
    RIGHT: lambda symbols, room: [*symbols[::-1], EOS][:room],
    COPIED: lambda symbols, room: symbols,
    SORTED: lambda symbols, room: sorted(symbols),
    LATE: lambda symbols, room: [BOS, *symbols[::-1]][:room],
    EARLY: lambda symbols, room: symbols[-2::-1],
    PADDED: lambda symbols, room: [PAD] * (room - len(symbols)) + symbols[::-1],
    UNENDED: lambda symbols, room: symbols[::-1],
    EMPTY: lambda symbols, room: [EOS],
}


def _shape(probe: Probe, answer: Answer) -> str | None:
    shape = tuple(int(n) for n in answer.arrays["shape of the answer"])
    expected = (MODELS, *np.asarray(probe.arguments["source"]).shape)
    return f"the answer has shape {shape}, expected (3, B, L) = {expected}" if shape != expected else None


def nine_in_ten(probe: Probe, answer: Answer) -> str | None:
    """Each of the models writes nine words in ten right."""
    if said := _shape(probe, answer):
        return said
    right = answer.arrays.get(RIGHT)
    failing = [] if right is None else [str(i) for i in np.flatnonzero(~right)]
    if not failing:
        return None
    which = f"model {failing[0]}" if len(failing) == 1 else f"models {' and '.join(failing)}"
    return f"{which} (counted from 0) wrote fewer than nine words in ten right"


def one_in_three(number: int) -> Callable[[Probe, Answer], str | None]:
    """Look at one of the models."""

    def law(probe: Probe, answer: Answer) -> str | None:
        if said := _shape(probe, answer):
            return said
        return None if answer.arrays[RIGHT][number] else "fewer than nine words in ten are right"

    return law


def three_models(probe: Probe, answer: Answer) -> str | None:
    """Three models that were trained apart do not make the same mistakes."""
    if said := _shape(probe, answer):
        return said
    different = answer.arrays.get(DIFFERENT)
    same = different is not None and not different.all()
    return (
        "all three gave the same words for sources longer than those in training, mistakes included"
        if same
        else None
    )


_SHORT = ("fresh sources", "full length")

REVERSAL = Exercise(
    name="reversed_by_models",
    signature="reversed_by_models(source) -> words (3, B, L), of three trained models",
    page="transformer/tiny_transformer",
    outputs=("words",),
    probes=probes,
    reference=reference,
    properties=(
        *(Property(f"model {i} reverses", 2, _SHORT, law=one_in_three(i)) for i in range(MODELS)),
        Property("they are three models", 1, ("longer than in training",), law=three_models),
    ),
    laws=(nine_in_ten, three_models),
    misconceptions=MISTAKES,
    correct=backwards,
    derive=signs,
    seconds=40.0,
)
