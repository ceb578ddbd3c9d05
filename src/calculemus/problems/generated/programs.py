"""Running generated programs without Python: assignments of whole-number arithmetic, and one return.

Only what the generator writes is understood. Anything else is refused, so nothing is ever executed.
"""

import ast
from fractions import Fraction

from calculemus.errors import ProblemError

_OPERATIONS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: lambda a, b: a % b,
}


def run_program(source: str) -> Fraction:
    r"""Return what ``solution()`` of a generated program returns.

    Raises:
        ProblemError: Something that the generator does not write.
        ZeroDivisionError: Division by zero.

    Example:
        >>> str(run_program("def solution():\n    a = 7\n    b = a * 2\n    return b"))
        '14'
    """
    values: dict[str, Fraction] = {}
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError) as error:
        raise ProblemError(f"running a generated program: it is no Python ({error})") from error
    match statements:
        case [ast.FunctionDef(body=body)]:
            return _returned(body, values)
    raise ProblemError("running a generated program: found something else; expected one function alone")


def _returned(body: list[ast.stmt], values: dict[str, Fraction]) -> Fraction:
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                values[name] = _value(value, values)
            case ast.Return(value=ast.expr() as value):
                return _value(value, values)
            case _:
                raise _refusal(statement)
    raise ProblemError("running a generated program: it has no return")


def _value(node: ast.expr, values: dict[str, Fraction]) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number):
            # A decimal's own digits, not the binary number nearest to it.
            return Fraction(str(number))
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_value(left, values), _value(right, values))
    raise _refusal(node)


def _refusal(node: ast.AST) -> ProblemError:
    return ProblemError(
        f"running a generated program: found {ast.unparse(node)[:60]!r}; expected assignments of sums "
        "(+ - * / // %) of numbers and names, and a return"
    )
