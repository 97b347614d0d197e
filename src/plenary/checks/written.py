"""Write a known mistake out as one piece of code, though the catalogue makes many of them from a few shared parts.

A mistake is often kept as a right function with one step exchanged: ``backward(through=lambda w, g: g)``. A learner
would have written it in one piece. So what is fixed from outside (a closure's variables) is put in its place:
numbers as numbers, short functions as what they return; a branch that is never taken goes. Types and docstrings go
too. Run, the text does what the original does.
"""

import ast
import builtins
import math
import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from inspect import getsourcefile
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.wrap import wrapped

OURS = "plenary.exercises"
LONGEST_INLINE = 72
"""Characters of an expression that may take the place of a private function's call."""

_BY_MACHINE = {"__module__", "__doc__", "__qualname__", "__dict__", "__weakref__", "__annotations__"}


@dataclass
class Written:
    """A piece of code in its steps, the whole last, and what of the course's own it calls beside that, by name."""

    steps: list[str]
    uses: dict[str, object] = field(default_factory=dict)
    namespace: dict[str, object] = field(default_factory=dict, repr=False)

    @property
    def text(self) -> str:
        """All of it."""
        return "\n\n".join(self.steps)


def written(candidate: object, name: str) -> Written:
    """Write a function or class out under this name.

    Raises:
        LookupError: its source cannot be found.
    """
    scribe = _Scribe()
    nodes = scribe.whole(candidate, name)
    return scribe.result(nodes)


def alone(thing: object, name: str) -> Written:
    """Write out what a mistake calls: a function, a class, or a value of its module."""
    scribe = _Scribe()
    if isinstance(thing, (FunctionType, type)) or hasattr(thing, "__wrapped__"):
        nodes = scribe.whole(thing, name, docstring=True)
    else:
        nodes = [ast.Assign([ast.Name(name, ast.Store())], scribe.value(thing))]
    return scribe.result(nodes)


# ---- Finding the source ---------------------------------------------------------------------------------------


@cache
def _tree(path: str) -> ast.Module:
    text = Path(path).read_text(encoding="utf-8")
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            node.text = ast.get_source_segment(text, node)  # type: ignore[attr-defined]
    return tree


def _node_of(function: FunctionType) -> ast.FunctionDef | ast.Lambda:
    """Find the definition of a function in its file."""
    code, path = function.__code__, getsourcefile(function)
    if path is None or not path.endswith(".py"):
        raise LookupError(f"{function.__qualname__} has no source.")
    if code.co_name != "<lambda>":
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                if first == code.co_firstlineno:
                    return node
        raise LookupError(f"{function.__qualname__} is not in {path}.")
    places = {(line, column) for line, _, column, _ in code.co_positions() if line and column}
    found = [
        node
        for node in ast.walk(_tree(path))
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


def _closure(function: FunctionType) -> dict[str, object]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells if name != "__class__"}


def _ours(value: object) -> bool:
    return str(getattr(value, "__module__", "")).startswith(OURS)


# ---- Writing --------------------------------------------------------------------------------------------------


