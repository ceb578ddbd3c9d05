"""What kind of value a program expects of a function that it does not define, by the use it makes of it.

In a condition it is true or false, in arithmetic a number, where it is gone through a list, and else a text.
Where no use says anything, a name like ``is_red`` does.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from calculemus.engine.sandbox.names import Missing

Kind = Literal["bool", "number", "list", "text"]

WORDS: dict[Kind, str] = {
    "bool": "True or False",
    "number": "a number",
    "list": "a list, as Python writes it",
    "text": "a short text",
}
"""How a kind is asked for."""

_NUMERIC = ("abs", "divmod", "float", "int", "max", "min", "pow", "range", "round")
_LISTED = ("all", "any", "enumerate", "len", "list", "set", "sorted", "sum", "tuple", "zip")
_OF_ITEMS: dict[str, Kind] = {
    "sum": "number",
    "max": "number",
    "min": "number",
    "all": "bool",
    "any": "bool",
}
_ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
_PREDICATE = re.compile(r"(?:is|are|was|were|has|have|can|does|should|contains)_")
_MOST_DIGITS = 1000
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")
_Parents = dict[ast.AST, ast.AST]


def expected_kind(tree: ast.Module, missing: Missing) -> Kind:
    r"""Return the kind on which all uses of a function agree; a text where they do not.

    Example:
        >>> from calculemus.engine.sandbox.names import missing_functions
        >>> tree = ast.parse("n = 0\nfor w in ['a']:\n    if is_fruit(w):\n        n += price(w) * 2")
        >>> [(each.name, expected_kind(tree, each)) for each in missing_functions(tree)]
        [('is_fruit', 'bool'), ('price', 'number')]
    """
    parents: _Parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    uses = {end: None for use in missing.uses for end in _ends(tree, parents, use)}
    kinds: set[Kind] = {kind for use in uses for kind in _in_place(parents, use)}
    if kinds == {"bool", "number"}:
        return "number"  # True counts as 1
    if not kinds and _PREDICATE.match(missing.name):
        return "bool"
    return kinds.pop() if len(kinds) == 1 else "text"


def _ends(tree: ast.Module, parents: _Parents, use: ast.expr) -> list[ast.expr]:
    """Return the places in which a value ends up, by way of variables and of functions that return it."""
    ends = [use]
    for end in ends:  # which grows meanwhile
        kept, returned = _kept_as(parents, end)
        for node in ast.walk(tree):
            is_read = isinstance(node, ast.Name) and node.id in kept and isinstance(node.ctx, ast.Load)
            is_call = isinstance(node, ast.Call) and _function_name(node) in returned
            if (is_read or is_call) and node not in ends:
                ends.append(node)  # type: ignore[arg-type]  # a name or a call is an expression
    return ends


def _kept_as(parents: _Parents, node: ast.AST) -> tuple[Sequence[str], Sequence[str]]:
    """Return the variables that a value is kept in, and the functions that return it."""
    parent = parents[node]
    if isinstance(parent, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
        return _targets(parent), ()
    if isinstance(parent, ast.Lambda) and parent.body is node:
        above = parents[parent]
        return (), _targets(above) if isinstance(above, ast.Assign) else ()
    if isinstance(parent, ast.Return):
        while not isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module)):
            parent = parents[parent]
        return (), () if isinstance(parent, ast.Module) else (parent.name,)
    return (), ()


def _targets(node: ast.Assign | ast.AnnAssign | ast.NamedExpr) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _in_place(parents: _Parents, node: ast.expr) -> Iterator[Kind]:
    parent = parents[node]
    kind = _by_statement(parent, node) or _by_operator(parent, node) or _by_call(parents, parent, node)
    if kind is not None:
        yield kind


def _by_statement(parent: ast.AST, node: ast.expr) -> Kind | None:
    if getattr(parent, "test", None) is node:  # if, while, assert, and the conditional expression
        return "bool"
    if isinstance(parent, ast.comprehension) and node in parent.ifs:
        return "bool"
    if isinstance(parent, (ast.For, ast.comprehension)) and parent.iter is node:
        return "list"
    if isinstance(parent, ast.AugAssign):
        return "number"
    return None


def _by_operator(parent: ast.AST, node: ast.expr) -> Kind | None:
    if isinstance(parent, ast.BoolOp):
        return "bool"
    if isinstance(parent, ast.UnaryOp):
        return "bool" if isinstance(parent.op, ast.Not) else "number"
    if isinstance(parent, ast.BinOp):
        other = parent.right if parent.left is node else parent.left
        return "text" if _is_text(other) else "number"
    if isinstance(parent, ast.Compare):
        return _by_comparison(parent, node)
    if isinstance(parent, ast.Subscript) and parent.value is node:
        return "list"
    return "text" if isinstance(parent, (ast.FormattedValue, ast.Attribute)) else None


def _by_comparison(parent: ast.Compare, node: ast.expr) -> Kind | None:
    sides = [parent.left, *parent.comparators]
    if isinstance(parent.ops[0], (ast.In, ast.NotIn)):
        return "list" if sides[1] is node else "text"
    others = [side for side in sides if side is not node]
    if any(isinstance(side, ast.Constant) and isinstance(side.value, bool) for side in others):
        return "bool"
    if any(map(_is_text, others)):
        return "text"
    is_number = any(isinstance(side, ast.Constant) for side in others)
    return "number" if is_number or isinstance(parent.ops[0], _ORDERED) else None


def _by_call(parents: _Parents, parent: ast.AST, node: ast.expr) -> Kind | None:
    if isinstance(parent, (ast.GeneratorExp, ast.ListComp)) and parent.elt is node:
        above = parents[parent]
        return _OF_ITEMS.get(_function_name(above))
    if not isinstance(parent, ast.Call) or parent.func is node:
        return None
    called = _function_name(parent)
    if called == "filter":
        return "bool" if parent.args[:1] == [node] else "list"
    if called in _NUMERIC or called.startswith("math."):
        return "number"
    return "list" if called in _LISTED else None


def _function_name(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def read_value(text: str, kind: Kind) -> tuple[Any, ...]:
    """Return the value that a reply gives, in a tuple; an empty one where it gives none of its kind.

    Example:
        >>> read_value("Yes, it is.", "bool"), read_value("about 1,200", "number"), read_value("", "text")
        ((True,), (1200,), ())
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return ()
    if kind == "text":
        return (_unquote(lines[0]),)
    if kind == "list":
        return _read_listed(lines[0])
    word = next(iter(re.findall(r"\w+", lines[0])), "").lower()
    if kind == "bool":
        return (True,) if word in _TRUE else (False,) if word in _FALSE else ()
    found = _NUMBER.search(lines[0])
    if found is None:
        return (int(word in _TRUE),) if word in (*_TRUE, *_FALSE) else ()
    digits = found[0].replace(",", "")
    if len(digits) > _MOST_DIGITS:
        return ()
    return (int(digits) if digits.lstrip("+-").isdigit() else float(digits),)


def _unquote(line: str) -> str:
    literal = read_literal(line)
    return literal if isinstance(literal, str) else line


def _read_listed(line: str) -> tuple[Any, ...]:
    literal = read_literal(line)
    if isinstance(literal, (list, tuple)):
        return (list(literal),)
    return ([part.strip() for part in line.split(",")],) if "," in line else ()


_LONGEST_LITERAL = 20_000


def read_literal(text: str) -> Any:
    """Return the value that a text writes as Python's literals do; None for anything else."""
    if len(text) > _LONGEST_LITERAL:
        return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def nearest(name: str, names: Sequence[str]) -> str | None:
    """Return a name that is one edit away: one letter more, one less, or another one.

    Names of one and two letters are all close to each other, so these are near to none.
    """
    if len(name) < 3:
        return None
    return next((other for other in sorted(names) if len(other) >= 3 and _is_one_edit(name, other)), None)


def _is_one_edit(a: str, b: str) -> bool:
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    short, long = sorted((a, b), key=len)
    start = next((i for i, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    return short[start + (len(a) == len(b)) :] == long[start + 1 :]
