"""The last stage: SymPy, in a worker process that is killed when it takes too long."""

from functools import lru_cache
from typing import Any

from calculemus.grading.public import call

SECONDS = 0.5
_DIGITS = 40


@lru_cache(maxsize=8192)
def match_symbolically(gold: str, given: str) -> bool | None:
    """Return whether two LaTeX answers are equal by SymPy; None where it cannot read or decide them."""
    return call("calculemus.grading.symbolic:symbolically_equal", gold, given, seconds=SECONDS)


def symbolically_equal(gold: str, given: str) -> bool | None:
    """Compare in this process, without any limit: only for a worker.

    Numbers are compared to 40 digits, anything else by simplifying the difference to zero.
    """
    from latex2sympy2_extended import latex2sympy

    a, b = (_value(latex2sympy(text)) for text in (gold, given))
    if a == b:
        return True
    difference: Any = a - b
    if difference.free_symbols:
        return True if difference.simplify() == 0 else None
    value = difference.evalf(_DIGITS)
    if not value.is_number:
        return None
    scale = max(abs(a.evalf(_DIGITS)), abs(b.evalf(_DIGITS)))
    if abs(value) > scale * 10 ** (5 - _DIGITS):
        return False
    return True if difference.simplify() == 0 else None


def _value(parsed: Any) -> Any:
    """Carry out integrals, sums and limits."""
    return parsed.doit()
