"""Recognise an answer that was used instead of written, by the syntax tree of its source. Nothing is run."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from types import FunctionType, ModuleType

OWN_PACKAGE = "plenary"


def borrowed(source: str, imported: Mapping[str, str], answers: Iterable[str]) -> list[str]:
    """Return the full names of the answers that a piece of source uses, in the order in which they appear.

    Args:
        source: The learner's function or class. What cannot be parsed uses nothing.
        imported: What names stand for that come from elsewhere: ``{"F": "torch.nn.functional"}``.
        answers: Full names, or ``.name`` for any method of that name.
    """
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:
        return []
    wanted = set(answers)
    local = {**imported, **imports_in(tree)}
    found: list[str] = []
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Attribute, ast.Name)):
            continue
        full = _full_name(node, local)
        if full and (full in wanted or _is_ours(full)):
            found.append(full)
        elif full is None and isinstance(node, ast.Attribute) and f".{node.attr}" in wanted:
            found.append(f".{node.attr}")
    return list(dict.fromkeys(found))


def imports_in(tree: ast.AST) -> dict[str, str]:
    """Return what the import statements of a tree bind, by local name."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                bound[name] = alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            bound.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
    return bound


def imports_of(source: str) -> dict[str, str]:
    """Return what the import statements of a whole notebook's source bind; for where nothing may be run."""
    try:
        return imports_in(ast.parse(source))
    except SyntaxError:
        return {}


def borrowed_by(name: str, candidate: object, answers: Iterable[str]) -> list[str]:
    """Return what a function or class in this process borrows; nothing if its source cannot be read.

    The package's other parts may stand in the notebook, handed out by its first cell: a later exercise builds on
    them. Its own answer, the one called ``name``, never does.
    """
    full = f"{getattr(candidate, '__module__', None)}.{getattr(candidate, '__qualname__', None)}"
    if _is_ours(full) or full.startswith("torch."):
        return [full]
    found: list[str] = []
    for function in _functions_of(candidate):
        try:
            source = inspect.getsource(function)
        except (OSError, TypeError, IndentationError):
            continue
        home = _names_in(function.__globals__)
        imported = {n: full for n, full in home if not _is_ours(full) or full.endswith(f".{name}")}
        found += borrowed(source, imported, answers)
    return list(dict.fromkeys(found))


def _functions_of(candidate: object) -> list[FunctionType]:
    """Return the functions that a candidate is made of; Python finds the source of a notebook's classes only so."""
    held = vars(candidate).values() if isinstance(candidate, type) else [candidate]
    return [function for function in held if isinstance(function, FunctionType)]


def _names_in(namespace: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for name, value in list(namespace.items()):
        home, there = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if isinstance(value, ModuleType):
            yield name, value.__name__
        elif home and there and home != "__main__":
            yield name, f"{home}.{there}"


def _full_name(node: ast.expr, imported: Mapping[str, str]) -> str | None:
    """Write ``F.softmax`` out in full; None for what does not start with an imported name."""
    if isinstance(node, ast.Name):
        return _plain_home(imported[node.id]) if node.id in imported else None
    if isinstance(node, ast.Attribute):
        base = _full_name(node.value, imported)
        return base and _plain_home(f"{base}.{node.attr}")
    return None


def _plain_home(full: str) -> str:
    """Write a name where its documentation has it: torch keeps some in modules of its own."""
    for private in ("torch._C._nn.", "torch._C._VariableFunctions."):
        full = full.replace(private, "torch.nn.functional." if "_nn" in private else "torch.")
    if full.startswith("torch.nn.modules.") and full.count(".") >= 4:
        return f"torch.nn.{full.rsplit('.', 1)[1]}"
    return full


def _is_ours(full: str) -> bool:
    return full.startswith(f"{OWN_PACKAGE}.") and full.split(".")[1] not in (
        "checks",
        "exercises",
        "plotting",
        "data",
    )
