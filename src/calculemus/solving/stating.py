"""Programs of which some statements are no Python: cut into statements, with what the others leave behind.

A statement at the left margin stands with the lines that are indented under it. One that does not parse is
replaced by assignments of what somebody says it does.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calculemus.engine.sandbox.inside.encode import encode
from calculemus.errors import NotDataError
from calculemus.solving.expecting import read_literal

STATE = "_state_"
_GOES_ON = re.compile(r"[\s)\]}]|(?:else|elif|except|finally)\b")
_OPEN = re.compile(r"\"\"\"|'''|[\\([{]\s*$")
_MOST_JOINED = 50  # groups of lines of which one statement is made
_BRACES = re.compile(r"\{.*\}", re.S)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement at the left margin.

    Attributes:
        text: With the lines that belong to it.
        tree: Its syntax; None where it is no Python.
    """

    text: str
    tree: ast.Module | None


def parse(text: str) -> ast.Module | None:
    """Return a text's syntax; None where it is no Python."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def split_statements(program: str) -> list[Statement]:
    r"""Cut a program into the statements at its left margin.

    Example:
        >>> [(each.text, each.tree is not None) for each in split_statements("x = 1\ny = the sum of x and 2")]
        [('x = 1', True), ('y = the sum of x and 2', False)]
    """
    groups: list[list[str]] = []
    for line in program.splitlines():
        if groups and (not line.strip() or _GOES_ON.match(line)):
            groups[-1].append(line)
        elif line.strip():
            groups.append([line])
    return _join([Statement(text, parse(text)) for text in ("\n".join(lines) for lines in groups)])


def _join(statements: Sequence[Statement]) -> list[Statement]:
    """Put groups together that are one statement only together, as a text over several lines is."""
    found: list[Statement] = []
    start = 0
    while start < len(statements):
        stop = start + 1
        whole = statements[start]
        if whole.tree is None and _OPEN.search(whole.text):
            for end in range(start + 2, min(len(statements), start + _MOST_JOINED) + 1):
                text = "\n".join(each.text for each in statements[start:end])
                tree = parse(text)
                if tree is not None:
                    whole, stop = Statement(text, tree), end
                    break
        found.append(whole)
        start = stop
    return found


def _variables(statements: Sequence[Statement]) -> list[str]:
    """Return the names that statements outside functions assign to, in order."""
    names = {
        node.id: None
        for statement in statements
        if statement.tree is not None
        for node in ast.walk(statement.tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return list(names)


def showing_state(statements: Sequence[Statement]) -> str:
    """Return a program whose value is what the statements leave behind: its variables that hold data."""
    lines = [statement.text for statement in statements]
    lines.append(f"{STATE} = {{}}")
    for name in _variables(statements):
        lines += [
            "try:",
            f"    if {name} is None or isinstance({name}, (bool, int, float, str, list, tuple, dict)):",
            f"        {STATE}[{name!r}] = {name}",
            "except Exception:",  # bound on a branch that was not taken
            "    pass",
        ]
    return "\n".join([*lines, STATE])


def read_delta(text: str) -> Mapping[str, Any] | None:
    """Return the variables that a reply says have changed; None where it says nothing readable.

    Example:
        >>> read_delta("So the state changes by {'total': 3, 'names': ['a']}.")
        {'total': 3, 'names': ['a']}
    """
    found = _BRACES.search(text)
    value = read_literal(found[0]) if found is not None else None
    if not isinstance(value, dict) or not all(isinstance(key, str) and key.isidentifier() for key in value):
        return None
    try:
        encode(value)
    except NotDataError:
        return None
    return value


def assigning(delta: Mapping[str, Any]) -> Statement:
    """Return the statement that brings a change about."""
    text = "\n".join(f"{name} = {value!r}" for name, value in delta.items()) or "pass"
    return Statement(text, parse(text))
