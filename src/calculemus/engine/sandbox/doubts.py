"""What ``mini`` hands out that may not be what CPython would have handed out.

Two things cannot be seen in a program beforehand. Functions, types and lists within themselves come back as
text. And where two shortest decimals are equally near a float, it writes the upper one and CPython the even
one: the last digit of 0.5**25 is 3 there and 2 here.
"""

import re
from typing import Any

# What a function, a type, a range, a list or dictionary within itself looks like.
_SHOWN = re.compile(r"^<.*>$|^range\(|\[\.\.\.\]|\{\.\.\.\}", re.S)
_NUMERAL = re.compile(r"\d+\.\d+(?:e[-+]\d+)?")
_TIES_FROM = 16  # digits; shorter decimals are never tied


def _is_tied(numeral: str) -> bool:
    if sum(character.isdigit() for character in numeral) < _TIES_FROM:
        return False
    written = repr(float(numeral))
    return written != numeral and len(written) == len(
        numeral
    )  # a number formatted at will is longer or shorter


def doubt_printed(text: str) -> str | None:
    """Say what is doubtful about a text that a program printed; None where nothing is."""
    tied = next((numeral for numeral in _NUMERAL.findall(text) if _is_tied(numeral)), None)
    return None if tied is None else f"the last digit of {tied[:80]}"


def _doubt_text(text: str) -> str | None:
    if _SHOWN.search(text):
        return f"a value that is shown as {text[:80]!r}"
    return doubt_printed(text)


def doubt_value(value: Any) -> str | None:
    """Say what is doubtful about a value; None where nothing is."""
    if isinstance(value, str):
        return _doubt_text(value)
    if isinstance(value, dict):
        value = [item for pair in value.items() for item in pair]
    if isinstance(value, (list, tuple, set, frozenset)):
        return next((doubt for doubt in map(doubt_value, value) if doubt is not None), None)
    return None
