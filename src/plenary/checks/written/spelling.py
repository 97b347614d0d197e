"""Syntax as text, with numbers, strings and line breaks as the course writes them."""

import ast
from copy import deepcopy

from plenary.checks.written.nodes import name_node
from plenary.checks.written.wrap import wrapped


def text_of(node: ast.stmt) -> str:
    """Return a statement as text, in lines that a phone shows."""
    return wrapped(ast.unparse(_Spelling().visit(ast.fix_missing_locations(deepcopy(node)))))


class _Spelling(ast.NodeTransformer):
    """Writes numbers and strings as the course does, which ``ast.unparse`` would not."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, float):
            return name_node(getattr(node, "text", None) or _number(node.value))
        if isinstance(node.value, str) and not set(node.value) & set('"\\\n'):
            return name_node(f'"{node.value}"')
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)  # type: ignore[return-value]

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        return node


def _number(value: float) -> str:
    text = repr(value)
    if "e" in text:
        digits, power = text.split("e")
        return f"{digits}e{int(power)}"
    return (
        f"{value:.0e}".replace("e+0", "e") if abs(value) >= 1e5 and float(f"{value:.0e}") == value else text
    )
