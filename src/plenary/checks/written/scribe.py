"""Objects as syntax: functions, classes and values, with the steps that have to stand before them."""

import ast
import builtins
import math
import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, fields, is_dataclass
from inspect import getsourcefile
from types import BuiltinFunctionType, FunctionType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.written.nodes import Renamer, bound_names, name_node, names_of
from plenary.checks.written.source import as_def, closure, in_file, names_in, node_of, ours, tree_of
from plenary.checks.written.specialise import Specialiser
from plenary.checks.written.spelling import text_of

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


class Scribe:
    """Turns objects into syntax; remembers what has to stand before it, and which globals it met."""

    def __init__(self) -> None:
        self.before: list[ast.stmt] = []
        self.namespace: dict[str, object] = {"torch": torch, "F": F, "nn": nn, "math": math, "Tensor": Tensor}
        self._written: dict[str, object] = {}

    def whole(self, thing: object, name: str, docstring: bool = False) -> list[ast.stmt]:
        """Write what is asked for, under its name."""
        thing = getattr(thing, "__wrapped__", thing)
        if isinstance(thing, FunctionType):
            classes = [value for value in closure(thing).values() if isinstance(value, type)]
            if classes and not docstring:  # what is shared by all that are built this way matters to nobody
                return [self.klass(classes[0], name)]
            return [self.function(thing, name, docstring)]
        if isinstance(thing, type):
            return [self.as_it_stands(thing) if docstring and in_file(thing) else self.klass(thing, name)]
        return [ast.Assign([ast.Name(name, ast.Store())], self.value(thing))]

    def function(self, function: FunctionType, name: str, docstring: bool = False) -> ast.FunctionDef:
        """Write a function with everything in its place that is fixed from outside."""
        node = as_def(deepcopy(node_of(function)), name, docstring)
        self._meet(function)
        node = Specialiser(self, function, node).visit(node)
        assert isinstance(node, ast.FunctionDef)
        node.body = self._tail(function, node)
        return node

    def quietly(self, function: FunctionType) -> ast.FunctionDef:
        """Try to write a function; what has to stand before it, and what it names, stay with this scribe."""
        return _Quiet(self).function(function, "_")

    def as_it_stands(self, cls: type) -> ast.ClassDef:
        """Copy a class from its file, without the types of its methods' arguments."""
        path = getsourcefile(cls)
        if path is None:
            raise LookupError(f"{cls.__qualname__} has no source.")
        found = (n for n in tree_of(path).body if isinstance(n, ast.ClassDef) and n.name == cls.__name__)
        node = deepcopy(next(found))
        node.body = [as_def(o, o.name, True) if isinstance(o, ast.FunctionDef) else o for o in node.body]
        if "mistake" in (ast.get_docstring(node) or ""):
            node.body = node.body[1:]
        self.namespace |= {n: v for n, v in vars(sys.modules[cls.__module__]).items() if n in names_of(node)}
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
                body.append(ast.Assign([ast.Name(member, ast.Store())], name_node(seen[id(inner)])))
            elif isinstance(inner, FunctionType):
                made = self.function(inner, member)
                if inner is not value:
                    made.decorator_list = [name_node(type(value).__name__)]
                body.append(made)
            elif not member.startswith("__"):
                body.append(ast.Assign([ast.Name(member, ast.Store())], self.value(value)))
            seen[id(inner)] = member
        bases: list[ast.expr] = [self._base(base) for base in cls.__bases__ if base is not object]
        return ast.ClassDef(name, bases, [], body or [ast.Pass()], [])

    def _base(self, base: type) -> ast.expr:
        made = base.__name__.startswith("_") or "<locals>" in base.__qualname__ or not in_file(base)
        if ours(base) and made and base.__name__ not in self._written:
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
                name_node(type(value).__name__), [], [ast.keyword(n, self.value(v)) for n, v in given]
            )
        name = getattr(value, "__name__", None)
        if not isinstance(name, str) or not name.isidentifier():
            raise LookupError(f"{value!r} cannot be written.")
        if isinstance(value, type) and ours(value) and not in_file(value) and name not in self._written:
            self._written[name] = value
            self.before.append(self.klass(value, name))
        self.namespace[name] = value
        return name_node(name)

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
        return name_node(own)

    def result(self, nodes: Sequence[ast.stmt]) -> Written:
        """Return what was written, without steps that nothing calls any more."""
        needed = list(nodes)
        for step in reversed(self.before):
            assert isinstance(step, (ast.FunctionDef, ast.ClassDef))
            if any(step.name in names_of(one) for one in needed):
                needed.insert(0, step)
        return Written(list(map(text_of, needed)), self.uses_of(needed), self.namespace)

    def uses_of(self, nodes: list[ast.stmt]) -> dict[str, object]:
        """Return what of the course's own is named in the code and not defined in it."""
        defined = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        names = {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}
        found = {}
        for name in sorted(names - defined):
            value = self.namespace.get(name)
            plain = isinstance(value, (int, float, str, tuple, dict, list)) and name.lstrip("_").isupper()
            if name in self.namespace and (ours(value) or plain):
                found[name] = value
        return found

    def _meet(self, function: FunctionType) -> None:
        names = names_in(function.__code__)
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
        inner = bound_names(step) - set(parameters)
        if len(set(given)) != len(given) or inner & {one.arg for one in node.args.args}:
            return node.body
        self.before.pop()
        renaming = dict(zip(parameters, given, strict=True))
        return [Renamer(renaming).visit(one) for one in step.body]


class _Quiet(Scribe):
    """Tries to write something; what has to stand before it goes to the scribe that is in charge."""

    def __init__(self, scribe: Scribe) -> None:
        super().__init__()
        self.before, self.namespace, self._written = scribe.before, scribe.namespace, scribe._written


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
        name = ast.Attribute(name_node("math"), "nan" if math.isnan(value) else "inf", ast.Load())
        return ast.UnaryOp(ast.USub(), name) if value < 0 else name
    made = ast.Constant(abs(value))
    return ast.UnaryOp(ast.USub(), made) if value < 0 else made
