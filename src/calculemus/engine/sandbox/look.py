"""A look at a program before it runs: is it one, where could it run, and how will its value be found?"""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from calculemus.engine.sandbox.handing import RESERVED, keep, keep_last
from calculemus.engine.sandbox.hosting import Hosting
from calculemus.engine.sandbox.iterators import first_kept
from calculemus.engine.sandbox.names import bound_names, missing_functions
from calculemus.engine.sandbox.record import Tier
from calculemus.engine.sandbox.source import Source, read_program
from calculemus.engine.sandbox.subset import first_misplaced, first_stranger

# Packages of the tier sci. Some come with calculemus, the others are there where they are installed.
SCI_PACKAGES = frozenset(
    {"numpy", "scipy", "sympy", "mpmath", "pandas", "dateutil", "networkx", "pytz", "six"}
)
VARIABLES = ("answer", "ans", "result")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a program is run.

    Attributes:
        source: The program without what is not program.
        lowest: The lowest tier that it could run on.
        reason: What keeps it from ``mini``; None where nothing does.
        entry: The function wanted; None for the last expression; empty where only the program itself can call
            it, for its arguments.
        mini: The program as ``mini`` runs it, so that it keeps its value; empty for other tiers.
        defines_entry: Whether the program defines the entry function, or a variable of its name.
        arguments: The inputs that the entry function takes.
        variables: Where a value is looked for that no function returned.
        rounds: Whether it uses ``round``.
        prints_last: Whether it ends in a ``print`` and defines no entry function, so that a number printed
            last is its answer, whatever its variables hold.
        hosting: The functions that its host replies to; None where it has no host.
    """

    source: str
    lowest: Tier
    reason: str | None
    entry: str | None
    mini: str
    defines_entry: bool
    arguments: tuple[str, ...]
    variables: tuple[str, ...]
    rounds: bool
    prints_last: bool
    hosting: Hosting | None = None


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run in the program's global scope, those inside ``if`` and loops too."""
    for node in body:
        yield node
        for name in ("body", "orelse", "finalbody"):
            if not isinstance(node, _DEFINITIONS):
                yield from _top_level(getattr(node, name, ()))
        for handler in getattr(node, "handlers", ()):
            yield from _top_level(handler.body)


def _binds(statements: Iterable[ast.stmt], name: str) -> bool:
    """Say whether statements bind a global variable, by whatever kind of assignment."""
    return any(
        isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Store)
        for node in statements
        if not isinstance(node, _DEFINITIONS)
        for part in ast.walk(node)
    )


def _parameters(function: ast.FunctionDef) -> tuple[str, ...]:
    arguments = function.args
    return tuple(each.arg for each in (*arguments.args, *arguments.kwonlyargs))


def _needs_sci(nodes: Iterable[ast.AST]) -> bool:
    for node in nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        if any(name.partition(".")[0] in SCI_PACKAGES for name in names):
            return True
    return False


# Fields that never hold nodes, and the one that says whether a name is read or written.
_LEAVES = {
    "ctx", "id", "attr", "arg", "name", "asname", "module", "level", "conversion", "simple", "is_async",
    "kind", "type_comment", "rest",
}  # fmt: skip
_BRANCHES = {
    kind: () if kind is ast.Constant else tuple(name for name in kind._fields if name not in _LEAVES)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}


def _all_nodes(tree: ast.AST) -> list[ast.AST]:
    """Return every node but contexts, parents before their children; much faster than ``ast.walk``."""
    nodes = [tree]
    for node in nodes:  # which grows meanwhile
        for name in _BRANCHES[type(node)]:
            value = getattr(node, name)
            if type(value) is list:
                nodes.extend([item for item in value if isinstance(item, ast.AST)])
            elif value is not None:
                nodes.append(value)
    return nodes


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of the entry beforehand: how to get its value, and why ``mini`` cannot if it cannot."""

    name: str | None = None
    call: str | None = None
    arguments: tuple[str, ...] = ()
    is_function: bool = False
    reason: str | None = None


def _may_be_function(statements: Iterable[ast.stmt]) -> bool:
    return any(isinstance(getattr(node, "value", None), (ast.Lambda, ast.Name)) for node in statements)


def _is_called_with_more(tree: ast.Module, function: ast.FunctionDef, inputs: Mapping[str, Any]) -> bool:
    """Say whether a function needs arguments that are not given, and the program calls it with its own."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    needed = positional[: len(positional) - len(arguments.defaults)]
    needed += [
        each for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if not default
    ]
    return any(each.arg not in inputs for each in needed) and any(
        isinstance(part, ast.Name) and part.id == function.name
        for node in tree.body
        if not isinstance(node, _DEFINITIONS)
        for part in ast.walk(node)
    )


