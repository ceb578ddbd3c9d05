"""Tango's score interval of a paired difference."""

import numpy as np
from numpy.typing import ArrayLike

from calculemus.errors import StatisticsError
from calculemus.stats.checks import check_confidence, whole
from calculemus.stats.estimate import Interval
from calculemus.stats.quantiles import two_sided_normal
from calculemus.stats.samples import FloatArray

# Halvings of an interval of width 2 down to the spacing of doubles.
_HALVINGS = 54


def tango(only_a: int, only_b: int, n: int, confidence: float = 0.95) -> Interval:
    """Return the interval of the difference of two shares measured on the same problems (Tango 1998).

    It holds the differences that a score test would not reject. Computed coverage of the 95 % interval:
    94.1 to 96.6 % for 30 problems of which five or more are expected to tell the systems apart (up to 99.4 %
    where fewer are), 94.7 to 95.7 % for 200, 95.0 to 95.1 % for 1,000. Newcombe's paired interval has 97 to
    99.9 % for 30 problems at shares of .1 and .9, so Tango's is the one used.

    Args:
        only_a: Problems that only ``a`` solved.
        only_b: Problems that only ``b`` solved.
        n: Problems.
        confidence: Of the interval.

    Returns:
        The interval of share(b) - share(a).

    Raises:
        StatisticsError: Counts that are none, or that exceed the problems.

    Example:
        >>> low, high = tango(5, 15, 100)
        >>> f"{low:.3f} {high:.3f}"
        '0.013 0.192'
    """
    doing = "tango"
    check_confidence(confidence, doing)
    n = whole(n, "the number of problems", 1, doing)
    only_a = whole(only_a, "the number that only a solved", 0, doing)
    only_b = whole(only_b, "the number that only b solved", 0, doing)
    if only_a + only_b > n:
        raise StatisticsError(
            f"{doing}: {only_a} problems only for a and {only_b} only for b exceed the {n} problems"
        )
    low, high = tango_ends(only_a, only_b, n, two_sided_normal(confidence))
    return Interval(float(low), float(high))


def tango_ends(
    only_a: ArrayLike, only_b: ArrayLike, n: ArrayLike, quantile: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return the ends for arrays of counts, which need not be whole, element by element."""
    a, b, size, limit = (np.asarray(v, dtype=np.float64) for v in (only_a, only_b, n, quantile))
    observed = (b - a) / size

    def solve(low: FloatArray, high: FloatArray, target: FloatArray) -> FloatArray:
        """Halve [low, high] around the difference at which the falling score crosses ``target``."""
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            above = _score(a, b, size, middle) > target
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return (low + high) / 2

    one = np.ones_like(observed)
    return solve(-one, observed, limit), solve(observed, one, -limit)


def _score(only_a: FloatArray, only_b: FloatArray, n: FloatArray, difference: FloatArray) -> FloatArray:
    """Return the score statistic of the hypothesis that share(b) - share(a) is ``difference``."""
    # The likeliest probability q of "only a" under the hypothesis solves 2n q² + linear q + constant = 0.
    linear = (2 * n - only_b + only_a) * difference - only_a - only_b
    constant = -only_a * difference * (1 - difference)
    root = np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0))
    only_a_share = np.maximum(root - linear, 0) / (4 * n)
    variance = n * (2 * only_a_share + difference * (1 - difference))
    excess = only_b - only_a - n * difference
    with np.errstate(divide="ignore", invalid="ignore"):
        score = excess / np.sqrt(np.maximum(variance, 0))
    return np.where(excess == 0, 0.0, score)
