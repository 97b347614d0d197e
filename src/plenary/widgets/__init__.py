"""Figures to play with, in a notebook and in the book's static pages alike.

A widget's class is named after its module, ``SoftLookup`` after ``soft_lookup.py``, and is imported on first use:
there is no list to keep.
"""

import re
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

_GROUND = {"base", "settings", "still"}


def _modules() -> dict[str, str]:
    """Class by class, the module that holds it."""
    found = [module.name for module in iter_modules(__path__) if module.name not in _GROUND]
    return {"".join(part.capitalize() for part in name.split("_")): name for name in found}


def __getattr__(name: str) -> Any:
    if re.fullmatch(r"[A-Z]\w*", name) and name in (known := _modules()):
        return getattr(import_module(f"{__name__}.{known[name]}"), name)
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; its widgets: {', '.join(__dir__())}"
    )


def __dir__() -> list[str]:
    return sorted(_modules())
