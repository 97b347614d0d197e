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
