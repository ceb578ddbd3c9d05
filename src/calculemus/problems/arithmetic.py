"""Evaluate school arithmetic exactly: numerals, ``+ - * / // ( )`` and chains of ``=``; nothing is executed.

``//`` rounds down; two annotations of GSM8K use it.
"""

import re
from fractions import Fraction

from calculemus.exact import parse_number

MAX_CHARACTERS = 10_000  # longer expressions are not read: exact products grow with their text
MAX_DEPTH = 50  # of nested parentheses
RELATIVE_TOLERANCE = Fraction(1, 1_000_000)  # annotations round: 10/3=3.333333

_TOKEN = re.compile(r"\s*(\d+\.?\d*|\.\d+|//|[-+*/()])")


def evaluate(expression: str) -> Fraction | None:
    """Return the exact value of an expression; None where it is not arithmetic or divides by zero."""
    try:
        parser = _Parser(_tokens(expression))
        value = parser.sum()
        return value if parser.at_end else None
    except (ValueError, ZeroDivisionError):
        return None


def holds(chain: str) -> bool | None:
    """Say whether the sides of ``a=b=c`` are equal; None where it is no equation or cannot be evaluated."""
    values = [evaluate(side) for side in chain.split("=")]
    known = [value for value in values if value is not None]
    if len(values) < 2 or len(known) < len(values):
        return None
    return all(is_close(value, known[-1]) for value in known[:-1])


def is_close(a: Fraction, b: Fraction) -> bool:
    """Say whether two numbers are equal within ``RELATIVE_TOLERANCE``."""
    return a == b or abs(a - b) <= RELATIVE_TOLERANCE * max(abs(a), abs(b))


def _tokens(text: str) -> list[str]:
    if len(text) > MAX_CHARACTERS or not text.isascii():
        raise ValueError("too long, or with signs that are not arithmetic")
    tokens, position, text = [], 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"{text[position]!r} is not arithmetic")
        tokens.append(match[1])
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent: a sum of products of signed atoms."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    @property
    def at_end(self) -> bool:
        return self._next == len(self._tokens)

    def sum(self) -> Fraction:
        value = self._product()
        while sign := self._take("+", "-"):
            term = self._product()
            value = value + term if sign == "+" else value - term
        return value

    def _product(self) -> Fraction:
        value = self._signed()
        while sign := self._take("*", "/", "//"):
            factor = self._signed()
            if sign == "*":
                value *= factor
            else:
                value = value / factor if sign == "/" else Fraction(value // factor)
        return value

    def _signed(self) -> Fraction:
        negative = False
        while sign := self._take("+", "-"):
            negative ^= sign == "-"
        value = self._atom()
        return -value if negative else value

    def _atom(self) -> Fraction:
        if self._take("("):
            return self._parenthesis()
        value = None if self.at_end else parse_number(self._tokens[self._next])
        if value is None:
            raise ValueError("a number is missing")
        self._next += 1
        return value

    def _parenthesis(self) -> Fraction:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        value = self.sum()
        if not self._take(")"):
            raise ValueError("a parenthesis is not closed")
        self._depth -= 1
        return value

    def _take(self, *signs: str) -> str | None:
        """Step over the next token if it is one of ``signs``."""
        if self.at_end or self._tokens[self._next] not in signs:
            return None
        self._next += 1
        return self._tokens[self._next - 1]
