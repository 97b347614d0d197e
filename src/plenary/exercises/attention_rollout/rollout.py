"""Rollout: how to ask for it, and what has to hold."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, normal, shown_probe
from plenary.exercises.attention_rollout.rollout_mistakes import ROLLOUT_MISTAKES
from plenary.exercises.attention_rollout.rollout_ways import NAME, mixed

_FIRST = torch.tensor([[[[0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5]]]], dtype=torch.float64)
_SECOND = torch.tensor([[[[0.0, 0, 1], [0.5, 0.5, 0], [1, 0, 0]]]], dtype=torch.float64)
_TWO_HEADS = torch.tensor(
    [[[[1.0, 0, 0], [0, 0, 1], [0, 1, 0]], [[0.0, 1, 0], [0, 1, 0], [1, 0, 0]]]], dtype=torch.float64
)


def _given(*layers: Tensor) -> Any:
    return list(layers)


@lru_cache(maxsize=8)
def probes(seed: int) -> tuple[Probe, ...]:
    """Ask for one layer, two layers and two heads on paper, then for more of everything."""
    generator = torch.Generator().manual_seed(seed)

    def layers(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Any:
        # Twice as sharp as chance would be, so that heads and layers differ.
        return [normal(generator, *shape, scale=2.0).softmax(-1).to(dtype) for shape in shapes]

    return (
        shown_probe("one layer", attentions=_given(_FIRST)),
        shown_probe("two layers", attentions=_given(_FIRST, _SECOND)),
        shown_probe("two heads", attentions=_given(_TWO_HEADS)),
        shown_probe("two heads, two layers", attentions=_given(_TWO_HEADS, _TWO_HEADS)),
        call_probe("three layers", attentions=layers(*[(2, 3, 7, 7)] * 3)),
        call_probe("other numbers of heads", attentions=layers((2, 5, 4, 4), (2, 1, 4, 4))),
        call_probe("as many of everything", attentions=layers(*[(3, 3, 3, 3)] * 3)),
        call_probe("twelve layers", attentions=layers(*[(1, 4, 5, 5)] * 12)),
        call_probe("float32", attentions=layers(*[(2, 3, 11, 11)] * 2, dtype=torch.float32)),
    )


def reference(attentions: list[Tensor]) -> Tensor:
    """Multiply in numpy, written as one product of averaged layers from the last to the first."""
    layers = [layer.numpy().astype(np.float64).mean(1) for layer in attentions]
    passed = [(layer + np.identity(layer.shape[-1])) * 0.5 for layer in layers]
    rolled = passed[-1]
    for layer in passed[-2::-1]:
        rolled = np.einsum("bij,bjk->bik", rolled, layer)
    return torch.tensor(rolled).to(attentions[0].dtype)


def rows_sum_to_one(_probe: Probe, answer: Answer) -> str | None:
    """Every token is made of the tokens at the start, and of nothing else."""
    sums = answer.arrays["rollout"].sum(-1)
    off = np.nan_to_num(np.abs(sums - 1), nan=np.inf)
    if off.max() > 1e-4:
        place = tuple(int(i) for i in np.unravel_index(off.argmax(), off.shape))
        return f"row {list(place)} of the rollout sums to {sums[place]:.3f}; every row sums to one"
    return "an entry of the rollout is negative" if answer.arrays["rollout"].min() < 0 else None


def something_of_itself_is_left(probe: Probe, answer: Answer) -> str | None:
    """Half of a token passes each layer untouched, so at least 2^-L of it is left after L layers."""
    least = 0.5 ** len(probe.arguments["attentions"])  # type: ignore[arg-type]
    diagonal = np.diagonal(answer.arrays["rollout"], axis1=-2, axis2=-1)
    if diagonal.min() < least * (1 - 1e-3):
        return f"a token keeps {diagonal.min():.4f} of itself; the residual path alone leaves it {least:.4f}"
    return None


def _with_identity_first(attentions: list[Tensor]) -> Tensor:
    size = attentions[0].shape[-1]
    identity = torch.eye(size, dtype=attentions[0].dtype)
    result = identity
    for attention in attentions:
        result = (0.5 * attention.mean(1) + 0.5 * identity) @ result
    return result


def _renormalised(attentions: list[Tensor]) -> Tensor:
    result = None
    for attention in attentions:
        layer = attention.mean(dim=1) + torch.eye(attention.shape[-1]).to(attention)
        layer = layer / layer.sum(dim=-1, keepdim=True)
        result = layer if result is None else torch.bmm(layer, result)
    assert result is not None
    return result


def _backwards(attentions: list[Tensor]) -> Tensor:
    rolled = mixed(attentions[-1])
    for attention in reversed(attentions[:-1]):
        rolled = rolled.matmul(mixed(attention))
    return rolled


def _by_multi_dot(attentions: list[Tensor]) -> Tensor:
    rolled = []
    for sample in range(len(attentions[0])):
        layers = [mixed(attention)[sample] for attention in reversed(attentions)]
        rolled.append(torch.linalg.multi_dot(layers) if len(layers) > 1 else layers[0])
    return torch.stack(rolled)


def _by_einsum(attentions: list[Tensor]) -> Tensor:
    rolled = torch.eye(attentions[0].shape[-1], dtype=attentions[0].dtype).repeat(len(attentions[0]), 1, 1)
    for attention in attentions:
        heads = attention.shape[1]
        heard = torch.einsum("bhij,bjk->bik", attention, rolled) / heads
        rolled = (heard + rolled) / 2
    return rolled


ROLLOUT = Exercise(
    name=NAME,
    signature="attention_rollout(attentions) -> rollout",
    page="vision_transformer/attention_rollout",
    outputs=("rollout",),
    probes=probes,
    reference=reference,
    properties=(
        Property("one layer: attention and the residual path", 2, ("one layer",), ("rollout",)),
        Property("the mean over the heads", 1, ("two heads", "two heads, two layers"), ("rollout",)),
        Property(
            "layer after layer",
            3,
            ("two layers", "three layers", "as many of everything", "twelve layers", "float32"),
            ("rollout",),
        ),
        Property("layers with other numbers of heads", 1, ("other numbers of heads",), ("rollout",)),
    ),
    laws=(rows_sum_to_one, something_of_itself_is_left),
    misconceptions=ROLLOUT_MISTAKES,
    correct=(_with_identity_first, _renormalised, _backwards, _by_multi_dot, _by_einsum),
)
