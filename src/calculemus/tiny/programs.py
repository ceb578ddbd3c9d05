"""Programs as the generator writes them: assignments of whole-number arithmetic, then ``return``.

Nothing else is run here, so no sandbox is needed to see what a model's program comes to.
"""

import ast
import operator
from collections.abc import Callable

_SUMS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_LARGEST = 10**12  # far beyond any answer; numbers stay small however long a program is


def result(program: str) -> int | None:
    r"""Return what ``solution()`` of such a program returns; None where it is no such program, or fails.

    Example:
        >>> result("def solution():\n    apples = 7\n    apples = apples // 2\n    return apples")
        3
    """
    try:
        (function,) = ast.parse(program).body
        if not isinstance(function, ast.FunctionDef) or function.name != "solution":
            return None
        return _run(function.body)
    except (SyntaxError, ValueError, KeyError, ZeroDivisionError, RecursionError):
        return None


def _run(body: list[ast.stmt]) -> int | None:
    variables: dict[str, int] = {}
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                variables[name] = _value(value, variables)
            case ast.Return(value=ast.expr() as value):
                return _value(value, variables)
            case _:
                return None
    return None


def _value(node: ast.expr, variables: dict[str, int]) -> int:
    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            value = number
        case ast.Name(id=name):
            value = variables[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = -_value(operand, variables)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SUMS:
            value = _SUMS[type(op)](_value(left, variables), _value(right, variables))
        case _:
            raise ValueError(ast.unparse(node))
    if abs(value) > _LARGEST:
        raise ValueError(value)
    return value
