"""Which functions a program calls and nobody has defined, read off its syntax without running it.

Python's own rules of scope: a name is local to a function that binds it anywhere, a class lends its names to
nobody below it, and a comprehension keeps its targets to itself. A name that the module binds anywhere, in a
branch that may not be taken too, counts as defined.
"""

import ast
import builtins
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

BUILTINS = frozenset(vars(builtins))
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# Functions that call what they are given: first, or as their ``key``.
_CALLS_FIRST = ("map", "filter", "reduce", "filterfalse", "takewhile", "dropwhile", "starmap")
_KEY = "key"


@dataclass(frozen=True, slots=True)
class Missing:
    """A function that is called and not defined.

    Attributes:
        name: What it is called by.
        uses: The calls, in their order; where it is handed to ``map`` or as a ``key``, its name there.
    """

    name: str
    uses: tuple[ast.expr, ...]


@dataclass(slots=True)
class _Scope:
    """A piece of program with names of its own; the one without a parent is the module."""

    names: set[str]
    outer: set[str] = field(default_factory=set)
    is_class: bool = False
    parent: "_Scope | None" = None

    def finds(self, name: str) -> bool:
        """Say whether a name is bound here or further out."""
        scope: _Scope | None = self
        while scope is not None and scope.parent is not None:
            if name in scope.outer:  # declared global: the scopes in between have no say
                break
            if name in scope.names and (scope is self or not scope.is_class):
                return True
            scope = scope.parent
        while scope is not None and scope.parent is not None:
            scope = scope.parent
        return scope is not None and name in scope.names


def _parameters(arguments: ast.arguments) -> Iterator[str]:
    for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        yield each.arg
    for rest in (arguments.vararg, arguments.kwarg):
        if rest is not None:
            yield rest.arg


def _binds(node: ast.AST) -> Iterator[str]:
    """Yield the names that one node binds in its scope."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def _within(node: ast.AST, in_comprehension: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Yield what lies directly below a node, in the same scope or in a comprehension of it."""
    for child in ast.iter_child_nodes(node):
        yield child, in_comprehension or isinstance(node, _COMPREHENSIONS)


def _bindings(body: Iterable[ast.AST]) -> tuple[set[str], set[str]]:
    """Return the names that are bound in a scope, and those that it declares to be global."""
    names: set[str] = set()
    outer: set[str] = set()
    waiting = [(node, False) for node in body]
    while waiting:
        node, in_comprehension = waiting.pop()
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            outer.update(node.names if isinstance(node, ast.Global) else ())
            continue
        if isinstance(node, ast.NamedExpr):  # binds around a comprehension, too
            names.add(node.target.id)
        elif not in_comprehension:
            names.update(_binds(node))
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            continue
        waiting.extend(_within(node, in_comprehension))
    return names, outer


def _all_global(tree: ast.Module) -> set[str]:
    """Return the names that the module binds, in functions that declare them global too."""
    names, _ = _bindings(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound, outer = _bindings(node.body)
            names |= bound & outer
    return names


def bound_names(tree: ast.Module) -> frozenset[str]:
    """Return the global names that a program binds anywhere."""
    return frozenset(_all_global(tree))


def _has_star(tree: ast.Module) -> bool:
    return "*" in _all_global(tree)


_Work = tuple[ast.AST, _Scope]


def _below_function(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: _Scope) -> list[_Work]:
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    names, outer = _bindings(body)
    inner = _Scope((names - outer) | set(_parameters(node.args)), outer, parent=scope)
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    around = [*decorators, node.args]
    return [*((each, scope) for each in around), *((each, inner) for each in body)]


def _below_class(node: ast.ClassDef, scope: _Scope) -> list[_Work]:
    names, outer = _bindings(node.body)
    inner = _Scope(names - outer, outer, is_class=True, parent=scope)
    around = [*node.decorator_list, *node.bases, *node.keywords]
    return [*((each, scope) for each in around), *((each, inner) for each in node.body)]


def _below_comprehension(
    node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: _Scope
) -> list[_Work]:
    targets: set[str] = set()
    for generator in node.generators:
        targets |= _bindings([generator.target])[0]
    inner = _Scope(targets, parent=scope)
    first, *others = node.generators
    made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    work: list[_Work] = [(each, inner) for each in made]
    work.append((first.iter, scope))  # what it goes over first is computed outside of it
    return [*work, *((each, inner) for each in (*first.ifs, *others))]


def _below(node: ast.AST, scope: _Scope) -> list[_Work]:
    if isinstance(node, _FUNCTIONS):
        return _below_function(node, scope)
    if isinstance(node, ast.ClassDef):
        return _below_class(node, scope)
    if isinstance(node, _COMPREHENSIONS):
        return _below_comprehension(node, scope)
    return [(child, scope) for child in ast.iter_child_nodes(node)]


def _last_name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _handed_on(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the arguments of a call that it will call itself."""
    if _last_name(call.func) in _CALLS_FIRST:
        yield from call.args[:1]
    yield from (keyword.value for keyword in call.keywords if keyword.arg == _KEY)


def _called(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a node calls, each with the expression that does it."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name):
            yield node.func.id, node
        for argument in _handed_on(node):
            if isinstance(argument, ast.Name):
                yield argument.id, argument
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Name):
                yield decorator.id, decorator


def missing_functions(tree: ast.Module, known: Collection[str] = ()) -> tuple[Missing, ...]:
    r"""Return the functions that a program calls and does not define, in order of appearance.

    Args:
        tree: The program. One that imports ``*`` may have everything, so nothing is missing in it.
        known: Names that are there besides Python's own.

    Example:
        >>> source = "def f(xs):\n    return [is_red(x) for x in xs if x]\nprint(f(find(3)))"
        >>> [each.name for each in missing_functions(ast.parse(source))]
        ['is_red', 'find']
    """
    return _not_found(tree, known, _called)


def missing_names(tree: ast.Module, known: Collection[str] = ()) -> tuple[Missing, ...]:
    """Return all names that a program reads and does not define, in order of appearance; see above."""
    return _not_found(tree, known, _read)


def _read(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id, node


def _not_found(
    tree: ast.Module,
    known: Collection[str],
    uses_of: Callable[[ast.AST], Iterator[tuple[str, ast.expr]]],
) -> tuple[Missing, ...]:
    if _has_star(tree):
        return ()
    module = _Scope(_all_global(tree) | BUILTINS | set(known))
    found: dict[str, list[ast.expr]] = {}
    waiting: list[_Work] = [(tree, module)]
    while waiting:
        node, scope = waiting.pop()
        for name, use in uses_of(node):
            if not scope.finds(name):
                found.setdefault(name, []).append(use)
        waiting.extend(reversed(_below(node, scope)))
    return tuple(Missing(name, tuple(uses)) for name, uses in found.items())
