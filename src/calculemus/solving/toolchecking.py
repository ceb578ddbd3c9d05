"""What makes a piece of code a tool: a function that has an effect on nothing but what it returns."""

import ast

from calculemus.engine.sandbox.names import missing_names

_ALLOWED = """
bisect calendar cmath collections copy datetime decimal fractions functools heapq itertools math numpy
operator re scipy statistics string sympy typing
"""
ALLOWED = frozenset(_ALLOWED.split())
"""Modules that a tool may import."""

_FORBIDDEN = """
__import__ breakpoint compile delattr eval exec exit globals input locals open print quit setattr vars
"""
FORBIDDEN = frozenset(_FORBIDDEN.split())
"""Builtins that a tool may not use."""

_CHANGING = """
append appendleft clear extend insert pop popitem popleft remove reverse setdefault sort update
"""
CHANGING = frozenset(_CHANGING.split())
"""Methods that change what they are called on."""


def read_tool(code: str) -> tuple[ast.FunctionDef | None, str]:
    """Return the function that a piece of code defines last, or why it makes no tool.

    A tool has an effect on nothing but what it returns, and imports what is on the list alone.
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        return None, f"syntax: {problem}"
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if not functions:
        return None, "no_function: it defines none"
    reason = next(filter(None, map(_refusal, ast.walk(tree))), None) or _top_level(tree) or _undefined(tree)
    if reason is not None:
        return None, reason
    arguments = functions[-1].args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
        return None, "arguments: it takes any number of them, or some by name only"
    changed = next(filter(None, (_changed_argument(function) for function in functions)), None)
    return (None, changed) if changed is not None else (functions[-1], "")


def _top_level(tree: ast.Module) -> str | None:
    for node in tree.body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_text and not isinstance(node, (ast.FunctionDef, ast.Import, ast.ImportFrom, ast.Assign)):
            return f"side_effect: '{ast.unparse(node).splitlines()[0][:60]}' stands outside of its function"
    return None


def _undefined(tree: ast.Module) -> str | None:
    missing = missing_names(tree)
    return f"undefined: it uses '{missing[0].name}', which it does not define" if missing else None


def _refusal(node: ast.AST) -> str | None:
    """Return why a tool may not have a node; None where it may."""
    if isinstance(node, (ast.Global, ast.Nonlocal)):
        return f"side_effect: it changes {', '.join(node.names)}, which is not its own"
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
    for name in names:
        if name.partition(".")[0] not in ALLOWED:
            return f"import_not_allowed: it imports {name}"
    if isinstance(node, ast.Name) and node.id in FORBIDDEN:
        return f"side_effect: it uses {node.id}"
    return None


def _changed_argument(function: ast.FunctionDef) -> str | None:
    """Return a sentence on an argument that a function changes in place; None where it changes none."""
    names = {each.arg for each in (*function.args.posonlyargs, *function.args.args)}
    for node in ast.walk(function):
        target: ast.AST | None = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            target = node.func.value
        elif isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
            target = node.value
        if isinstance(target, ast.Name) and target.id in names and not _is_rebound(function, target.id):
            return f"side_effect: it changes its argument '{target.id}'"
    return None


def _is_rebound(function: ast.FunctionDef, name: str) -> bool:
    """Say whether an argument's name is given another value somewhere, so that it may be a copy."""
    return any(
        isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load)
        for node in ast.walk(function)
    )
