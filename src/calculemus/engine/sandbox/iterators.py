"""Where ``mini`` computes at once what CPython computes as it goes along.

``map``, ``zip``, ``enumerate``, generator expressions and their like are lists in ``mini``. A program cannot
tell as long as it uses them up where it makes them, calls nothing in them that has effects, and changes
nothing underneath meanwhile. This module sees whether that is so.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence, Set

from calculemus.engine.sandbox.subset import MODULES, listed

_LAZY = listed("lazy") | MODULES["itertools"]
_USING_UP = listed("using_up") | (_LAZY - {"reversed"})
_CHANGING = listed("changing")
_PURE = listed("pure") | MODULES["math"] | _LAZY


def _called(node: ast.AST) -> str | None:
    """Return the last name of what a call calls, None for anything but a call."""
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def _is_lazy(node: ast.AST) -> bool:
    return isinstance(node, ast.GeneratorExp) or _called(node) in _LAZY


def _is_pure(node: ast.AST) -> bool:
    """Say whether it makes no difference when, or whether, a lazy expression is computed."""
    for part in ast.walk(node):
        called = _called(part)
        if isinstance(part, ast.NamedExpr) or (called is not None and called not in _PURE):
            return False
        if called in ("map", "filter") and not _is_known_function(part):
            return False
    return True


def _is_known_function(call: ast.AST) -> bool:
    first = call.args[0] if isinstance(call, ast.Call) and call.args else None
    return isinstance(first, ast.Lambda) or (isinstance(first, ast.Name) and first.id in _PURE)


def _root(node: ast.AST) -> str:
    """Return the variable at the bottom of ``a[i].b``; nothing for what is no variable."""
    while isinstance(node, (ast.Subscript, ast.Attribute, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


_ANYTHING = "*"


def _changes(part: ast.AST) -> Iterator[str]:
    """Yield the variables whose contents one node may change."""
    called = _called(part)
    if isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store):
        yield _root(part)
    elif isinstance(part, ast.AugAssign):
        yield _root(part.target)
    elif isinstance(part, ast.Call) and called in _CHANGING:
        yield from map(_root, (part.func, *part.args))
    elif called is not None and called not in _PURE and called != "print":
        yield _ANYTHING


def _leaves_alone(nodes: Iterable[ast.AST], iterated: ast.AST) -> bool:
    """Say whether a piece of program changes nothing that a lazy expression goes over."""
    changed = {name for node in nodes for part in ast.walk(node) for name in _changes(part)}
    over = {part.id for part in ast.walk(iterated) if isinstance(part, ast.Name)}
    return _ANYTHING not in changed and over.isdisjoint(changed)


def _goes_over(node: ast.AST) -> Iterator[tuple[ast.AST, Iterable[ast.AST]]]:
    """Yield what a node iterates over, with what it computes meanwhile."""
    if isinstance(node, ast.For):
        yield node.iter, node.body
    elif isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        for generator in node.generators:
            yield generator.iter, (node.elt, *generator.ifs)
    elif isinstance(node, ast.DictComp):
        for generator in node.generators:
            yield generator.iter, (node.key, node.value, *generator.ifs)


def _uses_up(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the expressions of which a node takes every item at once."""
    if _called(node) in _USING_UP and isinstance(node, ast.Call):
        yield from node.args
    elif isinstance(node, ast.Starred) or (
        isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Tuple, ast.List))
    ):
        yield node.value
    for iterated, meanwhile in _goes_over(node):
        if not _is_lazy(iterated) or _leaves_alone(meanwhile, iterated):
            yield iterated


def first_kept(nodes: Sequence[ast.AST], names: Set[str]) -> str | None:
    """Return the first lazy expression of a program that may show; None where none does.

    Args:
        nodes: All nodes, parents before their children.
        names: All names in the program, attributes too.
    """
    kinds = set(map(type, nodes))
    if ast.GeneratorExp not in kinds and names.isdisjoint(_LAZY):
        return None  # most programs: they are spared the rest
    used_up: set[int] = set()
    for node in nodes:
        used_up.update(map(id, _uses_up(node)))
        if _is_lazy(node) and (id(node) not in used_up or not _is_pure(node)):
            return f"{_called(node) or 'a generator expression'} that is kept or has effects"
    return None
