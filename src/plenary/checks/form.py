"""What a candidate returns, and what has to be built beside it. Nothing here knows what is right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Maker = Callable[..., Any]
Collect = Callable[[Any, dict[str, Any]], tuple[Any, ...]]


@dataclass(frozen=True, eq=False)
class Form:
    """The form of a question: the names of the outputs, and how to get at them.

    Attributes:
        outputs: Names of what is returned, in order; a single name means a bare value, not a tuple.
        numbers: Whether the outputs are Python numbers (or booleans) instead of tensors.
        makers: Build an argument that is no plain value, such as a model, by the name that ``Made`` gives.
        collect: Takes what was returned and the arguments as they are after the call, and returns a tuple of as
            many tensors or numbers as there are outputs. For a dictionary, a list of groups, or what was done to
            a model. What it raises ends in a report: raise TypeError or KeyError with a text that goes on where
            "Your function" leaves off.
    """

    outputs: tuple[str, ...]
    numbers: bool = False
    makers: Mapping[str, Maker] = field(default_factory=dict)
    collect: Collect | None = None
