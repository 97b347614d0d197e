"""Where the code of a function or class stands, and what its surroundings fix in it."""

import ast
import sys
from functools import cache
from inspect import getsourcefile
from pathlib import Path
from types import FunctionType
from typing import Any

OURS = "plenary.exercises"


@cache
def tree_of(path: str) -> ast.Module:
    """Parse a file, once; numbers keep the spelling that they have there."""
    text = Path(path).read_text(encoding="utf-8")
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            node.text = ast.get_source_segment(text, node)  # type: ignore[attr-defined]
    return tree


def node_of(function: FunctionType) -> ast.FunctionDef | ast.Lambda:
    """Find the definition of a function in its file."""
    code, path = function.__code__, getsourcefile(function)
    if path is None or not path.endswith(".py"):
        raise LookupError(f"{function.__qualname__} has no source.")
    if code.co_name != "<lambda>":
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                if first == code.co_firstlineno:
                    return node
        raise LookupError(f"{function.__qualname__} is not in {path}.")
    places = {(line, column) for line, _, column, _ in code.co_positions() if line and column}
    found = [
        node
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Lambda)
        and node.lineno == code.co_firstlineno
        and [one.arg for one in node.args.args] == list(code.co_varnames[: code.co_argcount])
        and all(_holds(node.body, place) for place in places)
    ]
    if not found:
        raise LookupError(f"{function.__qualname__} is not in {path}.")
    return found[-1]


def _holds(node: ast.expr, place: tuple[int, int]) -> bool:
    return (node.lineno, node.col_offset) <= place <= (node.end_lineno or 0, node.end_col_offset or 0)


def closure(function: FunctionType) -> dict[str, object]:
    """Return what the surroundings of a function fix in it, by name."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells if name != "__class__"}


def ours(value: object) -> bool:
    """Whether something is defined among the exercises."""
    return str(getattr(value, "__module__", "")).startswith(OURS)


def in_file(cls: type) -> bool:
    """Whether a class was written, not made by ``type``, and where others can name it."""
    module = sys.modules.get(cls.__module__)
    return getattr(module, cls.__qualname__, None) is cls


def names_in(code: Any) -> set[str]:
    """Return the global names that compiled code asks for, inner functions included."""
    inner = (one for one in code.co_consts if hasattr(one, "co_names"))
    return set(code.co_names).union(*map(names_in, inner))


def defaults_of_maker(function: FunctionType) -> dict[str, object]:
    """Return the defaults of the function that made this one: the steps as they should be."""
    maker, inside, _ = function.__qualname__.rpartition(".<locals>.")
    made_by = function.__globals__.get(maker) if inside else None
    if not isinstance(made_by, FunctionType):
        return {}
    names = made_by.__code__.co_varnames[: made_by.__code__.co_argcount]
    plain = dict(zip(reversed(names), reversed(made_by.__defaults__ or ()), strict=False))
    return {**plain, **(made_by.__kwdefaults__ or {})}


def as_def(node: ast.FunctionDef | ast.Lambda, name: str, docstring: bool) -> ast.FunctionDef:
    """Write a function as a definition of this name, without types, and without docstrings if none is wanted."""
    if isinstance(node, ast.Lambda):
        return ast.FunctionDef(name, node.args, [ast.Return(node.body)], [])
    for one in ast.walk(node):
        if isinstance(one, ast.FunctionDef):
            one.returns = None
            arguments = one.args
            rest = [arguments.vararg, arguments.kwarg]
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *rest):
                if argument is not None:
                    argument.annotation = None
            said = ast.get_docstring(one)
            # What is said of the catalogue's own affairs tells a learner nothing.
            if said is not None and not (docstring and one is node and "mistake" not in said):
                one.body = one.body[1:] or [ast.Pass()]
    node.name = name
    node.decorator_list = [d for d in node.decorator_list if not _is_cache(d)]
    return _Untyped().visit(node)


class _Untyped(ast.NodeTransformer):
    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        return ast.Assign([node.target], node.value) if node.value is not None else ast.Pass()


def _is_cache(decorator: ast.expr) -> bool:
    names = {n.id for n in ast.walk(decorator) if isinstance(n, ast.Name)}
    return bool(names & {"cache", "lru_cache", "staticmethod", "classmethod", "property"})
