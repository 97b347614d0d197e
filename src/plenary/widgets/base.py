"""The ground that every widget stands on: live in Jupyter, and as alive on a page with no kernel behind it.

A widget computes and draws in one plain ES module (`export default { render }`, anywidget's interface). Jupyter
runs it against the Python object. A static page gets a twin in the cell's HTML output: a still picture, the state
as JSON and a script that runs the same module with a stand-in for the model.
"""

import json
from functools import cache
from html import escape
from importlib.resources import files
from itertools import count
from typing import Any, ClassVar

import anywidget

from plenary import palette
from plenary.widgets.settings import Asset, Setting

_NUMBERS = count(1)


@cache
def _text(name: str) -> str:
    """A file beside this one."""
    return files("plenary.widgets").joinpath(name).read_text(encoding="utf-8")


def module_source(module: str, uses: tuple[str, ...] = ()) -> str:
    """The whole of a widget's JavaScript: shared helpers, formulas, what it uses, then its own module."""
    return "\n".join(map(_text, ("shared.mjs", "maths.mjs", *uses, module)))


def style_source(style: str | None) -> str:
    """The whole of a widget's CSS: the palette, the shared rules, then its own file, if it has one."""
    return palette.css() + "\n" + _text("shared.css") + ("\n" + _text(style) if style else "")


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: no `<`, hence no `</script>` and no `<!--`."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False).replace("<", "\\u003c")


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
    uses: ClassVar[tuple[str, ...]] = ()
    """Modules to put in front of it beside those that every widget gets, such as "layers.mjs" for a model."""
    style: ClassVar[str | None] = None
    """Its own CSS, a file in this folder, if it needs any."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "module" in cls.__dict__:
            cls._esm = module_source(cls.module, cls.uses)
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
        return [name for name in cls._own() if not isinstance(getattr(cls, name), Asset)]

    @classmethod
    def _own(cls) -> list[str]:
        return [
            name
            for one in reversed(cls.__mro__)
            for name, trait in vars(one).items()
            if isinstance(trait, Setting)
        ]

    def state(self) -> dict[str, Any]:
        """The settings with their values: what a reader has chosen."""
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
        state = self.state()
        parts = {
            "name": name,
            "state": {name: getattr(self, name) for name in self._own() if name not in state} | state,
            "module": module_source(self.module, self.uses),
            "css": style_source(self.style),
        }
        return (
            f'<div id="{own_id}" class="plenary-widget">{self.still()}</div>\n'
            f'<script type="application/json" id="{own_id}-data">{script_json(parts)}</script>\n'
            f'<script type="module">\n{_text("twin.mjs")}mount("{escape(own_id)}");\n</script>'
        )
