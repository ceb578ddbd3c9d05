"""Exact numbers from text: no binary float ever decides whether an answer is right."""

import re
from fractions import Fraction

MAX_DIGITS = 100_000  # longer numerals are compared as text only
MAX_EXPONENT = 10_000  # of ten, in scientific notation
_CHUNK = 4_000  # digits that int() reads at once under Python's default limit

_LAST_CHARACTERS = frozenset("0123456789.")
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_DECIMAL = re.compile(r"([+-]?)(\d*)\.(\d*)(?:[eE]([+-]?\d{1,6}))?\Z|([+-]?)(\d+)[eE]([+-]?\d{1,6})\Z")
_RATIO = re.compile(r"([+-]?[\d.,]+)\s*/\s*([+-]?[\d.,]+)\Z")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?\Z")


def integer(digits: str) -> int:
    """Read decimal digits with an optional sign, of any length up to ``MAX_DIGITS``.

    Raises:
        ValueError: Not digits, or too many of them.
    """
    if len(digits) <= _CHUNK:
        return int(digits)
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a numeral of {len(digits)} digits; expected at most {MAX_DIGITS}")
    sign = -1 if digits[0] == "-" else 1
    digits = digits.lstrip("+-")
    value = 0
    for start in range(0, len(digits), _CHUNK):
        part = digits[start : start + _CHUNK]
        value = value * 10 ** len(part) + int(part)
    return sign * value


def decimal(sign: str, whole: str, after_point: str, exponent: str | None) -> Fraction | None:
    """Build the number ``sign whole . after_point e exponent``; None where the exponent is out of range."""
    power = int(exponent) if exponent else 0
    if abs(power) > MAX_EXPONENT:
        return None
    mantissa = integer((whole + after_point) or "0")
    power -= len(after_point)
    value = Fraction(mantissa * 10**power) if power >= 0 else Fraction(mantissa, 10**-power)
    return -value if sign == "-" else value


def parse_number(text: str) -> Fraction | None:
    """Read a plain numeral exactly, or return None.

    Reads integers of up to 100,000 digits, decimals, scientific notation with ``e``, thousands commas in
    groups of exactly three digits, and a ratio of two of these: ``-1,234.50``, ``.5``, ``6.02e23``, ``3/4``.
    """
    text = text.strip()
    if not text or len(text) > MAX_DIGITS:
        return None
    if text[-1] not in _LAST_CHARACTERS:
        return None  # most texts that are no numeral end here
    if _INTEGER.match(text):
        return Fraction(integer(text))
    if _GROUPED.match(text):
        text = text.replace(",", "")
        if _INTEGER.match(text):
            return Fraction(integer(text))
    match = _DECIMAL.match(text)
    if match:
        if match[2] or match[3]:
            return decimal(match[1], match[2], match[3], match[4])
        return decimal(match[5], match[6], "", match[7]) if match[6] else None
    match = _RATIO.match(text)
    if match:
        top, bottom = parse_number(match[1]), parse_number(match[2])
        return top / bottom if top is not None and bottom else None
    return None


def nth_root(value: Fraction, n: int) -> Fraction | None:
    """Return the exact real ``n``-th root where it is rational, else None; ``n`` is at least 1."""
    if value < 0:
        root = nth_root(-value, n) if n % 2 else None
        return -root if root is not None else None
    top, bottom = _integer_root(value.numerator, n), _integer_root(value.denominator, n)
    return Fraction(top, bottom) if top is not None and bottom is not None else None


def _integer_root(value: int, n: int) -> int | None:
    """Return the ``n``-th root of a non-negative integer where it is an integer."""
    if value < 2 or n == 1:
        return value
    if n >= value.bit_length():
        return None
    root = 1 << -(-value.bit_length() // n)  # at or above the root, from where Newton descends
    while (lower := ((n - 1) * root + value // root ** (n - 1)) // n) < root:
        root = lower
    return root if root**n == value else None
