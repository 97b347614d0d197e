"""The colours of the book, read from `palette.css`, the one place where they are written."""

from functools import cache
from importlib.resources import files
from re import findall

PREFIX = "--plenary-"


@cache
def css() -> str:
    """The text of `palette.css`: every colour as a custom property, light on `:root`, dark below it."""
    return files("plenary").joinpath("palette.css").read_text(encoding="utf-8")


@cache
def _modes() -> tuple[dict[str, str], dict[str, str]]:
    """Name to hex in light and in dark: the first and the second declaration of each name."""
    light: dict[str, str] = {}
    dark: dict[str, str] = {}
    for name, value in findall(PREFIX + r"([a-z]+):\s*(#[0-9a-f]{6});", css()):
        (dark if name in light else light)[name] = value
    return light, dark


def names() -> tuple[str, ...]:
    """The names of all colours, in the order of the file."""
    return tuple(_modes()[0])


def light(name: str) -> str:
    """The hex of a colour in light mode, for example `light("query")`.

    Raises:
        ValueError: there is no colour of this name.
    """
    return _pick(_modes()[0], name)


def dark(name: str) -> str:
    """The hex of a colour in dark mode.

    Raises:
        ValueError: there is no colour of this name.
    """
    return _pick(_modes()[1], name)


def _pick(mode: dict[str, str], name: str) -> str:
    if name not in mode:
        raise ValueError(f"palette: no colour is called {name!r}. Take one of {', '.join(mode)}.")
    return mode[name]
