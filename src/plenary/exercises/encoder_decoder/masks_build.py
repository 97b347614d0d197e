"""The three masks one by one, so that a mistake can stand in one of them and the others be right."""

from collections.abc import Callable

import torch
from torch import Tensor

from plenary.checks.exercise import Function

NAME = "make_masks"
Step = Callable[[Tensor, Tensor, int], Tensor]


def keys(tokens: Tensor, pad_id: int) -> Tensor:
    """Mark real tokens as keys: (B, 1, 1, S)."""
    return (tokens != pad_id)[:, None, None, :]


def queries(tokens: Tensor, pad_id: int) -> Tensor:
    """Mark real tokens as queries: (B, 1, S, 1)."""
    return (tokens != pad_id)[:, None, :, None]


def triangle(tokens: Tensor, diagonal: int = 0) -> Tensor:
    """Let each position listen to itself and to earlier ones."""
    return torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).tril(diagonal)


def right_source(source: Tensor, target: Tensor, pad_id: int) -> Tensor:
    """Make the source's mask as it should be."""
    return keys(source, pad_id)


def right_target(source: Tensor, target: Tensor, pad_id: int) -> Tensor:
    """Make the target's mask as it should be."""
    return triangle(target) & keys(target, pad_id)


def masks(
    of_source: Step = right_source, of_target: Step = right_target, of_memory: Step = right_source
) -> Function:
    """Build the function from its three masks."""

    def make(source: Tensor, target: Tensor, pad_id: int) -> object:
        return tuple(step(source, target, pad_id) for step in (of_source, of_target, of_memory))

    return make


def each_mask(change: Callable[[Tensor], Tensor]) -> Function:
    """Build the function with the same thing done to all three masks."""

    def make(source: Tensor, target: Tensor, pad_id: int) -> object:
        return tuple(
            change(step(source, target, pad_id)) for step in (right_source, right_target, right_source)
        )

    return make


def in_masks(*ways: Function) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of writing the three masks."""
    return {NAME: ways}


def padding_of_target(source: Tensor, target: Tensor, pad_id: int) -> Tensor:
    """Hide the target's padding, and no more."""
    return keys(target, pad_id)