class _Scribe:
    """Turns objects into syntax; remembers what has to stand before it, and which globals it met."""

    def __init__(self) -> None:
        self.before: list[ast.stmt] = []
        self.namespace: dict[str, object] = {"torch": torch, "F": F, "nn": nn, "math": math, "Tensor": Tensor}
        self._written: dict[str, object] = {}

    def whole(self, thing: object, name: str, docstring: bool = False) -> list[ast.stmt]:
        """Write what is asked for, under its name."""
        thing = getattr(thing, "__wrapped__", thing)
        if isinstance(thing, FunctionType):
            classes = [value for value in _closure(thing).values() if isinstance(value, type)]
            if classes and not docstring:  # what is shared by all that are built this way matters to nobody
                return [self.klass(classes[0], name)]
            return [self.function(thing, name, docstring)]
        if isinstance(thing, type):
            return [self.as_it_stands(thing) if docstring and _in_file(thing) else self.klass(thing, name)]
        return [ast.Assign([ast.Name(name, ast.Store())], self.value(thing))]

    def function(self, function: FunctionType, name: str, docstring: bool = False) -> ast.FunctionDef:
        """Write a function with everything in its place that is fixed from outside."""
        node = _as_def(deepcopy(_node_of(function)), name, docstring)
        self._meet(function)
        node = _Specialiser(self, function, node).visit(node)
        assert isinstance(node, ast.FunctionDef)
        node.body = self._tail(function, node)
        return node

    def as_it_stands(self, cls: type) -> ast.ClassDef:
        """Copy a class from its file, without the types of its methods' arguments."""
        path = getsourcefile(cls)
        if path is None:
            raise LookupError(f"{cls.__qualname__} has no source.")
        found = (n for n in _tree(path).body if isinstance(n, ast.ClassDef) and n.name == cls.__name__)
        node = deepcopy(next(found))
        node.body = [_as_def(o, o.name, True) if isinstance(o, ast.FunctionDef) else o for o in node.body]
        if "mistake" in (ast.get_docstring(node) or ""):
            node.body = node.body[1:]
        self.namespace |= {n: v for n, v in vars(sys.modules[cls.__module__]).items() if n in _names_of(node)}
        return node

    def klass(self, cls: type, name: str) -> ast.ClassDef:
        """Write a class by what it has beside its bases."""
        body: list[ast.stmt] = []
        seen: dict[int, str] = {}
        for member, value in cls.__dict__.items():
            inherited = next((vars(base)[member] for base in cls.__mro__[1:] if member in vars(base)), None)
            if member in _BY_MACHINE or value is inherited:
                continue
            if member.startswith("__") and member not in ("__init__", "__call__"):
                continue
            inner = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
            if isinstance(inner, property):
                inner = inner.fget
            if id(inner) in seen:
                body.append(ast.Assign([ast.Name(member, ast.Store())], _name(seen[id(inner)])))
            elif isinstance(inner, FunctionType):
                made = self.function(inner, member)
                if inner is not value:
                    made.decorator_list = [_name(type(value).__name__)]
                body.append(made)
            elif not member.startswith("__"):
                body.append(ast.Assign([ast.Name(member, ast.Store())], self.value(value)))
            seen[id(inner)] = member
        bases: list[ast.expr] = [self._base(base) for base in cls.__bases__ if base is not object]
        return ast.ClassDef(name, bases, [], body or [ast.Pass()], [])

    def _base(self, base: type) -> ast.expr:
        made = base.__name__.startswith("_") or "<locals>" in base.__qualname__ or not _in_file(base)
        if _ours(base) and made and base.__name__ not in self._written:
            self._written[base.__name__] = base
            self.before.append(self.klass(base, base.__name__))
        return self.value(base)

    def value(self, value: object) -> ast.expr:
        """Write a value where it is used."""
        if isinstance(value, float):
            return _float(value)
        if value is None or isinstance(value, (bool, int, str)):
            return ast.Constant(value)
        if isinstance(value, (tuple, list, set, frozenset)):
            kind = {tuple: ast.Tuple, list: ast.List}.get(type(value), ast.Set)
            parts = [self.value(one) for one in value]
            return ast.Set(parts) if kind is ast.Set else kind(parts, ast.Load())
        if isinstance(value, Mapping):
            return ast.Dict([self.value(k) for k in value], [self.value(v) for v in value.values()])
        if isinstance(value, (torch.dtype, torch.device)):
            return ast.parse(str(value), mode="eval").body
        if isinstance(value, FunctionType) and value.__name__ == "<lambda>":
            made = self.function(value, "_")
            if isinstance(made.body[0], ast.Return) and made.body[0].value is not None:
                return ast.Lambda(made.args, made.body[0].value)
        home = _home(value)
        if home is not None:
            return ast.parse(home, mode="eval").body
        if is_dataclass(value) and not isinstance(value, type):
            self.namespace[type(value).__name__] = type(value)
            given = [(f.name, getattr(value, f.name)) for f in fields(value) if _differs(value, f)]
            return ast.Call(
                _name(type(value).__name__), [], [ast.keyword(n, self.value(v)) for n, v in given]
            )
        name = getattr(value, "__name__", None)
        if not isinstance(name, str) or not name.isidentifier():
            raise LookupError(f"{value!r} cannot be written.")
        if isinstance(value, type) and _ours(value) and not _in_file(value) and name not in self._written:
            self._written[name] = value
            self.before.append(self.klass(value, name))
        self.namespace[name] = value
        return _name(name)

    def step(self, value: FunctionType, name: str) -> ast.expr:
        """Write a step that does not fit into a line: above, under its own name or the one it has here."""
        own = (
            value.__name__ if value.__name__ != "<lambda>" and "<locals>" not in value.__qualname__ else name
        )
        if self._written.get(own, value) is not value:
            own = f"{own}_{sum(one.startswith(own) for one in self._written) + 1}"
        if own not in self._written:
            self._written[own] = value
            made = self.function(value, own)
            self.before.append(made)
        return _name(own)

    def result(self, nodes: Sequence[ast.stmt]) -> Written:
        """Return what was written, without steps that nothing calls any more."""
        needed = list(nodes)
        for step in reversed(self.before):
            assert isinstance(step, (ast.FunctionDef, ast.ClassDef))
            if any(step.name in _names_of(one) for one in needed):
                needed.insert(0, step)
        return Written(list(map(_text, needed)), self.uses_of(needed), self.namespace)

    def uses_of(self, nodes: list[ast.stmt]) -> dict[str, object]:
        """Return what of the course's own is named in the code and not defined in it."""
        defined = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        names = {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}
        found = {}
        for name in sorted(names - defined):
            value = self.namespace.get(name)
            plain = isinstance(value, (int, float, str, tuple, dict, list)) and name.lstrip("_").isupper()
            if name in self.namespace and (_ours(value) or plain):
                found[name] = value
        return found

    def _meet(self, function: FunctionType) -> None:
        names = _names_in(function.__code__)
        for name in names & function.__globals__.keys():
            self.namespace.setdefault(name, function.__globals__[name])

    def _tail(self, function: FunctionType, node: ast.FunctionDef) -> list[ast.stmt]:
        """Put a step's own lines in place of ``return step(x, y)``, if it was written above for this alone."""
        last = node.body[-1]
        if len(node.body) != 1 or not isinstance(last, ast.Return) or not isinstance(last.value, ast.Call):
            return node.body
        call = last.value
        if not isinstance(call.func, ast.Name) or call.keywords:
            return node.body
        step = next(
            (one for one in self.before if isinstance(one, ast.FunctionDef) and one.name == call.func.id),
            None,
        )
        if step is None or self.before[-1] is not step:
            return node.body
        parameters = [one.arg for one in step.args.args]
        if len(parameters) != len(call.args) or not all(isinstance(one, ast.Name) for one in call.args):
            return node.body
        given = [one.id for one in call.args if isinstance(one, ast.Name)]
        inner = _bound(step) - set(parameters)
        if len(set(given)) != len(given) or inner & {one.arg for one in node.args.args}:
            return node.body
        self.before.pop()
        renaming = dict(zip(parameters, given, strict=True))
        return [_Renamer(renaming).visit(one) for one in step.body]


