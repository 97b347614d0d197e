"""Every single change to a solution: one operator at a time, over its syntax tree.

A sign, an axis, a constant, a comparison, a call left out, arguments swapped; only between BEGIN SOLUTION and END
SOLUTION, which is what a learner writes.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from plenary.authoring.texts import BEGIN, END, Cell


@dataclass(frozen=True)
class Mutant:
    """One change to a solution. ``id`` says which, and is what the list of equivalent ones is kept by."""

    exercise: str
    operator: str
    before: str
    after: str
    tree: ast.Module

    @property
    def id(self) -> str:
        """Return the change in one line."""
        return f"{self.operator}: {self.before} => {self.after}"


def mutants(cell: Cell) -> Iterator[Mutant]:
    """Yield every single change to the solution in a cell; two changes that read alike count once."""
    tree = ast.parse(cell.source)
    within = _solution_lines(cell.source)
    seen: set[str] = set()
    for index, statement in _statements(tree):
        if statement.lineno not in within:
            continue
        # Bodies of compound statements are statements of their own.
        for operator, change in _changes(statement):
            changed = copy.deepcopy(tree)
            parent = _statement(changed, index)
            before = _line(parent)
            after = _line(change(parent)) if change is not None else "pass"
            if change is None:
                _replace(changed, parent, ast.copy_location(ast.Pass(), parent))
            ast.fix_missing_locations(changed)
            mutant = Mutant(cell.grade_id, operator, before, after, changed)
            if before != after and mutant.id not in seen and _compiles(changed):
                seen.add(mutant.id)
                yield mutant


Change = Callable[[ast.stmt], ast.stmt]
Edit = Callable[[Any], ast.AST | None]

_SWAPPED_OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}

_SIBLINGS = [
    ("sum", "mean"),
    ("max", "min"),
    ("amax", "amin"),
    ("argmax", "argmin"),
    ("any", "all"),
    ("sin", "cos"),
    ("tril", "triu"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("cat", "stack"),
    ("softmax", "log_softmax"),
    ("masked_fill", "masked_fill_"),
    ("train", "eval"),
    ("repeat", "repeat_interleave"),
    ("gelu", "relu"),
    ("view", "reshape"),
]
_SIBLING = {one: other for pair in _SIBLINGS for one, other in (pair, pair[::-1])}


def _changes(statement: ast.stmt) -> Iterator[tuple[str, Change | None]]:
    """Yield the name of an operator and what it does to the statement; None takes the statement away."""
    for position, node in enumerate(_own_nodes(statement)):
        for operator, edit in _edits(node, statement):
            yield operator, _at(position, edit)
    removable = (ast.Expr, ast.AugAssign, ast.Raise)
    if isinstance(statement, removable) and not _is_super_init(statement) and not _is_docstring(statement):
        yield "statement left out", None


def _edits(node: ast.AST, statement: ast.stmt) -> Iterator[tuple[str, Edit]]:
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        for other in _SWAPPED_OPERATORS.get(type(node.op), ()):
            yield "operator", lambda n, o=other: _set(n, "op", o())
        if isinstance(node, ast.BinOp) and isinstance(
            node.op, (ast.Sub, ast.Div, ast.MatMult, ast.FloorDiv, ast.Pow)
        ):
            yield "operands swapped", lambda n: _swap(n, "left", "right")
    if isinstance(node, ast.BoolOp):
        for other in _SWAPPED_OPERATORS[type(node.op)]:
            yield "operator", lambda n, o=other: _set(n, "op", o())
    if isinstance(node, ast.Compare):
        for other in _SWAPPED_OPERATORS.get(type(node.ops[0]), ()):
            yield "comparison", lambda n, o=other: _set(n, "ops", [o(), *n.ops[1:]])
    if isinstance(node, ast.UnaryOp):
        yield "sign or not left out", lambda n: n.operand
    if isinstance(node, ast.Constant):
        yield from _constants(node)
    if isinstance(node, ast.Call):
        yield from _calls(node)
    if isinstance(node, ast.Attribute) and node.attr in _SIBLING:
        yield "another function", lambda n: _set(n, "attr", _SIBLING[n.attr])
    if isinstance(node, ast.Attribute) and node.attr in ("mT", "T"):
        yield "transpose left out", lambda n: n.value
    if isinstance(node, ast.IfExp):
        yield "branches swapped", lambda n: _swap(n, "body", "orelse")
    if isinstance(node, ast.Slice):
        for side in ("lower", "upper"):
            if getattr(node, side) is not None:
                yield "bound left out", lambda n, s=side: _set(n, s, None)
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        yield "elements swapped", lambda n: _set(n, "elts", [n.elts[1], n.elts[0], *n.elts[2:]])
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for other in _other_names(node.id, statement):
            yield "another name", lambda n, o=other: _set(n, "id", o)
    if isinstance(node, ast.If):
        yield "condition reversed", lambda n: _set(n, "test", ast.UnaryOp(ast.Not(), n.test))


def _constants(node: ast.Constant) -> Iterator[tuple[str, Edit]]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", lambda n: ast.Constant(not n.value)
    elif isinstance(value, int):
        yield "constant", lambda n: ast.Constant(n.value + 1)
        yield "constant", lambda n: ast.Constant(n.value - 1)
    elif isinstance(value, float):
        yield "constant", lambda n: ast.Constant(n.value * 2 if n.value else 1.0)
        yield "constant", lambda n: ast.Constant(-n.value if n.value else -1.0)


def _calls(node: ast.Call) -> Iterator[tuple[str, Edit]]:
    if isinstance(node.func, ast.Name) and node.func.id == "super":
        return
    if isinstance(node.func, ast.Attribute) and not _is_module(node.func.value):
        yield "call left out", lambda n: n.func.value
    if len(node.args) >= 1 and not isinstance(node.args[0], ast.Starred):
        yield "call left out", lambda n: n.args[0]
    if len(node.args) >= 2 and not any(isinstance(one, ast.Starred) for one in node.args[:2]):
        yield "arguments swapped", lambda n: _set(n, "args", [n.args[1], n.args[0], *n.args[2:]])
    for i in range(1, len(node.args)):
        yield "argument left out", lambda n, k=i: _set(n, "args", n.args[:k] + n.args[k + 1 :])
    for i in range(len(node.keywords)):
        yield "argument left out", lambda n, k=i: _set(n, "keywords", n.keywords[:k] + n.keywords[k + 1 :])


def _other_names(name: str, statement: ast.stmt) -> list[str]:
    """Return the parameter that follows this one in its function, as what it may be taken for."""
    parameters: list[str] = getattr(statement, "parameters", [])
    if name not in parameters or len(parameters) < 2:
        return []
    return [parameters[(parameters.index(name) + 1) % len(parameters)]]


def _at(position: int, edit: Edit) -> Change:
    """Apply an edit to the node at a position among the statement's own."""

    def change(statement: ast.stmt) -> ast.stmt:
        node = _own_nodes(statement)[position]
        edited = edit(node)
        if edited is not node and edited is not None:
            _replace(statement, node, edited)
        return statement

    return change


