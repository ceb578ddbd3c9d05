"""The part of Python that ``mini`` runs as CPython does, bit for bit, and how to see it.

The interpreter of ``mini`` refuses most of what it lacks, and then the next tier takes over. What must be
known beforehand is where it would answer differently: the order of sets, identity, the text of errors, what
functions and types print as. So this lists what has been compared, and everything else goes to CPython.
"""

import ast
import builtins
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def listed(name: str) -> frozenset[str]:
    """Return the names under a heading of ``subset.toml``."""
    return frozenset(_TABLE[name].split())


MODULES = {name: frozenset(members.split()) for name, members in _TABLE["modules"].items()}
# From Python 3.12 on ``sum`` of floats carries the error along; the interpreter of ``mini`` does not.
_DIFFERENT = frozenset({"sum"} if sys.version_info >= (3, 12) else ())
_ACCEPTED_BUILTINS = listed("builtins") - _DIFFERENT
_BUILTINS = frozenset(vars(builtins))
_NODES = frozenset(getattr(ast, name) for name in listed("nodes"))
_ATTRIBUTES = listed("methods").union(*MODULES.values())
_PLAIN_CONSTANTS = (int, float, str, bool, type(None), type(...))


def _constant(node: ast.Constant) -> str | None:
    return None if isinstance(node.value, _PLAIN_CONSTANTS) else f"a constant of {type(node.value).__name__}"


def _name(node: ast.Name) -> str | None:
    if node.id in _ACCEPTED_BUILTINS:
        return None
    return node.id if node.id in _BUILTINS or node.id.startswith("__") else None


def _attribute(node: ast.Attribute) -> str | None:
    return None if node.attr in _ATTRIBUTES else f".{node.attr}"


def _import(node: ast.Import) -> str | None:
    return next((f"import {alias.name}" for alias in node.names if alias.name not in MODULES), None)


def _import_from(node: ast.ImportFrom) -> str | None:
    known = MODULES.get(node.module or "", frozenset())
    return next(
        (f"import {node.module}.{alias.name}" for alias in node.names if alias.name not in known), None
    )


def _compare(node: ast.Compare) -> str | None:
    """Let ``is`` through where it asks for None, True or False."""
    if not any(isinstance(operator, (ast.Is, ast.IsNot)) for operator in node.ops):
        return None
    (*_, right) = node.comparators
    single = isinstance(right, ast.Constant) and isinstance(right.value, (bool, type(None)))
    return None if single and len(node.ops) == 1 else "is"


def _function(node: ast.FunctionDef) -> str | None:
    if node.name in _BUILTINS:
        return f"def {node.name}"
    cached = all(_last_name(each) in ("cache", "lru_cache") for each in node.decorator_list)
    return None if cached else "a decorator"


def _last_name(node: ast.expr) -> str:
    """Return the name that an expression like ``functools.lru_cache(None)`` ends in."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _handler(node: ast.ExceptHandler) -> str | None:
    return None if node.name is None else "the text of an error"


_CHECKS: dict[type[ast.AST], Callable[[Any], str | None]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Compare: _compare,
    ast.FunctionDef: _function,
    ast.ExceptHandler: _handler,
}


def first_misplaced(statements: Iterable[ast.stmt], nodes: Sequence[ast.AST]) -> str | None:
    """Return what CPython refuses after parsing and ``mini`` does not; None where there is none.

    Args:
        statements: Those outside functions.
        nodes: All nodes.
    """
    if any(isinstance(node, ast.Return) for node in statements):
        return "return outside a function"
    kinds = set(map(type, nodes))
    if ast.NamedExpr in kinds and not kinds.isdisjoint((ast.ListComp, ast.DictComp, ast.GeneratorExp)):
        return ":= beside a comprehension"
    if not kinds.isdisjoint((ast.Global, ast.Nonlocal)):
        parameters = {node.arg for node in nodes if isinstance(node, ast.arg)}
        for node in nodes:
            if isinstance(node, (ast.Global, ast.Nonlocal)) and not parameters.isdisjoint(node.names):
                return "a parameter that is global"
    for node in nodes if ast.Try in kinds else ():
        if isinstance(node, ast.Try) and any(handler.type is None for handler in node.handlers[:-1]):
            return "a bare except before another"
    return None


def first_stranger(nodes: Iterable[ast.AST]) -> str | None:
    """Return the first thing in a program that is not in the list; None where everything is."""
    for node in nodes:
        kind = type(node)
        check = _CHECKS.get(kind)
        if check is None:
            if kind not in _NODES:
                return kind.__name__
        elif (found := check(node)) is not None:
            return found
    return None
