"""``make_masks``: how to ask for it, and what has to hold."""

import numpy as np
import torch
from torch import Tensor

import plenary
from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, shown_probe
from plenary.exercises.encoder_decoder.masks_build import NAME
from plenary.exercises.encoder_decoder.masks_padding_mistakes import PADDING_MISTAKES
from plenary.exercises.encoder_decoder.masks_shape_mistakes import SHAPE_MISTAKES
from plenary.exercises.encoder_decoder.masks_triangle_mistakes import TRIANGLE_MISTAKES

ALL = ("source_mask", "target_mask", "memory_mask")


def probes(seed: int) -> list[Probe]:
    """Ask with one pair on paper, with batches of padded pairs, with square ones, and with nothing to hide."""
    generator = torch.Generator().manual_seed(seed)

    def sentences(lengths: list[int], longest: int, pad: int) -> Tensor:
        """Draw ids, 0 among them, and fill up behind the lengths."""
        ids = torch.randint(5, 40, (len(lengths), longest), generator=generator)
        ids[:, 0] = 0
        for row, length in zip(ids, lengths, strict=True):
            row[length:] = pad
        return ids

    left = torch.tensor([[1, 1, 8, 9, 7], [1, 5, 6, 2, 0]])
    return [
        shown_probe("small", source=torch.tensor([[7, 8, 9, 1]]), target=torch.tensor([[0, 5, 1]]), pad_id=1),
        call_probe("one pair", source=sentences([4], 7, 3), target=sentences([3], 5, 3), pad_id=3),
        call_probe(
            "nothing to hide", source=sentences([7, 7], 7, 2), target=sentences([5, 5], 5, 2), pad_id=2
        ),
        call_probe("batch", source=sentences([7, 4], 7, 3), target=sentences([3, 5], 5, 3), pad_id=3),
        call_probe("square", source=sentences([4, 2], 5, 2), target=sentences([3, 5], 5, 2), pad_id=2),
        call_probe(
            "long target", source=sentences([2, 5, 4], 5, 4), target=sentences([8, 3, 6], 8, 4), pad_id=4
        ),
        call_probe(
            "padding 0",
            source=sentences([6, 3], 6, 0)[:, 1:],
            target=sentences([3, 4], 4, 0)[:, 1:],
            pad_id=0,
        ),
        call_probe("padding in front", source=left, target=left[:, 1:].flip(0), pad_id=1),
    ]


def reference(source: Tensor, target: Tensor, pad_id: int) -> object:
    """Say of each pair of positions whether the one may listen to the other, with numpy's indices."""

    def real(tokens: Tensor, queries: int) -> np.ndarray:
        row = (tokens.numpy() != pad_id).reshape(len(tokens), 1, 1, -1)
        return np.repeat(row, queries, axis=2)

    now, then = np.indices((target.shape[1], target.shape[1]))
    seen = real(source, 1)
    return torch.tensor(seen), torch.tensor(real(target, target.shape[1]) & (then <= now)), torch.tensor(seen)


def no_one_listens_to_padding(probe: Probe, answer: Answer) -> str | None:
    """Where the key is padding, every mask is False."""
    for name, sequence in (("source_mask", "source"), ("target_mask", "target"), ("memory_mask", "source")):
        padding = np.asarray(probe.arguments[sequence]) == probe.arguments["pad_id"]
        leaks = np.argwhere((answer.arrays[name] != 0) & padding[:, None, None, :])
        if len(leaks):
            b, _, _, key = leaks[0]
            return f"{name} lets position {key} of {sequence} {b} be listened to, which is padding"
    return None


def no_one_looks_ahead(probe: Probe, answer: Answer) -> str | None:
    """Above the diagonal the target's mask is False."""
    ahead = np.argwhere(np.triu(answer.arrays["target_mask"] != 0, 1))
    if not len(ahead):
        return None
    _, _, query, key = ahead[0]
    return f"target_mask lets position {query} listen to position {key}, which is still to be written"


def _by_broadcasting(source: Tensor, target: Tensor, pad_id: int) -> object:
    seen = (source != pad_id)[:, None, None, :]
    length = target.size(1)
    return seen, torch.ones(length, length).tril().bool() & (target != pad_id)[:, None, None, :], seen.clone()


def _by_combine_masks(source: Tensor, target: Tensor, pad_id: int) -> object:
    seen = source.ne(pad_id).unsqueeze(1).unsqueeze(2)
    return seen, plenary.combine_masks(plenary.causal_mask(target.shape[1]), target.ne(pad_id)), seen


def _by_arange(source: Tensor, target: Tensor, pad_id: int) -> object:
    position = torch.arange(target.shape[1])
    own = (position[:, None] >= position) & target.ne(pad_id)[:, None, :]
    return source.ne(pad_id)[:, None, None], own[:, None], source.ne(pad_id)[:, None, None]


def _by_loops(source: Tensor, target: Tensor, pad_id: int) -> object:
    (B, S), T = source.shape, target.shape[1]
    seen = torch.zeros(B, 1, 1, S, dtype=torch.bool)
    own = torch.zeros(B, 1, T, T, dtype=torch.bool)
    for b in range(B):
        for s in range(S):
            seen[b, 0, 0, s] = source[b, s] != pad_id
        for t in range(T):
            for s in range(t + 1):
                own[b, 0, t, s] = target[b, s] != pad_id
    return seen, own, seen


def _by_negation(source: Tensor, target: Tensor, pad_id: int) -> object:
    hidden = (source == pad_id).view(len(source), 1, 1, -1)
    ahead = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
    return ~hidden, ~(ahead | (target == pad_id)[:, None, None]), ~hidden


_COUNTABLE = ("small", "one pair", "batch", "square", "long target", "padding 0")

MASKS = Exercise(
    name=NAME,
    signature="make_masks(source, target, pad_id) -> (source_mask, target_mask, memory_mask)",
    page="transformer/encoder_decoder",
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property("the three masks where there is no padding", 1, ("nothing to hide",), ALL),
        Property("the source's mask", 2, _COUNTABLE, ("source_mask",)),
        Property("the target's mask", 3, _COUNTABLE, ("target_mask",)),
        Property("the target's mask on the memory", 2, _COUNTABLE, ("memory_mask",)),
        Property("padding in front", 0, ("padding in front",), ALL),
    ),
    laws=(no_one_looks_ahead, no_one_listens_to_padding),
    misconceptions=(*TRIANGLE_MISTAKES, *PADDING_MISTAKES, *SHAPE_MISTAKES),
    correct=(
        _by_broadcasting,
        _by_combine_masks,
        _by_arange,
        _by_loops,
        _by_negation,
    ),
)
