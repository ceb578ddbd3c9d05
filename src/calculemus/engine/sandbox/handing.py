"""How a value leaves ``mini``: it is looked at in there before it is built out here.

Building a value costs its receiver time and memory: a dictionary whose keys all have one hash takes minutes,
one list that is held a thousand times is a thousand lists. So a program's value is first kept under a name;
numbers and short texts are handed out at once, and everything else after its parts have been counted.
"""

import ast

from calculemus.engine.sandbox.inside.encode import MOST_HASHED

_KEPT = "_value_"
SHOW = (
    f"{_KEPT} if {_KEPT} is None or isinstance({_KEPT}, (int, float)) "
    f"or (isinstance({_KEPT}, str) and len({_KEPT}) < 10000) else ..."
)
_MOST_PARTS = 200_000
# Builtins that looking at a value needs: a program that gives these names another meaning is not for mini.
RESERVED = frozenset({"isinstance", "len", "type", "int", "float", "str", "dict", "set", "list", "tuple"})

COUNTER = f"""
def _count_(value):
    waiting, parts = [value], 0
    while waiting:
        item = waiting.pop()
        kind = type(item).__name__
        size = 0
        if isinstance(item, dict):
            size = len(item)
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)) or kind in ("deque", "dict_keys", "dict_values", "dict_items"):
            parts += len(item)
            waiting.extend(item)
        elif isinstance(item, str):
            parts += len(item) // 16
        elif item is not None and not isinstance(item, (int, float)):
            if kind not in ("Decimal", "date", "datetime", "timedelta"):
                raise TypeError(kind)
        parts += size + 1
        if size > {MOST_HASHED} or parts > {_MOST_PARTS}:
            raise ValueError("too large")
"""
COUNT = f"""{COUNTER}
_count_({_KEPT})
{_KEPT}
"""


def _span(text: str, node: ast.stmt) -> tuple[int, int]:
    """Return where a statement starts and ends in the encoded text."""
    starts = [0]
    for line in text.encode().split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
    return starts[node.lineno - 1] + node.col_offset, starts[end_line - 1] + end_column


def keep_last(text: str, tree: ast.Module) -> str:
    """Return a program that keeps the value of its last expression, None where it ends in something else."""
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        return f"{text}\n{_KEPT} = None"
    start, end = _span(text, last)  # the statement: the expression leaves out parentheses around it
    data = text.encode()
    return b"".join([data[:start], f"{_KEPT} = (".encode(), data[start:end], b")", data[end:]]).decode()


def keep(text: str, expression: str) -> str:
    """Return a program that keeps the value of an expression in the end."""
    return f"{text}\n{_KEPT} = {expression}"


def keep_variable(name: str) -> str:
    """Return a piece of program that keeps and shows a variable."""
    return f"{_KEPT} = {name}\n{SHOW}"
