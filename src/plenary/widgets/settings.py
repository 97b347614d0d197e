"""What a widget can be set to: traits that are shared with JavaScript and say what they expect."""

from base64 import b64encode
from collections.abc import Sequence
from importlib.resources import files
from math import isfinite, prod
from numbers import Integral, Real
from typing import Any

from traitlets import TraitError, TraitType, Undefined


class Setting(TraitType[Any, Any]):
    """A trait that belongs to the widget, is shared with JavaScript and starts the static page.

    A subclass turns a value into the plain Python one that is kept, or returns ``None`` for what it refuses.
    """

    def __init__(self, default: Any, expected: str) -> None:
        super().__init__(default_value=default)
        self.expected = expected
        self.tag(sync=True)

    def plain(self, value: Any) -> Any:
        """The value as plain Python, or None if it is not allowed."""
        raise NotImplementedError

    def validate(self, obj: Any, value: Any) -> Any:
        """The plain value; anything that is not allowed raises `TraitError`."""
        plain = self.plain(value)
        if plain is None:
            raise TraitError(f"{type(obj).__name__}: {self.name} is {value!r}; expected {self.expected}")
        return plain


class Choice(Setting):
    """One of a few allowed values, all of one type: `bool`, `int` or `str`.

    Args:
        allowed: the values.
        default: the one to start with.
        expected: the values in words, for the error message: "a power of two from 1 to 512".
    """

    def __init__(self, allowed: Sequence[int | str], default: int | str, expected: str) -> None:
        super().__init__(default, expected)
        self.allowed = tuple(allowed)

    def plain(self, value: Any) -> Any:
        """The value in the type of the allowed ones."""
        kind = type(self.allowed[0])
        # True == 1 in Python; a switch that is 1 or a width that is True is a slip all the same.
        fits = isinstance(value, str) if kind is str else isinstance(value, Integral)
        if fits and isinstance(value, bool) == (kind is bool) and value in self.allowed:
            return kind(value)
        return None


class Number(Setting):
    """A float from `low` to `high`, both included."""

    def __init__(self, low: float, high: float, default: float) -> None:
        super().__init__(float(default), f"a number from {low:g} to {high:g}")
        self.low, self.high = low, high

    def plain(self, value: Any) -> Any:
        """The number as a float."""
        return float(value) if _is_number(value) and self.low <= value <= self.high else None


class Numbers(Setting):
    """Floats in nested lists of a fixed shape, each from `low` to `high`, both included."""

    def __init__(self, shape: Sequence[int], low: float, high: float, default: Sequence[Any]) -> None:
        words = " x ".join(map(str, shape))
        super().__init__(
            _nested(default, tuple(shape), float), f"{words} numbers from {low:g} to {high:g}, in lists"
        )
        self.shape, self.low, self.high = tuple(shape), low, high

    def plain(self, value: Any) -> Any:
        """The numbers as nested lists of floats."""
        return _nested(value, self.shape, self._one)

    def _one(self, value: Any) -> float | None:
        return float(value) if _is_number(value) and self.low <= value <= self.high else None


class Grid(Setting):
    """Switches in rows and columns: a list of `rows` lists of `columns` booleans."""

    def __init__(self, rows: int, columns: int, default: Sequence[Sequence[bool]]) -> None:
        super().__init__(
            _nested(default, (rows, columns), bool), f"{rows} lists of {columns} values, each True or False"
        )
        self.shape = (rows, columns)

    def plain(self, value: Any) -> Any:
        """The switches as nested lists of booleans."""
        return _nested(value, self.shape, lambda one: one if isinstance(one, bool) else None)


class Text(Setting):
    """A text of at most `longest` characters."""

    def __init__(self, default: str, longest: int) -> None:
        super().__init__(default, f"a text of at most {longest} characters")
        self.longest = longest

    def plain(self, value: Any) -> Any:
        """The text."""
        return value if isinstance(value, str) and len(value) <= self.longest else None


class Picks(Setting):
    """Some of the allowed values, each at most once, kept in the order in which they are allowed."""

    def __init__(self, allowed: Sequence[int | str], default: Sequence[int | str]) -> None:
        super().__init__(
            list(default), f"a list of some of {', '.join(map(str, allowed))}, each at most once"
        )
        self.allowed = tuple(allowed)

    def plain(self, value: Any) -> Any:
        """The values as a list in their own order."""
        if not isinstance(value, list | tuple) or len(set(value)) != len(value):
            return None
        return [one for one in self.allowed if one in value] if set(value) <= set(self.allowed) else None


class Asset(Setting):
    """A file beside the widget's module, as base64 text: a model's weights. It cannot be set."""

    def __init__(self, file: str) -> None:
        super().__init__(Undefined, f"nothing: it is the file {file}, and stays so")
        self.file = file

    def make_dynamic_default(self) -> str:
        """Read the file when a widget is first asked for it."""
        return b64encode(files("plenary.widgets").joinpath(self.file).read_bytes()).decode("ascii")

    def plain(self, value: Any) -> Any:
        """The text of the file, and no other."""
        return value if value == self.make_dynamic_default() else None


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def _nested(value: Any, shape: tuple[int, ...], one: Any) -> Any:
    """Nested lists of this shape with every entry turned by `one`, or None if anything does not fit."""
    if not shape:
        return one(value)
    if not isinstance(value, list | tuple) or len(value) != shape[0] or not prod(shape):
        return None
    rows = [_nested(row, shape[1:], one) for row in value]
    return None if any(row is None for row in rows) else rows