def _find_entry(
    tree: ast.Module, statements: Sequence[ast.stmt], entry: str, inputs: Mapping[str, Any]
) -> _Entry:
    functions = [node for node in statements if isinstance(node, ast.FunctionDef) and node.name == entry]
    assigned = _binds(tree.body, entry)
    if assigned and (functions or _may_be_function(statements)):
        return _Entry(entry, is_function=True, reason=f"{entry} may be a function and may be a variable")
    if functions and _is_called_with_more(tree, functions[-1], inputs):
        return _Entry("")
    if functions:
        arguments = tuple(name for name in _parameters(functions[-1]) if name in inputs)
        given = ", ".join(f"{name}={name}" for name in arguments)
        return _Entry(entry, f"{entry}({given})", arguments, is_function=True)
    return _Entry(entry, entry if assigned else None)


def _is_print(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"


def _rebound(nodes: Iterable[ast.AST]) -> str | None:
    """Return the first builtin that a program gives another meaning although its value cannot do without."""
    for node in nodes:
        if type(node) is ast.Name and node.id in RESERVED and isinstance(node.ctx, ast.Store):
            return f"another '{node.id}'"
        if type(node) is ast.arg and node.arg in RESERVED:
            return f"another '{node.arg}'"
    return None


def _for_mini(program: Source, call: str | None) -> str:
    text = program.text.replace("\r\n", "\n").replace("\r", "\n")
    return keep_last(text, program.tree) if call is None else keep(text, call)


def look(text: str, entry: str | None, inputs: Mapping[str, Any]) -> Plan:
    """Read a program and say how to run it.

    Raises:
        SyntaxError: There is no program in the text.
        ValueError: It has null characters.
        RecursionError: It is nested too deeply to be read.
        MemoryError: The same, noticed elsewhere.
    """
    program = read_program(text, entry)
    nodes = _all_nodes(program.tree)
    names = {node.id for node in nodes if type(node) is ast.Name}
    called = names.union(node.attr for node in nodes if type(node) is ast.Attribute)
    statements = list(_top_level(program.tree.body))
    found = _find_entry(program.tree, statements, entry, inputs) if entry is not None else _Entry()
    reason = (
        first_stranger(nodes)
        or first_kept(nodes, called)
        or first_misplaced(statements, nodes)
        or found.reason
        or _rebound(nodes)
    )
    lowest: Tier = "mini"
    if reason is not None:
        lowest = "sci" if _needs_sci(nodes) else "std"
    return Plan(
        source=program.text,
        lowest=lowest,
        reason=reason,
        entry=found.name,
        mini="" if reason is not None else _for_mini(program, found.call),
        defines_entry=found.call is not None,
        arguments=found.arguments,
        variables=tuple(name for name in VARIABLES if name in names and _binds(program.tree.body, name)),
        rounds="round" in names,
        prints_last=not found.is_function and any(map(_is_print, program.tree.body[-1:])),
    )


def with_host(
    plan: Plan, replies: Sequence[Any], hosts: Collection[str] | None, before: Iterable[Plan] = ()
) -> Plan:
    """Return how a program is run that may call functions of its host's.

    Args:
        plan: How it would be run without.
        replies: What its calls return, in their order.
        hosts: The functions; None for whatever it calls and nobody has defined.
        before: Blocks whose variables it finds.
    """
    tree = read_program(plan.source, plan.entry).tree
    known = {name for each in before for name in bound_names(read_program(each.source, None).tree)}
    if hosts is None:
        names = tuple(each.name for each in missing_functions(tree, known) if each.name != plan.entry)
    else:
        known |= bound_names(tree)
        names = tuple(name for name in hosts if name not in known)
    return replace(plan, hosting=Hosting(names, tuple(replies)))
