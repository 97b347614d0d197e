"""What is asked of a candidate: plain steps on plain values, fit to cross a wall between processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray
Plain = Array | int | float | bool | str | None | tuple["Plain", ...] | list["Plain"]
"""A value that can be sent as it is. Arrays arrive as tensors; a tuple stays a tuple, a list a list."""


@dataclass(frozen=True)
class Made:
    """In place of an argument: something that is built beside the candidate, such as a model or a loader.

    ``maker`` is one of the exercise's makers; it gets ``arguments`` by keyword.
    """

    maker: str
    arguments: Mapping[str, Plain]


@dataclass(frozen=True)
class Stub:
    """In place of an argument: a function that stays with the judge.

    The candidate gets something to call, which sends arrays out and brings arrays back; all stubs look alike.
    ``oracle`` is one of the exercise's oracles.
    """

    oracle: str


Value = Plain | Made | Stub


@dataclass(frozen=True)
class Construct:
    """Make an instance of the candidate, a class; arguments go by keyword. Later steps are for the instance."""

    arguments: Mapping[str, Plain]


@dataclass(frozen=True)
class Load:
    """Give the parameters these values by name: all of them and no others. The module takes their dtype."""

    weights: Mapping[str, Array]


@dataclass(frozen=True)
class Mode:
    """Put the module in training mode, or in evaluation mode, in which it is otherwise."""

    training: bool


@dataclass(frozen=True)
class Call:
    """Call the candidate, or the instance; every argument goes by position, in the order of the mapping.

    ``label`` is put behind the names of the outputs, to tell a second call's from the first's.
    """

    arguments: Mapping[str, Value]
    label: str = ""


@dataclass(frozen=True)
class Backward:
    """Backpropagate sum(output * cotangent) to the floating-point arguments of the last call, and the parameters.

    The answers are ``grad_<argument>`` and ``grad_<parameter>``.
    """

    output: str
    cotangent: Array


@dataclass(frozen=True)
class Read:
    """Answer with the values of these parameters of the instance, by name."""

    names: tuple[str, ...]


Step = Construct | Load | Mode | Call | Backward | Read


@dataclass(frozen=True)
class Probe:
    """A short experiment on a candidate. A ``shown`` one is small enough to print in a report."""

    name: str
    steps: tuple[Step, ...]
    shown: bool = False

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Return what the first call passes: mostly arrays, and what else a ``Value`` can be."""
        return next((step.arguments for step in self.steps if isinstance(step, Call)), {})

    @property
    def arrays(self) -> list[Array]:
        """Return every array that the probe holds: arguments, weights and cotangents."""
        found: list[Array] = []
        for step in self.steps:
            if isinstance(step, Load):
                found += step.weights.values()
            elif isinstance(step, Backward):
                found.append(step.cotangent)
            elif isinstance(step, (Call, Construct)):
                found += [a for value in step.arguments.values() for a in _arrays_in(value)]
        return found

    def __str__(self) -> str:
        """Name the probe by what a reader sees of it: the numbers and shapes that go in."""
        made = next((step.arguments for step in self.steps if isinstance(step, Construct)), None)
        dtypes = {a.dtype.name for v in self.arguments.values() for a in _arrays_in(v) if a.dtype.kind == "f"}
        ending = f" in {' and '.join(sorted(dtypes))}" if dtypes else ""
        called = f"{_list(self.arguments)}{ending}"
        if made is None:
            return called or "nothing"
        return f"{called}, built with {_list(made)}" if self.arguments else _list(made)


def call_probe(name: str, **arguments: Tensor | Value) -> Probe:
    """Make a probe that calls a function once."""
    return Probe(name, (Call(plain(arguments)),))


def shown_probe(name: str, **arguments: Tensor | Value) -> Probe:
    """Make a probe that calls a function once, with numbers that a reader can follow with a pencil."""
    return Probe(name, (Call(plain(arguments)),), shown=True)


def gradient_probe(name: str, output: str, cotangent: Tensor, **arguments: Tensor | Value) -> Probe:
    """Make a probe that calls a function once and backpropagates from one output."""
    return Probe(name, (Call(plain(arguments)), Backward(output, cotangent.numpy())))


def module_probe(
    name: str,
    build: Mapping[str, Plain],
    weights: Mapping[str, Tensor],
    *,
    backward: tuple[str, Tensor] | None = None,
    training: bool = False,
    shown: bool = False,
    **arguments: Tensor | Value,
) -> Probe:
    """Make a probe that builds a module, loads weights, calls it once, and perhaps backpropagates.

    ``backward`` is the output's name and its cotangent.
    """
    steps: list[Step] = [
        Construct(build),
        Load({n: w.numpy() for n, w in weights.items()}),
        Mode(training),
        Call(plain(arguments)),
    ]
    if backward is not None:
        steps.append(Backward(backward[0], backward[1].numpy()))
    return Probe(name, tuple(steps), shown)


def construct_probe(name: str, **build: Plain) -> Probe:
    """Make a probe that only builds a module: for sizes that have to be refused."""
    return Probe(name, (Construct(build),))


def normal(generator: torch.Generator, *shape: int, scale: float = 1.0) -> Tensor:
    """Draw standard normal numbers in float64, times ``scale``."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64) * scale


def random_weights(
    generator: torch.Generator, shapes: Mapping[str, Sequence[int]], dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """Draw a random value for every parameter, norms and biases included.

    A matrix is scaled so that outputs are about as large as inputs; a norm's weight (a vector whose name ends in
    "weight") lies around 1, far enough away to tell two norms apart.
    """
    weights = {}
    for name, shape in shapes.items():
        drawn = normal(generator, *shape)
        if len(shape) > 1:
            drawn = drawn / drawn[0].numel() ** 0.5
        elif name.endswith("weight"):
            drawn = 1.0 + 0.3 * drawn
        weights[name] = drawn.to(dtype)
    return weights


def plain(arguments: Mapping[str, Tensor | Value]) -> dict[str, Value]:
    """Turn tensors into arrays, also inside tuples and lists; leave the rest."""
    return {name: _plain(value) for name, value in arguments.items()}


def _plain(value: Tensor | Value) -> Value:
    if isinstance(value, Tensor):
        return value.numpy()
    if isinstance(value, (tuple, list)):
        return type(value)(_plain(one) for one in value)  # type: ignore[arg-type]
    return value


def _arrays_in(value: object) -> list[Array]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, Made):
        return [array for one in value.arguments.values() for array in _arrays_in(one)]
    return [a for one in value for a in _arrays_in(one)] if isinstance(value, (tuple, list)) else []


def _list(arguments: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in arguments.items())


def _short(value: Value) -> str:
    if isinstance(value, np.ndarray):
        return str(value.shape)
    if isinstance(value, (Made, Stub)):
        return "made for this" if isinstance(value, Made) else "of unknown make"
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    return repr(value)
