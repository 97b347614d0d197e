"""What is asked of a candidate: plain steps on plain arrays, fit to cross a wall between processes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray


@dataclass(frozen=True)
class Call:
    """Call the candidate; every argument goes by position, in the order of the mapping."""

    arguments: Mapping[str, Array]


@dataclass(frozen=True)
class Backward:
    """Backpropagate sum(output * cotangent) from one output of the last call to its floating-point arguments.

    The answers are ``grad_<argument>``.
    """

    output: str
    cotangent: Array


Step = Call | Backward


@dataclass(frozen=True)
class Probe:
    """A short experiment on a candidate. A ``shown`` one is small enough to print in a report."""

    name: str
    steps: tuple[Step, ...]
    shown: bool = False

    @property
    def arguments(self) -> Mapping[str, Array]:
        """Return what the first call passes."""
        return next(step.arguments for step in self.steps if isinstance(step, Call))

    def __str__(self) -> str:
        """Name the probe by what a reader sees of it: the shapes that go in."""
        shapes = ", ".join(f"{name} {array.shape}" for name, array in self.arguments.items())
        dtypes = {array.dtype.name for array in self.arguments.values() if array.dtype.kind == "f"}
        return f"{shapes} in {' and '.join(sorted(dtypes))}"


def call_probe(name: str, **arguments: Tensor) -> Probe:
    """Make a probe that calls once."""
    return Probe(name, (Call(_arrays(arguments)),))


def shown_probe(name: str, **arguments: Tensor) -> Probe:
    """Make a probe that calls once, with numbers that a reader can follow with a pencil."""
    return Probe(name, (Call(_arrays(arguments)),), shown=True)


def gradient_probe(name: str, output: str, cotangent: Tensor, **arguments: Tensor) -> Probe:
    """Make a probe that calls once and backpropagates from one output."""
    return Probe(name, (Call(_arrays(arguments)), Backward(output, cotangent.numpy())))


def normal(generator: torch.Generator, *shape: int, scale: float = 1.0) -> Tensor:
    """Draw standard normal numbers in float64, times ``scale``."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64) * scale


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}
