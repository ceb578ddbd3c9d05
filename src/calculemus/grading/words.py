"""Numbers in English words, up to trillions: ``one hundred and five``, ``two thirds``."""

import re
from fractions import Fraction

_UNITS = {
    word: value
    for value, word in enumerate(
        re.findall(
            r"\w+",
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
            "sixteen seventeen eighteen nineteen",
        )
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {
    "half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "twelfth": 12, "hundredth": 100, "thousandth": 1000,
}  # fmt: skip
_WORD = re.compile(r"[a-z]+")
_ALL_WORDS = re.compile(r"[a-z]+(?:[\s-]+[a-z]+)*\Z")


def parse_words(text: str) -> Fraction | None:
    """Read a number written out in words, or return None."""
    text = text.strip().lower()
    if len(text) > 150 or not _ALL_WORDS.match(text):
        return None
    words = _WORD.findall(text)
    negative = words[0] in ("minus", "negative")
    value = _mixed(words[1:] if negative else words)
    return -value if negative and value is not None else value


def _mixed(words: list[str]) -> Fraction | None:
    """Read a whole number, a fraction, or one 'and' the other."""
    if not words:
        return None
    if words == ["dozen"] or words == ["a", "dozen"]:
        return Fraction(12)
    whole = _whole(words)
    if whole is not None:
        return Fraction(whole)
    for split in range(len(words)):
        if words[split] == "and":
            left, right = _whole(words[:split]), _part(words[split + 1 :])
            if left is not None and right is not None:
                return left + right
    return _part(words)


def _part(words: list[str]) -> Fraction | None:
    """Read ``half``, ``a third``, ``two thirds``; ``third`` alone is an ordinal and is not read."""
    if words == ["half"]:
        return Fraction(1, 2)
    if not 2 <= len(words) <= 4:
        return None
    top = 1 if words[:-1] in (["a"], ["an"], ["one"]) else _whole(words[:-1])
    name = {"halves": "halfs"}.get(words[-1], words[-1])
    plural = name.endswith("s")
    bottom = _PARTS.get(name.removesuffix("s"))
    return Fraction(top, bottom) if top and bottom and plural == (top > 1) else None


def _whole(words: list[str]) -> int | None:
    """Read a whole number: groups below a thousand, each with its scale, scales falling."""
    if not words or words[-1] in ("and", "a", "an") or words[0] == "and":
        return None
    total, group, last_scale, seen_digits = 0, None, 10**15, False
    for word in words:
        if word == "and":
            continue
        if word in SCALES:
            if group is None or SCALES[word] >= last_scale:
                return None
            total, last_scale, group = total + group * SCALES[word], SCALES[word], None
            continue
        group = _extend(group, word)
        if group is None:
            return None
        seen_digits = True
    return total + (group or 0) if seen_digits else None


def _extend(group: int | None, word: str) -> int | None:
    """Add a word to a group below a thousand; None where it cannot follow."""
    if word in ("a", "an"):
        return 1 if group is None else None
    if word == "hundred":
        return group * 100 if group is not None and 1 <= group <= 19 else None
    if word in _TENS:
        return (group or 0) + _TENS[word] if group is None or group % 100 == 0 else None
    if word in _UNITS:
        return _add_unit(group, _UNITS[word])
    return None


def _add_unit(group: int | None, value: int) -> int | None:
    if group is None:
        return value
    after_ten = 0 < value < 10 and group % 10 == 0 and group % 100 not in (0, 10)
    after_hundred = value > 0 and group and group % 100 == 0
    return group + value if after_ten or after_hundred else None