class _Specialiser(ast.NodeTransformer):
    """Puts into a function what is fixed from outside, and drops what is never reached."""

    def __init__(self, scribe: _Scribe, function: FunctionType, node: ast.FunctionDef) -> None:
        self.scribe, self.fixed, self.globals = scribe, _closure(function), function.__globals__
        self.taken = _bound(node)
        self.defaults = _defaults_of_maker(function)
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
        if node.id not in self.fixed or not isinstance(node.ctx, ast.Load):
            return node
        value = self.fixed[node.id]
        if isinstance(value, FunctionType) and _ours(value):
            short = self._short(value)
            if short is not None:
                return ast.Lambda(short.args, short.body[0].value)  # type: ignore[attr-defined]
            if self.defaults.get(node.id) is value and value.__name__ != "<lambda>":
                return self.scribe.value(value)
            return self.scribe.step(value, node.id)
        return self.scribe.value(value)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        each = _each_of_a_tuple(node)
        if each is not None:
            return self.visit(each)
        called = self._called(node.func)
        if called is None:
            return self.generic_visit(node)  # type: ignore[return-value]
        node.args = [self.visit(one) for one in node.args]
        node.keywords = [self.visit(one) for one in node.keywords]
        if isinstance(called, FunctionType) and _ours(called):
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
        made.ifs = [one for one in made.ifs if not _always(one)]
        return made

    def visit_Expr(self, node: ast.Expr) -> ast.stmt | list[ast.stmt]:
        """Put the lines of a step in place of its call, where it gives nothing back."""
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            value = self.fixed.get(call.func.id)
            if (
                isinstance(value, FunctionType)
                and _ours(value)
                and all(isinstance(a, ast.Name) for a in call.args)
            ):
                made = self.scribe.function(value, "_")
                silent = not any(isinstance(one, ast.Return) for one in ast.walk(made))
                parameters = [one.arg for one in made.args.args]
                fresh = not (_bound(made) - set(parameters)) & self.taken
                if silent and fresh and len(parameters) == len(call.args):
                    given = [a.id for a in call.args if isinstance(a, ast.Name)]
                    renaming = dict(zip(parameters, given, strict=True))
                    return [_Renamer(renaming).visit(one) for one in made.body]
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        if len(node.ops) == 1 and isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            left, right = node.left, node.comparators[0]
            none = isinstance(right, ast.Constant) and right.value is None
            if none and isinstance(left, ast.Name) and left.id in self.fixed:
                same = self.fixed[left.id] is None
                return ast.Constant(same == isinstance(node.ops[0], ast.Is))
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        node.operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Constant):
            return ast.Constant(not node.operand.value)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        fixed = isinstance(node.right, ast.Name) and node.right.id in self.fixed
        node = self.generic_visit(node)  # type: ignore[assignment]
        zero = isinstance(node.right, ast.Constant) and node.right.value == 0
        return node.left if fixed and zero and isinstance(node.op, (ast.Add, ast.Sub)) else node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
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
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return self.visit(node.body if test.value else node.orelse)
        return ast.IfExp(test, self.visit(node.body), self.visit(node.orelse))

    def visit_If(self, node: ast.If) -> ast.stmt | list[ast.stmt]:
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return self._lines(node.body if test.value else node.orelse)
        return ast.If(test, self._lines(node.body) or [ast.Pass()], self._lines(node.orelse))

    def visit_With(self, node: ast.With) -> ast.stmt | list[ast.stmt]:
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
        return value if private and isinstance(value, FunctionType) and _ours(value) else None

    def _short(self, value: FunctionType) -> ast.FunctionDef | None:
        """Return a function that is a single expression and names nothing that means something else here."""
        try:
            made = _Scribe.function(_Quiet(self.scribe), value, "_")
        except LookupError:
            return None
        only = made.body[0]
        if len(made.body) != 1 or not isinstance(only, ast.Return) or only.value is None:
            return None
        if value.__name__ != "<lambda>" and len(ast.unparse(only.value)) > LONGEST_INLINE:
            return None
        if made.args.vararg or made.args.kwarg or made.args.kwonlyargs:
            return None
        free = {n.id for n in ast.walk(only.value) if isinstance(n, ast.Name)} - _bound(made)
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
        inner = _bound(made) - set(parameters)
        named: list[ast.stmt] = []
        for parameter, argument in given.items():
            times = sum(isinstance(n, ast.Name) and n.id == parameter for n in ast.walk(only.value))
            if _names_of(argument) & inner:
                return None
            if times > 1 and not _plain(argument):
                if self.nested or parameter in self.taken:
                    return None
                named.append(ast.Assign([ast.Name(parameter, ast.Store())], argument))
                given[parameter] = _name(parameter)
        self.hoisted += named
        self.taken |= {one.targets[0].id for one in named}  # type: ignore[attr-defined]
        for name in _names_of(only.value) & called.__globals__.keys():
            self.scribe.namespace.setdefault(name, called.__globals__[name])
        return _Renamer(given).visit(deepcopy(only.value))


