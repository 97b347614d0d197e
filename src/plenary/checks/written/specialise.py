"""What is fixed from outside is put in its place: values, short steps; a branch that is never taken goes."""

import ast
from copy import deepcopy
from types import FunctionType, MethodDescriptorType
from typing import TYPE_CHECKING, Any

from plenary.checks.written.nodes import (
    Renamer,
    always,
    bound_names,
    each_of_a_tuple,
    is_plain,
    name_node,
    names_of,
)
from plenary.checks.written.source import closure, defaults_of_maker, ours

if TYPE_CHECKING:
    from plenary.checks.written.scribe import Scribe

LONGEST_INLINE = 72
"""Characters of an expression that may take the place of a private function's call."""


class Specialiser(ast.NodeTransformer):
    """Puts into a function what is fixed from outside, and drops what is never reached."""

    def __init__(self, scribe: "Scribe", function: FunctionType, node: ast.FunctionDef) -> None:
        self.scribe, self.fixed, self.globals = scribe, closure(function), function.__globals__
        self.taken = bound_names(node)
        self.defaults = defaults_of_maker(function)
        self.hoisted: list[ast.stmt] = []
        self.nested = 0

    def visit(self, node: ast.AST) -> Any:
        """Visit a node; what has to be computed before a statement is put in front of it."""
        inner = isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp))
        self.nested += inner
        made = super().visit(node)
        self.nested -= inner
        if isinstance(node, (ast.Assign, ast.Return, ast.Expr)) and self.hoisted:
            made = [*self.hoisted, *(made if isinstance(made, list) else [made] if made else [])]
            self.hoisted = []
        return made

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Write a value that is fixed from outside where it is used."""
        if node.id not in self.fixed or not isinstance(node.ctx, ast.Load):
            return node
        value = self.fixed[node.id]
        if isinstance(value, FunctionType) and ours(value):
            short = self._short(value)
            if short is not None:
                return ast.Lambda(short.args, short.body[0].value)  # type: ignore[attr-defined]
            if self.defaults.get(node.id) is value and value.__name__ != "<lambda>":
                return self.scribe.value(value)
            return self.scribe.step(value, node.id)
        return self.scribe.value(value)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Put a short step in place of its call, a longer one above."""
        each = each_of_a_tuple(node)
        if each is not None:
            return self.visit(each)
        called = self._called(node.func)
        if called is None:
            return self.generic_visit(node)  # type: ignore[return-value]
        node.args = [self.visit(one) for one in node.args]
        node.keywords = [self.visit(one) for one in node.keywords]
        if isinstance(called, FunctionType) and ours(called):
            inlined = self._inlined(called, node)
            if inlined is not None:
                return inlined
            if called.__name__ == "<lambda>" and isinstance(node.func, ast.Name):
                node.func = self.scribe.step(called, node.func.id)
                return node
        if isinstance(called, MethodDescriptorType) and node.args:
            return ast.Call(
                ast.Attribute(node.args[0], called.__name__, ast.Load()), node.args[1:], node.keywords
            )
        node.func = self.visit(node.func)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.stmt | None:
        """Drop what gives a name the value that it has."""
        made = self.generic_visit(node)
        assert isinstance(made, ast.Assign)
        same = [
            isinstance(one, ast.Name) and one.id == getattr(made.value, "id", None) for one in made.targets
        ]
        return None if all(same) else made

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        """Drop a condition that always holds."""
        made = self.generic_visit(node)
        assert isinstance(made, ast.comprehension)
        made.ifs = [one for one in made.ifs if not always(one)]
        return made

    def visit_Expr(self, node: ast.Expr) -> ast.stmt | list[ast.stmt]:
        """Put the lines of a step in place of its call, where it gives nothing back."""
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            value = self.fixed.get(call.func.id)
            if (
                isinstance(value, FunctionType)
                and ours(value)
                and all(isinstance(a, ast.Name) for a in call.args)
            ):
                made = self.scribe.function(value, "_")
                silent = not any(isinstance(one, ast.Return) for one in ast.walk(made))
                parameters = [one.arg for one in made.args.args]
                fresh = not (bound_names(made) - set(parameters)) & self.taken
                if silent and fresh and len(parameters) == len(call.args):
                    given = [a.id for a in call.args if isinstance(a, ast.Name)]
                    renaming = dict(zip(parameters, given, strict=True))
                    return [Renamer(renaming).visit(one) for one in made.body]
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Decide whether something fixed is None."""
        if len(node.ops) == 1 and isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            left, right = node.left, node.comparators[0]
            none = isinstance(right, ast.Constant) and right.value is None
            if none and isinstance(left, ast.Name) and left.id in self.fixed:
                same = self.fixed[left.id] is None
                return ast.Constant(same == isinstance(node.ops[0], ast.Is))
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """Turn a known condition round."""
        node.operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Constant):
            return ast.Constant(not node.operand.value)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Drop a fixed zero that is added."""
        fixed = isinstance(node.right, ast.Name) and node.right.id in self.fixed
        node = self.generic_visit(node)  # type: ignore[assignment]
        zero = isinstance(node.right, ast.Constant) and node.right.value == 0
        return node.left if fixed and zero and isinstance(node.op, (ast.Add, ast.Sub)) else node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """Drop what is known of a condition."""
        deciding = isinstance(node.op, ast.Or)
        left: list[ast.expr] = []
        for one in map(self.visit, node.values):
            if not isinstance(one, ast.Constant):
                left.append(one)
            elif bool(one.value) == deciding:
                left.append(one)
                break
        if len(left) <= 1:
            return left[0] if left else ast.Constant(not deciding)
        node.values = left
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """Keep the branch that is taken, if that is known."""
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return self.visit(node.body if test.value else node.orelse)
        return ast.IfExp(test, self.visit(node.body), self.visit(node.orelse))

    def visit_If(self, node: ast.If) -> ast.stmt | list[ast.stmt]:
        """Keep the branch that is taken, if that is known."""
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return self._lines(node.body if test.value else node.orelse)
        return ast.If(test, self._lines(node.body) or [ast.Pass()], self._lines(node.orelse))

    def visit_With(self, node: ast.With) -> ast.stmt | list[ast.stmt]:
        """Drop a context that does nothing."""
        node = self.generic_visit(node)  # type: ignore[assignment]
        context = node.items[0].context_expr
        return node.body if ast.unparse(context) == "nullcontext()" else node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        """Write what is done about an error."""
        node.body = self._lines(node.body)
        return node

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        """Write out what is unpacked into a dictionary."""
        node = self.generic_visit(node)  # type: ignore[assignment]
        keys: list[ast.expr | None] = []
        values: list[ast.expr] = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None and isinstance(value, ast.Dict):
                keys += value.keys
                values += value.values
            else:
                keys.append(key)
                values.append(value)
        return ast.Dict(keys, values)

    def visit_Tuple(self, node: ast.Tuple) -> ast.expr:
        """Write out what is unpacked into a tuple."""
        node = self.generic_visit(node)  # type: ignore[assignment]
        parts: list[ast.expr] = []
        for one in node.elts:
            inner = one.value if isinstance(one, ast.Starred) else None
            parts += inner.elts if isinstance(inner, ast.Tuple) else [one]
        return ast.Tuple(parts, node.ctx)

    def _lines(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        lines: list[ast.stmt] = []
        for one in statements:
            made = self.visit(one)
            lines += made if isinstance(made, list) else [made] if made else []
            if lines and isinstance(lines[-1], (ast.Return, ast.Raise, ast.Break, ast.Continue)):
                break  # what follows is never reached
        return lines

    def _called(self, function: ast.expr) -> object | None:
        """Return what is called, if it may be put in place: fixed from outside, or private to a module of ours."""
        if not isinstance(function, ast.Name):
            return None
        if function.id in self.fixed:
            return self.fixed[function.id]
        value = self.globals.get(function.id)
        private = function.id.startswith("_") and function.id not in self.taken
        return value if private and isinstance(value, FunctionType) and ours(value) else None

    def _short(self, value: FunctionType) -> ast.FunctionDef | None:
        """Return a function that is a single expression and names nothing that means something else here."""
        try:
            made = self.scribe.quietly(value)
        except LookupError:
            return None
        only = made.body[0]
        if len(made.body) != 1 or not isinstance(only, ast.Return) or only.value is None:
            return None
        if value.__name__ != "<lambda>" and len(ast.unparse(only.value)) > LONGEST_INLINE:
            return None
        if made.args.vararg or made.args.kwarg or made.args.kwonlyargs:
            return None
        free = {n.id for n in ast.walk(only.value) if isinstance(n, ast.Name)} - bound_names(made)
        return None if free & self.taken else made

    def _inlined(self, called: FunctionType, node: ast.Call) -> ast.expr | None:
        made = self._short(called)
        if made is None or any(isinstance(one, ast.Starred) for one in node.args) or node.keywords:
            return None
        parameters = [one.arg for one in made.args.args]
        defaults = dict(zip(reversed(parameters), reversed(made.args.defaults), strict=False))
        given = dict(zip(parameters, node.args, strict=False))
        if len(node.args) > len(parameters) or not all(p in given or p in defaults for p in parameters):
            return None
        given = {**defaults, **given}
        only = made.body[0]
        assert isinstance(only, ast.Return)
        assert only.value is not None
        inner = bound_names(made) - set(parameters)
        named: list[ast.stmt] = []
        for parameter, argument in given.items():
            times = sum(isinstance(n, ast.Name) and n.id == parameter for n in ast.walk(only.value))
            if names_of(argument) & inner:
                return None
            if times > 1 and not is_plain(argument):
                if self.nested or parameter in self.taken:
                    return None
                named.append(ast.Assign([ast.Name(parameter, ast.Store())], argument))
                given[parameter] = name_node(parameter)
        self.hoisted += named
        self.taken |= {one.targets[0].id for one in named}  # type: ignore[attr-defined]
        for name in names_of(only.value) & called.__globals__.keys():
            self.scribe.namespace.setdefault(name, called.__globals__[name])
        return Renamer(given).visit(deepcopy(only.value))
