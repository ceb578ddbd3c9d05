"""Tokens of an expression, and numerals in every notation that people write."""

import re
from dataclasses import dataclass
from fractions import Fraction

from calculemus.errors import UnreadableError
from calculemus.exact import decimal, parse_number

MAX_LENGTH = 2_000  # characters


NUMBER = (
    r"\d*\.\d*(?:\\overline\s?\{\d+\}|\\bar\s?\{\d+\}|\\dot\s?\{\d+\}|\(\d+\))"  # repeating, marked
    r"|\d*\.\d{2,}\.\.\."  # repeating, with dots
    r"|\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])"  # 1,234,567.89
    r"|\d{1,3}(?:\.\d{3})+,\d+(?!\d)|\d{1,3}(?:\.\d{3}){2,}(?![\d.])"  # 1.234.567,89
    r"|\d{1,3}(?:'\d{3})+(?:\.\d+)?(?!\d)|\d{1,3}(?:_\d{3})+(?!\d)"  # 1'234'567 and 1_234_567
    r"|[1-9]\d{0,2}(?: \d{3})+(?:[.,]\d+)?(?![\d/])(?! \d)"  # 1 234 567,89
    r"|\d+\.?\d*(?:[eE][+-]?\d+(?![A-Za-z]))?|\.\d+(?:[eE][+-]?\d+(?![A-Za-z]))?"
)
_TOKEN = re.compile(
    rf"\s*(?:(?P<mixed>\d+ \d+/\d+)(?![\d.])|(?P<number>{NUMBER})"
    r"|(?P<command>\\[A-Za-z]+)|(?P<word>[A-Za-z]+)"
    r"|(?P<sign>\*\*|[-+*/^!%|()\[\]{}_,=<>:']))"
)
_REPEATING = re.compile(r"(\d*)\.(\d*)(?:\\\w+\s?\{(\d+)\}|\((\d+)\))\Z")
_UNGROUPED = str.maketrans("", "", " ,'_")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text: its kind (``number``, ``command``, ``word``, ``sign``) and spelling."""

    kind: str
    text: str


def read_number(text: str) -> Fraction | None:
    """Read one numeral in any of the notations that the lexer knows."""
    if text.endswith("..."):
        return _dotted(text[:-3])
    match = _REPEATING.match(text)
    if match:
        return _repeating(match[1], match[2], match[3] or match[4])
    if re.match(r"\d{1,3}(?:\.\d{3})+,\d+\Z", text) or re.match(r"\d{1,3}(?: \d{3})+,\d+\Z", text):
        text = text.replace(".", "").replace(",", ".").replace(" ", "")
    elif re.match(r"\d{1,3}(?:\.\d{3}){2,}\Z", text):
        text = text.replace(".", "")
    return parse_number(text.translate(_UNGROUPED))


def _repeating(whole: str, fixed: str, period: str) -> Fraction | None:
    start = decimal("", whole, fixed, None)
    if start is None:
        return None
    return start + Fraction(int(period), (10 ** len(period) - 1) * 10 ** len(fixed))


def _dotted(text: str) -> Fraction | None:
    """Read ``0.1666`` (dots removed): the shortest block that ends the digits at least twice repeats."""
    whole, _, digits = text.partition(".")
    for size in range(1, len(digits) // 2 + 1):
        period = digits[-size:]
        if digits.endswith(period * 2):
            fixed = digits
            while fixed.endswith(period):
                fixed = fixed[:-size]
            return _repeating(whole, fixed, period)
    return None


def tokenize(text: str) -> list[Token]:
    """Split normalised text into tokens.

    Raises:
        UnreadableError: Too long, or a character that no expression has.
    """
    if len(text) > MAX_LENGTH:
        raise UnreadableError("too long")
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            if text[position:].isspace():
                break
            raise UnreadableError(f"unexpected {text[position]!r}")
        tokens.append(Token(str(match.lastgroup), match[match.lastgroup or 0]))
        position = match.end()
    return tokens