class _Quiet(_Scribe):
    """Tries to write something; what has to stand before it goes to the scribe that is in charge."""

    def __init__(self, scribe: _Scribe) -> None:
        super().__init__()
        self.before, self.namespace, self._written = scribe.before, scribe.namespace, scribe._written


class _Renamer(ast.NodeTransformer):
    """Puts names or expressions in place of parameters."""

    def __init__(self, given: Mapping[str, str | ast.expr]) -> None:
        self.given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self.given.get(node.id)
        if value is None:
            return node
        return ast.Name(value, node.ctx) if isinstance(value, str) else deepcopy(value)


def _as_def(node: ast.FunctionDef | ast.Lambda, name: str, docstring: bool) -> ast.FunctionDef:
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


def _each_of_a_tuple(node: ast.Call) -> ast.Tuple | None:
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
    return ast.Tuple([_Renamer({target: e}).visit(deepcopy(made.elt)) for e in one.iter.elts], ast.Load())


def _always(condition: ast.expr) -> bool:
    last = condition.values[-1] if isinstance(condition, ast.BoolOp) else condition
    either = not isinstance(condition, ast.BoolOp) or isinstance(condition.op, ast.Or)
    return either and isinstance(last, ast.Constant) and bool(last.value)


def _is_cache(decorator: ast.expr) -> bool:
    names = {n.id for n in ast.walk(decorator) if isinstance(n, ast.Name)}
    return bool(names & {"cache", "lru_cache", "staticmethod", "classmethod", "property"})


