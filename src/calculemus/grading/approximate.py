"""The value of an expression to many digits, with bounds on every magnitude.

Power towers and nested factorials end at once instead of filling the memory.
"""

import threading
from fractions import Fraction
from typing import Any

from calculemus.errors import OutsideDomainError, UndecidableError
from calculemus.grading.expression import Expr
from calculemus.grading.rational import MAX_BITS, Assignment

MAX_LOG2 = 1e9  # of a magnitude

_contexts = threading.local()


class Approximation:
    """Evaluates at a precision of ``digits``; notes in ``huge`` whether exactness was out of reach.

    Args:
        digits: Decimal digits carried.
        real: Whether roots and logarithms of negative numbers raise ``OutsideDomainError``.
    """

    def __init__(self, digits: int, real: bool) -> None:
        self.context = self._context(digits)
        self.real = real
        self.huge = False

    @staticmethod
    def _context(digits: int) -> Any:
        """Return this thread's mpmath context; the library's own is global state."""
        import mpmath  # costs 30 ms, and most verdicts never come here

        contexts = _contexts.__dict__.setdefault("by_digits", {})
        if digits not in contexts:
            contexts[digits] = mpmath.MPContext()
            contexts[digits].dps = digits
        return contexts[digits]

    def value(self, expr: Expr, at: Assignment) -> Any:
        """Return the value as an mpmath number.

        Raises:
            UndecidableError: A magnitude out of bounds, or an operation without a numeric rule.
            OutsideDomainError: A real function outside its domain.
            ZeroDivisionError: A denominator is zero.
        """
        if expr.op in ("number", "symbol"):
            number = expr.value if expr.op == "number" else at[str(expr.value)]
            assert isinstance(number, Fraction)
            return self.context.mpf(number.numerator) / number.denominator
        if expr.op == "constant":
            return self._constant(str(expr.value))
        args = [self.value(arg, at) for arg in expr.args]
        name = f"_{expr.value}" if expr.op == "call" else f"_{expr.op}"
        rule = getattr(self, name, None)
        if rule is None:
            return self._library(str(expr.value), args)
        return rule(*args)

    def _constant(self, name: str) -> Any:
        context = self.context
        return {"pi": +context.pi, "e": +context.e, "i": context.mpc(0, 1), "infty": context.inf}[name]

    def _add(self, a: Any, b: Any) -> Any:
        return a + b

    def _neg(self, a: Any) -> Any:
        return -a

    def _mul(self, a: Any, b: Any) -> Any:
        return a * b

    def _div(self, a: Any, b: Any) -> Any:
        if b == 0:
            raise ZeroDivisionError
        return a / b

    def _mod(self, a: Any, b: Any) -> Any:
        return self._real_only(a) % self._real_only(b)

    def _percent(self, a: Any) -> Any:
        return a / 100

    def _deg(self, a: Any) -> Any:
        return a * self.context.pi / 180

    def _real_only(self, a: Any) -> Any:
        if self.context.im(a) != 0:
            raise UndecidableError("a complex number where a real one is needed")
        return self.context.re(a)

    def _bound(self, log2: Any) -> None:
        """Refuse magnitudes out of bounds and note those beyond exact arithmetic."""
        if not abs(log2) < MAX_LOG2:
            raise UndecidableError("a number on the way is too large")
        self.huge = self.huge or abs(log2) > MAX_BITS

    def _pow(self, base: Any, exponent: Any) -> Any:
        context = self.context
        if base == 0:
            if context.re(exponent) <= 0:
                raise ZeroDivisionError
            return context.mpf(0)
        if context.isinf(base) or context.isinf(exponent):
            raise UndecidableError("a power of infinity")
        self._bound(context.log(abs(base), 2) * abs(exponent))
        if context.im(base) == 0 and context.re(base) < 0 and context.im(exponent) == 0:
            return self._negative_power(context.re(base), context.re(exponent))
        return context.power(base, exponent)

    def _negative_power(self, base: Any, exponent: Any) -> Any:
        """Take the real branch of a negative base where the exponent is a ratio with an odd denominator."""
        context = self.context
        if context.isint(exponent):
            return context.power(base, exponent)
        for degree in (3, 5, 7, 9, 11, 13, 15):
            top = exponent * degree
            if abs(top - context.nint(top)) < context.eps * 100:
                return (-1) ** int(context.nint(top)) * context.power(-base, exponent)
        if self.real:
            raise OutsideDomainError
        return context.power(context.mpc(base), exponent)

    def _root(self, value: Any, degree: Any) -> Any:
        if degree == 0:
            raise ZeroDivisionError
        return self._pow(value, 1 / degree) if value != 0 else value

    def _logarithm(self, value: Any) -> Any:
        if value == 0:
            raise ZeroDivisionError
        if self.real and self.context.im(value) == 0 and self.context.re(value) < 0:
            raise OutsideDomainError
        return self.context.log(value)

    def _log(self, value: Any, base: Any = 10) -> Any:
        """Plain ``log`` is the decimal logarithm, as in school and contest texts."""
        return self._div(self._logarithm(value), self._logarithm(self.context.mpf(base)))

    _lg = _log

    def _ln(self, value: Any) -> Any:
        return self._logarithm(value)

    def _exp(self, value: Any) -> Any:
        self._bound(abs(value) * 1.5)
        return self.context.exp(value)

    def _factorial(self, n: Any) -> Any:
        n = self._real_only(n)
        if n < 0:
            raise OutsideDomainError
        if n > 1:
            self._bound(n * self.context.log(n + 1, 2))
        return self.context.gamma(n + 1)

    def _binom(self, n: Any, k: Any) -> Any:
        if max(abs(n), abs(k)) > 1e6:
            raise UndecidableError("a number on the way is too large")
        return self.context.binomial(n, k)

    def _abs(self, a: Any) -> Any:
        return abs(a)

    def _sgn(self, a: Any) -> Any:
        return self.context.sign(self._real_only(a))

    _sign = _sgn

    def _max(self, *values: Any) -> Any:
        return max(map(self._real_only, values))

    def _min(self, *values: Any) -> Any:
        return min(map(self._real_only, values))

    def _library(self, name: str, args: list[Any]) -> Any:
        """Call mpmath's function of a name that needs no guard of ours."""
        name = _MPMATH_NAMES.get(name, name)
        function = getattr(self.context, name, None) if name in _PLAIN else None
        if function is None or len(args) != 1:
            raise UndecidableError(f"no numeric rule for {name}")
        self._bound(abs(args[0]))
        value = function(args[0])
        if self.real and self.context.im(value) != 0 and self.context.im(args[0]) == 0:
            raise OutsideDomainError
        return value


_MPMATH_NAMES = {
    f"{long}{name}": f"a{name}"
    for name in ("sin", "cos", "tan", "cot", "sinh", "cosh", "tanh")
    for long in ("arc", "ar")
}
_PLAIN = frozenset(
    {"sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth", "floor", "ceil"}
    | set(_MPMATH_NAMES.values())
)
