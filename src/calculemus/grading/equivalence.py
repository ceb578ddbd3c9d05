"""Whether two expressions are equal: exactly where they are rational, else to 100 digits.

Expressions with variables are compared at fixed rational points: polynomials and rational functions exactly
(two different ones agree at a given point only if it is a root of their difference), all others to 100
digits at every point inside the real domain of both. One clear difference settles the matter.
"""

from fractions import Fraction
from typing import Any

from calculemus.errors import NotExactError, OutsideDomainError, UndecidableError
from calculemus.grading.approximate import Approximation
from calculemus.grading.expression import Expr, symbols
from calculemus.grading.rational import Assignment, exact

DIGITS = 50  # of the first look; the second has twice as many
_GUARD = 15  # digits that rounding may spoil

# Small and large, both signs; no common factors, so that no denominator of a textbook answer vanishes.
_POINTS = tuple(
    Fraction(p, q) for p, q in [(211, 503), (-307, 809), (4001, 307), (-2903, 101), (1009, 601), (-1601, 907)]
)
_SHIFT = Fraction(1013, 7919)


def equivalent(a: Expr, b: Expr) -> bool | None:
    """Return whether ``a`` equals ``b``; None where neither equality nor a difference shows.

    Raises:
        UndecidableError: A number on the way is too large, or an operation has no numeric rule.
    """
    if a == b:
        return True
    names = sorted(symbols(a) | symbols(b))
    points: list[Assignment] = [{name: p + _SHIFT * j for j, name in enumerate(names)} for p in _POINTS]
    real = bool(names) and not (_has_imaginary_unit(a) or _has_imaginary_unit(b))
    seen: list[bool | None] = []
    for point in points if names else points[:1]:
        try:
            equal = _equal_at(a, b, point, real)
        except (OutsideDomainError, ZeroDivisionError):
            continue
        except OverflowError as error:
            raise UndecidableError("a number on the way is too large") from error
        if equal is False:
            return False
        seen.append(equal)
    return None if not seen or None in seen else True


def _has_imaginary_unit(expr: Expr) -> bool:
    return (expr.value == "i" and expr.op == "constant") or any(map(_has_imaginary_unit, expr.args))


def _equal_at(a: Expr, b: Expr, at: Assignment, real: bool) -> bool | None:
    """Compare at one point."""
    try:
        return exact(a, at) == exact(b, at)
    except NotExactError:
        pass
    rough, fine = Approximation(DIGITS, real), Approximation(2 * DIGITS, real)
    a_rough, b_rough = rough.value(a, at), rough.value(b, at)
    if rough.context.isinf(a_rough) or rough.context.isinf(b_rough):
        return bool(a_rough == b_rough)
    if _differ(rough, a_rough, b_rough) and not (_near_zero(rough, a_rough) or _near_zero(rough, b_rough)):
        return False
    a_fine = _settled(fine, fine.value(a, at), a_rough)
    b_fine = _settled(fine, fine.value(b, at), b_rough)
    if _differ(fine, a_fine, b_fine):
        return False
    return None if fine.huge else True


def _near_zero(approximation: Approximation, value: Any) -> bool:
    """Say whether the value may be rounding noise around zero."""
    return abs(value) < approximation.context.mpf(10) ** (_GUARD - approximation.context.dps)


def _settled(approximation: Approximation, fine: Any, rough: Any) -> Any:
    """Return 0 for a value that twice the digits changed altogether: it was rounding noise around zero."""
    noise = abs(fine - rough) > abs(fine) * approximation.context.mpf(10) ** -5
    return approximation.context.mpf(0) if noise and _near_zero(approximation, fine) else fine


def _differ(approximation: Approximation, a: Any, b: Any) -> bool:
    """Say whether two values differ by more than rounding can explain."""
    context = approximation.context
    scale = max(abs(a), abs(b))
    return bool(abs(a - b) > scale * context.mpf(10) ** (_GUARD - context.dps))
