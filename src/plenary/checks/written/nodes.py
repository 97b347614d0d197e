"""Small things that are asked of, and done to, pieces of syntax."""

import ast
from collections.abc import Mapping
from copy import deepcopy


def name_node(name: str) -> ast.Name:
    """Return a name that is read."""
    return ast.Name(name, ast.Load())


def names_of(node: ast.AST) -> set[str]:
    """Return the names that occur in a piece of syntax."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def bound_names(node: ast.AST) -> set[str]:
    """Return the names that are bound anywhere in a definition."""
    bound = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    return bound | {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def is_plain(node: ast.expr) -> bool:
    """Whether an expression may be written twice: a name, a number, an attribute of a name."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, (ast.Name, ast.Constant))


class Renamer(ast.NodeTransformer):
    """Puts names or expressions in place of parameters."""

    def __init__(self, given: Mapping[str, str | ast.expr]) -> None:
        self.given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a parameter."""
        value = self.given.get(node.id)
        if value is None:
            return node
        return ast.Name(value, node.ctx) if isinstance(value, str) else deepcopy(value)


def each_of_a_tuple(node: ast.Call) -> ast.Tuple | None:
    """Write ``tuple(f(x) for f in (a, b))`` as ``(a(x), b(x))``."""
    made = node.args[0] if len(node.args) == 1 else None
    if not (
        isinstance(node.func, ast.Name) and node.func.id == "tuple" and isinstance(made, ast.GeneratorExp)
    ):
        return None
    one = made.generators[0]
    if len(made.generators) > 1 or one.ifs or not isinstance(one.iter, ast.Tuple):
        return None
    if not isinstance(one.target, ast.Name) or not all(isinstance(e, ast.Name) for e in one.iter.elts):
        return None
    target = one.target.id
    return ast.Tuple([Renamer({target: e}).visit(deepcopy(made.elt)) for e in one.iter.elts], ast.Load())


def always(condition: ast.expr) -> bool:
    """Whether a condition holds whatever comes."""
    last = condition.values[-1] if isinstance(condition, ast.BoolOp) else condition
    either = not isinstance(condition, ast.BoolOp) or isinstance(condition.op, ast.Or)
    return either and isinstance(last, ast.Constant) and bool(last.value)
