"""Find an exercise by the name of its function; every module of ``plenary.exercises`` is looked at."""

import difflib
import pkgutil
from functools import cache
from importlib import import_module

from plenary.checks.exercise import Exercise

_EXERCISES = "plenary.exercises"


@cache
def exercises() -> dict[str, Exercise]:
    """Return every exercise of the course by name.

    Imports go down everywhere but here: a check finds the exercises above it by name, so that a new one needs no
    registry.
    """
    found: dict[str, Exercise] = {}
    for module in pkgutil.iter_modules(import_module(_EXERCISES).__path__):
        if module.name.startswith("_"):  # shared by several exercises
            continue
        for exercise in import_module(f"{_EXERCISES}.{module.name}").EXERCISES:
            if exercise.name in found:
                raise ValueError(
                    f"two exercises are named {exercise.name!r}; names are unique in the course."
                )
            found[exercise.name] = exercise
    return found


def find(name: str) -> Exercise:
    """Return the exercise of this name.

    Raises:
        LookupError: there is none; the message names the nearest.
    """
    known = exercises()
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known))}."
        raise LookupError(f"no exercise is named {name!r}; {hint}")
    return known[name]