def _bound(node: ast.AST) -> set[str]:
    """Return the names that are bound anywhere in a definition."""
    bound = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    return bound | {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _plain(node: ast.expr) -> bool:
    """Whether an expression may be written twice: a name, a number, an attribute of a name."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, (ast.Name, ast.Constant))


def _names_of(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _names_in(code: Any) -> set[str]:
    inner = (one for one in code.co_consts if hasattr(one, "co_names"))
    return set(code.co_names).union(*map(_names_in, inner))


def _in_file(cls: type) -> bool:
    """Whether a class was written, not made by ``type``, and where others can name it."""
    module = sys.modules.get(cls.__module__)
    return getattr(module, cls.__qualname__, None) is cls


def _defaults_of_maker(function: FunctionType) -> dict[str, object]:
    """Return the defaults of the function that made this one: the steps as they should be."""
    maker, inside, _ = function.__qualname__.rpartition(".<locals>.")
    made_by = function.__globals__.get(maker) if inside else None
    if not isinstance(made_by, FunctionType):
        return {}
    names = made_by.__code__.co_varnames[: made_by.__code__.co_argcount]
    plain = dict(zip(reversed(names), reversed(made_by.__defaults__ or ()), strict=False))
    return {**plain, **(made_by.__kwdefaults__ or {})}


def _home(value: object) -> str | None:
    """Return the usual name of something of torch's or Python's own."""
    name = getattr(value, "__name__", None)
    if not isinstance(name, str):
        return None
    for module, short in ((torch, "torch"), (F, "F"), (nn, "nn"), (Tensor, "Tensor"), (math, "math")):
        if getattr(module, name, None) is value:
            return f"{short}.{name}"
    if isinstance(value, (BuiltinFunctionType, type)) and getattr(builtins, name, None) is value:
        return name
    return None


def _differs(value: object, which: Any) -> bool:
    given = getattr(value, which.name)
    return given is not which.default and given != which.default


def _float(value: float) -> ast.expr:
    if math.isnan(value) or math.isinf(value):
        name = ast.Attribute(_name("math"), "nan" if math.isnan(value) else "inf", ast.Load())
        return ast.UnaryOp(ast.USub(), name) if value < 0 else name
    made = ast.Constant(abs(value))
    return ast.UnaryOp(ast.USub(), made) if value < 0 else made


# ---- Text -----------------------------------------------------------------------------------------------------


def _text(node: ast.stmt) -> str:
    return wrapped(ast.unparse(_Spelling().visit(ast.fix_missing_locations(deepcopy(node)))))


class _Spelling(ast.NodeTransformer):
    """Writes numbers and strings as the course does, which ``ast.unparse`` would not."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, float):
            return _name(getattr(node, "text", None) or _number(node.value))
        if isinstance(node.value, str) and not set(node.value) & set('"\\\n'):
            return _name(f'"{node.value}"')
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
