"""Formulas that many merges share as one loop each; they give what numpy gives in several, bit for bit."""

from typing import Any

import numpy as np

from calculemus.compiling import compiled


@compiled
def add_weighted(total: Any, numbers: Any, weight: Any) -> None:
    """Add ``numbers * weight`` to ``total``."""
    for i in range(total.size):
        total[i] += numbers[i] * weight


@compiled
def add_weighted_delta(total: Any, numbers: Any, base: Any, weight: Any) -> None:
    """Add ``(numbers - base) * weight`` to ``total``."""
    for i in range(total.size):
        total[i] += (numbers[i] - base[i]) * weight


@compiled
def scale_onto(total: Any, base: Any, scale: Any) -> None:
    """Make ``base + total * scale`` of ``total``."""
    for i in range(total.size):
        total[i] = base[i] + total[i] * scale


@compiled
def add_agreeing(total: Any, agreeing: Any, vector: Any, weight: Any, elected: Any) -> None:
    """Add ``vector * weight`` to ``total`` and the weight's size to ``agreeing``, where signs agree.

    A number agrees if it has the sign of the elected number, and neither is zero.
    """
    zero, size = np.float32(0), abs(weight)
    for i in range(total.size):
        moved = vector[i] * weight
        # Compared with zero, not multiplied: the product of two tiny numbers would vanish.
        agrees = ((moved > zero) & (elected[i] > zero)) | ((moved < zero) & (elected[i] < zero))
        total[i] += moved if agrees else zero
        agreeing[i] += size if agrees else zero


@compiled
def divide_where_positive(total: Any, divisors: Any) -> None:
    """Divide ``total`` by the divisors that are above zero."""
    one = np.float32(1)
    for i in range(total.size):
        total[i] /= divisors[i] if divisors[i] > 0 else one


@compiled
def keep_from(numbers: Any, threshold: Any) -> None:
    """Set what is smaller than a threshold, signs aside, to 0."""
    for i in range(numbers.size):
        numbers[i] = numbers[i] if abs(numbers[i]) >= threshold else np.float32(0)


@compiled
def keep_drawn(numbers: Any, uniforms: Any, share: Any) -> None:
    """Divide numbers by ``share`` where the uniform number is below it; set the others to 0."""
    for i in range(numbers.size):
        numbers[i] = numbers[i] / share if uniforms[i] < share else np.float32(0)
