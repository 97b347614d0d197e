"""The ground that every widget stands on: live in Jupyter, and as alive on a page with no kernel behind it.

A widget computes and draws in one plain ES module (`export default { render }`, anywidget's interface). Jupyter
runs it against the Python object. A static page gets a twin in the cell's HTML output: a still picture, the state
as JSON and a script that runs the same module with a stand-in for the model.
"""

import json
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from itertools import count
from numbers import Integral
from typing import Any, ClassVar

import anywidget
from traitlets import TraitError, TraitType

from plenary import palette

_NUMBERS = count(1)


@cache
def _text(name: str) -> str:
    """A file beside this one."""
    return files("plenary.widgets").joinpath(name).read_text(encoding="utf-8")


def module_source(module: str) -> str:
    """The whole of a widget's JavaScript: the shared helpers, then its own module, a file beside this one."""
    return _text("shared.mjs") + "\n" + _text(module)


def style_source(style: str | None) -> str:
    """The whole of a widget's CSS: the palette, the shared rules, then its own file, if it has one."""
    return palette.css() + "\n" + _text("shared.css") + ("\n" + _text(style) if style else "")


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: no `<`, hence no `</script>` and no `<!--`."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False).replace("<", "\\u003c")


class Choice(TraitType[Any, Any]):
    """A trait with a few allowed values, all of one type (`bool` or `int`), shared with JavaScript.

    Args:
        allowed: the values.
        default: the one to start with.
        expected: the values in words, for the error message: "a power of two from 1 to 512".
    """

    def __init__(self, allowed: Sequence[int], default: int, expected: str) -> None:
        super().__init__(default_value=default)
        self.allowed = tuple(allowed)
        self.expected = expected
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> Any:
        """The value as a plain Python `bool` or `int`; anything that is not allowed raises `TraitError`."""
        kind = type(self.allowed[0])
        # True == 1 in Python; a switch that is 1 or a width that is True is a slip all the same.
        if (
            isinstance(value, Integral)
            and isinstance(value, bool) == (kind is bool)
            and value in self.allowed
        ):
            return kind(value)
        raise TraitError(f"{type(obj).__name__}: {self.name} is {value!r}; expected {self.expected}")


class PlenaryWidget(anywidget.AnyWidget):
    """A widget: a subclass names its files and its traits, and draws one still picture.

    class Scaling(PlenaryWidget):
        module = "scaling.mjs"
        d_k = Choice(...)

    Raises:
        TypeError: the constructor is given a name that is not a setting of the widget.
        traitlets.TraitError: a setting is given a value that it cannot take.
    """

    module: ClassVar[str]
    """The widget's ES module, a file in this folder."""
    style: ClassVar[str | None] = None
    """Its own CSS, a file in this folder, if it needs any."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "module" in cls.__dict__:
            cls._esm = module_source(cls.module)
            cls._css = style_source(cls.style)

    def __init__(self, **settings: Any) -> None:
        for name in settings:
            if not self.has_trait(name):
                known = " or ".join(self.settings())
                raise TypeError(f"{type(self).__name__}: no setting is called {name!r}; expected {known}")
        super().__init__(**settings)

    @classmethod
    def settings(cls) -> list[str]:
        """The names of the traits that are the widget's own, in the order in which they are written."""
        return [name for name in cls.class_traits(sync=True) if isinstance(getattr(cls, name), Choice)]

    def state(self) -> dict[str, Any]:
        """The settings with their values: what the static page starts from."""
        return {name: getattr(self, name) for name in self.settings()}

    def still(self) -> str:
        """HTML to show where JavaScript does not run."""
        return "<p>This figure is interactive and needs JavaScript.</p>"

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.state().items())})"
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The live view, which Jupyter ranks first, and beside it the twin, which the book takes."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "text/plain": repr(self), "text/html": self.twin()}, metadata

    def twin(self) -> str:
        """The widget for a page with no kernel: HTML that loads nothing and whose script runs once.

        Its ids count the widgets shown by this process, so that two builds of a page give the same bytes.
        """
        name = type(self).__name__.lower()
        own_id = f"plenary-{name}-{next(_NUMBERS)}"
        parts = {
            "name": name,
            "state": self.state(),
            "module": module_source(self.module),
            "css": style_source(self.style),
        }
        return (
            f'<div id="{own_id}" class="plenary-widget">{self.still()}</div>\n'
            f'<script type="application/json" id="{own_id}-data">{script_json(parts)}</script>\n'
            f'<script type="module">\n{_text("twin.mjs")}mount("{escape(own_id)}");\n</script>'
        )