def _own_nodes(statement: ast.stmt) -> list[ast.AST]:
    """Return the nodes of a statement, without the statements inside it, annotations and messages of errors."""
    found: list[ast.AST] = []

    def visit(node: ast.AST) -> None:
        found.append(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns") or isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                continue
            for child in value if isinstance(value, list) else [value]:
                # What an error says is not asked for, only that it is raised.
                if isinstance(child, ast.AST) and not isinstance(child, (ast.stmt, ast.JoinedStr)):
                    visit(child)

    if isinstance(statement, ast.Raise):
        return [statement]
    visit(statement)
    return found


def _statements(tree: ast.Module) -> list[tuple[int, ast.stmt]]:
    """Return every statement with its number, and leave in each the parameters of the function around it."""
    numbered = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    for node in numbered:
        if isinstance(node, ast.FunctionDef):
            names = [one.arg for one in node.args.args if one.arg != "self"]
            for inner in ast.walk(node):
                if isinstance(inner, ast.stmt):
                    inner.parameters = names  # type: ignore[attr-defined]
    return list(enumerate(numbered))


def _statement(tree: ast.Module, index: int) -> ast.stmt:
    return _statements(tree)[index][1]


def _replace(root: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for node in ast.walk(root):
        for name, value in ast.iter_fields(node):
            if value is old:
                setattr(node, name, new)
                return
            if isinstance(value, list) and any(one is old for one in value):
                value[next(i for i, one in enumerate(value) if one is old)] = new
                return


def _set(node: ast.AST, name: str, value: object) -> ast.AST:
    setattr(node, name, value)
    return node


def _swap(node: ast.AST, one: str, other: str) -> ast.AST:
    first, second = getattr(node, one), getattr(node, other)
    setattr(node, one, second)
    setattr(node, other, first)
    return node


def _line(statement: ast.stmt) -> str:
    """Write a statement in one line, without what stands inside it."""
    return ast.unparse(ast.fix_missing_locations(copy.deepcopy(statement))).split("\n")[0]


def _compiles(tree: ast.Module) -> bool:
    try:
        compile(tree, "<mutant>", "exec")
    except (SyntaxError, ValueError, TypeError):
        return False
    return True


def _solution_lines(source: str) -> set[int]:
    lines, inside = set(), False
    for number, line in enumerate(source.splitlines(), start=1):
        if line.strip() in (BEGIN, END):
            inside = line.strip() == BEGIN
        elif inside:
            lines.add(number)
    return lines


def _is_module(node: ast.expr) -> bool:
    """Whether an expression is a module by its name, so that leaving the call out would leave no value."""
    return ast.unparse(node).split(".")[0] in ("torch", "math", "F", "nn", "np", "einops", "plenary")


def _is_super_init(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and "super().__init__" in ast.unparse(statement)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
