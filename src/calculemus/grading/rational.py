"""The exact value of a rational expression, every operation bounded before it is carried out."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

from calculemus.errors import NotExactError, UndecidableError
from calculemus.exact import nth_root
from calculemus.grading.expression import Expr

MAX_BITS = 400_000  # of an exact number
MAX_FACTORIAL = 3_000  # larger ones are approximated

Assignment = Mapping[str, Fraction]


def exact(expr: Expr, at: Assignment) -> Fraction:
    """Return the rational value of ``expr`` with its variables set.

    Raises:
        NotExactError: The value is irrational, or found only by approximation.
        UndecidableError: A number on the way is too large.
        ZeroDivisionError: A denominator is zero.
    """
    rule = _EXACT.get(expr.op)
    if rule is None:
        if expr.op == "number":
            assert isinstance(expr.value, Fraction)
            return expr.value
        if expr.op == "symbol":
            return at[str(expr.value)]
        if expr.op == "call":
            return _exact_call(str(expr.value), [exact(arg, at) for arg in expr.args])
        raise NotExactError(expr.op)
    value = rule(*(exact(arg, at) for arg in expr.args))
    if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
        raise UndecidableError("a number on the way is too large")
    return value


def exact_power(base: Fraction, exponent: Fraction) -> Fraction:
    """Return ``base ** exponent`` where it is rational."""
    if exponent.denominator != 1:
        if exponent.denominator > 1_000:
            raise NotExactError("root")
        root = nth_root(base, exponent.denominator)
        if root is None:
            raise NotExactError("root")
        return exact_power(root, Fraction(exponent.numerator))
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if base not in (0, 1, -1) and bits * abs(exponent.numerator) > MAX_BITS:
        raise NotExactError("large power")
    if base in (1, -1):
        return base ** (exponent.numerator % 2)
    if base == 0 and exponent <= 0:
        raise ZeroDivisionError
    return base**exponent.numerator if base else Fraction(0)


def _exact_factorial(n: Fraction) -> Fraction:
    if n.denominator != 1 or n < 0 or n > MAX_FACTORIAL:
        raise NotExactError("factorial")
    return Fraction(math.factorial(n.numerator))


def _exact_binomial(n: Fraction, k: Fraction) -> Fraction:
    if n.denominator != 1 or k.denominator != 1 or not 0 <= k <= n <= MAX_FACTORIAL:
        raise NotExactError("binomial")
    return Fraction(math.comb(n.numerator, k.numerator))


def _exact_root(value: Fraction, degree: Fraction) -> Fraction:
    return exact_power(value, 1 / degree)


def _exact_log(value: Fraction, base: Fraction) -> Fraction:
    """Return the logarithm where ``value`` is an integer power of ``base``."""
    if value <= 0 or base <= 0 or base == 1:
        raise NotExactError("log")
    guess = round(_log2(value) / _log2(base))
    if abs(guess) < 10_000 and exact_power(base, Fraction(guess)) == value:
        return Fraction(guess)
    raise NotExactError("log")


def _log2(value: Fraction) -> float:
    return math.log2(value.numerator) - math.log2(value.denominator)


def _exact_call(name: str, values: list[Fraction]) -> Fraction:
    if name == "abs" and len(values) == 1:
        return abs(values[0])
    if name in ("floor", "ceil") and len(values) == 1:
        return Fraction(math.floor(values[0]) if name == "floor" else math.ceil(values[0]))
    if name in ("max", "min") and values:
        return max(values) if name == "max" else min(values)
    if name in ("gcd", "lcm") and values and all(value.denominator == 1 for value in values):
        integers = [value.numerator for value in values]
        return Fraction(math.gcd(*integers) if name == "gcd" else math.lcm(*integers))
    if name in ("log", "lg") and len(values) == 1:
        return _exact_log(values[0], Fraction(10))
    if name in ("sgn", "sign") and len(values) == 1:
        return Fraction((values[0] > 0) - (values[0] < 0))
    raise NotExactError(name)


_EXACT: dict[str, Callable[..., Fraction]] = {
    "add": lambda a, b: a + b,
    "neg": lambda a: -a,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "mod": lambda a, b: a % b,
    "pow": exact_power,
    "root": _exact_root,
    "log": _exact_log,
    "factorial": _exact_factorial,
    "binom": _exact_binomial,
    "percent": lambda a: a / 100,
}
