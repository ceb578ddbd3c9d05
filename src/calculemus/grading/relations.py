"""Equations and inequalities: which two say the same."""

from fractions import Fraction

from calculemus.errors import NotExactError, UndecidableError, UnreadableError
from calculemus.grading.answers import Relation, Scalar
from calculemus.grading.equivalence import equivalent
from calculemus.grading.expression import Expr, number, parse_expression, symbols
from calculemus.grading.rational import exact
from calculemus.grading.realsets import FLIPPED, as_interval


def same_relation(gold: Relation, given: Relation) -> bool | None:
    """Compare two equations or inequalities.

    Assignments of one name compare by value. Other equations are the same where the differences of their
    sides are proportional, inequalities where the factor is positive besides.
    """
    from calculemus.grading.matching import match  # the two modules call each other

    if (
        gold.name
        and given.name
        and len(gold.sides) == len(given.sides) == 2
        and (_head(gold.name) == _head(given.name) or "(" in gold.name + given.name)
    ):
        return match(gold.sides[-1], given.sides[-1])
    first, second = as_interval(gold), as_interval(given)
    if first and second:
        return _variable(gold) == _variable(given) and match(first, second)
    a, b = _zero_form(gold), _zero_form(given)
    if a is None or b is None:
        return None if len(gold.sides) == len(given.sides) else False
    return _proportional(a, b)


def _head(name: str) -> str:
    return name.partition("(")[0]


def _variable(relation: Relation) -> set[str]:
    return {name for side in relation.sides if isinstance(side, Scalar) for name in symbols(side.expr)}


def _zero_form(relation: Relation) -> tuple[Expr, str] | None:
    """Return ``left - right`` and the operator against zero, ``>`` turned into ``<``."""
    if len(relation.sides) != 2:
        return None
    left, right = relation.sides
    operator = relation.operators[0]
    if relation.name is not None:
        try:
            left_expr = parse_expression(relation.name)
        except UnreadableError:
            return None
    elif isinstance(left, Scalar):
        left_expr = left.expr
    else:
        return None
    if not isinstance(right, Scalar):
        return None
    if operator in (">", ">="):
        left_expr, right_expr, operator = right.expr, left_expr, FLIPPED[operator]
    else:
        right_expr = right.expr
    return Expr("add", (left_expr, Expr("neg", (right_expr,)))), operator


def _proportional(a: tuple[Expr, str], b: tuple[Expr, str]) -> bool | None:
    """Say whether ``a = c b`` for a constant ``c``, positive where the operator has a direction."""
    if a[1] != b[1] or symbols(a[0]) != symbols(b[0]):
        return False
    point = {name: Fraction(37 + 10 * j, 13 + j) for j, name in enumerate(sorted(symbols(a[0])))}
    try:
        a_there, b_there = exact(a[0], point), exact(b[0], point)
    except (NotExactError, UndecidableError, ZeroDivisionError):
        return equivalent(a[0], b[0])
    if a_there == 0 or b_there == 0:
        return None
    if a[1] in ("<", "<=") and (a_there > 0) != (b_there > 0):
        return False
    return equivalent(Expr("mul", (a[0], number(b_there))), Expr("mul", (b[0], number(a_there))))
