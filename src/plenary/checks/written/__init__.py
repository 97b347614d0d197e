"""Write a known mistake out as one piece of code, though the catalogue makes many of them from a few shared parts.

A mistake is often kept as a right function with one step exchanged: ``backward(through=lambda w, g: g)``. A learner
would have written it in one piece. So what is fixed from outside (a closure's variables) is put in its place:
numbers as numbers, short functions as what they return; a branch that is never taken goes. Types and docstrings go
too. Run, the text does what the original does.
"""

import ast
from types import FunctionType

from plenary.checks.written.scribe import Scribe, Written

__all__ = ["Written", "alone", "written"]


def written(candidate: object, name: str) -> Written:
    """Write a function or class out under this name.

    Raises:
        LookupError: its source cannot be found.
    """
    scribe = Scribe()
    nodes = scribe.whole(candidate, name)
    return scribe.result(nodes)


def alone(thing: object, name: str) -> Written:
    """Write out what a mistake calls: a function, a class, or a value of its module."""
    scribe = Scribe()
    if isinstance(thing, (FunctionType, type)) or hasattr(thing, "__wrapped__"):
        nodes = scribe.whole(thing, name, docstring=True)
    else:
        nodes = [ast.Assign([ast.Name(name, ast.Store())], scribe.value(thing))]
    return scribe.result(nodes)
