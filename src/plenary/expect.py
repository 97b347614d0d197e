"""What the functions of this package expect, and the error that says what came instead."""

import torch
from torch import Tensor


def floating(function: str, least_axes: int = 2, **tensors: Tensor) -> None:
    """Raise unless every tensor is floating point, with enough axes, and all have one dtype."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{function}: {name} must be a torch.Tensor; it is {type(tensor).__name__}.")
        if not tensor.is_floating_point():
            raise TypeError(
                f"{function}: {name} must be floating point; it is {tensor.dtype}. "
                f"Convert it with {name}.float()."
            )
        if tensor.ndim < least_axes:
            raise ValueError(
                f"{function}: {name} needs at least {least_axes} axes; its shape is {tuple(tensor.shape)}."
            )
    if len({tensor.dtype for tensor in tensors.values()}) > 1:
        found = ", ".join(f"{name} is {tensor.dtype}" for name, tensor in tensors.items())
        raise TypeError(f"{function}: all inputs must have one dtype; {found}.")


def same_size(function: str, what: str, axis: int, **tensors: Tensor) -> None:
    """Raise unless the tensors agree on the size of an axis, which ``what`` names."""
    if len({tensor.shape[axis] for tensor in tensors.values()}) > 1:
        found = ", ".join(
            f"{name} has {tensor.shape[axis]} (shape {tuple(tensor.shape)})"
            for name, tensor in tensors.items()
        )
        raise ValueError(f"{function}: {' and '.join(tensors)} must have the same {what}; {found}.")


def mask(function: str, mask: Tensor, shape: torch.Size) -> None:
    """Raise unless the mask is boolean and broadcasts to the shape of the scores."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        found = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"{function}: a mask is a boolean tensor, True = may attend; this one is {found}.")
    try:
        fits = torch.broadcast_shapes(mask.shape, shape) == shape
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"{function}: the mask must broadcast to the shape of the scores, {tuple(shape)}; "
            f"its own shape is {tuple(mask.shape)}."
        )


def width(function: str, expected: int, **tensors: Tensor) -> None:
    """Raise unless every tensor is (batch, length, width) with the expected width."""
    for name, tensor in tensors.items():
        if tensor.ndim != 3 or tensor.shape[-1] != expected:
            raise ValueError(
                f"{function}: {name} must be (batch, length, {expected}), {expected} being the model's width; "
                f"its shape is {tuple(tensor.shape)}."
            )


def divides(owner: str, part: str, part_size: int, whole: str, whole_size: int) -> None:
    """Raise unless a whole falls into parts of this size with nothing left over; the names go in the message."""
    if part_size < 1 or whole_size < 1:
        raise ValueError(
            f"{owner}: {whole} and {part} must be 1 or more; they are {whole_size} and {part_size}."
        )
    if rest := whole_size % part_size:
        below = whole_size - rest
        near = f"{below + part_size}" if below == 0 else f"{below} or {below + part_size}"
        raise ValueError(
            f"{owner}: {whole} {whole_size} does not divide by {part} {part_size}: "
            f"{whole_size} = {whole_size // part_size} x {part_size} + {rest}. "
            f"Take {near} for {whole}, or another {part}."
        )


def token_ids(owner: str, vocab_size: int, **tensors: Tensor) -> None:
    """Raise unless every tensor holds whole numbers from 0 to vocab_size - 1.

    The range is looked at on the CPU only: on an accelerator the look would stop the queue.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() or tensor.dtype == torch.bool:
            raise TypeError(
                f"{owner}: {name} holds token ids, whole numbers; it is {tensor.dtype}. "
                f"Convert it with {name}.long()."
            )
        if torch.compiler.is_compiling() or tensor.device.type != "cpu" or not tensor.numel():
            continue
        low, high = int(tensor.min()), int(tensor.max())
        if low < 0 or high >= vocab_size:
            raise ValueError(
                f"{owner}: {name} holds ids from {low} to {high}; the vocabulary has {vocab_size} words, so ids "
                f"run from 0 to {vocab_size - 1}."
            )
