"""JSON in what a model writes: found among other text, and read where it is broken.

What is mended: words around it, fences, single and curly quotes, keys without quotes, quotes and line ends
inside a text, backslashes of formulas, commas that are missing or too many, and everything that is left open
at the end. What is made of it is never more than was written.
"""

import json
import re
from typing import Any

from calculemus.errors import ParseError

MOST_DEPTH = 50
"""Objects and lists within each other; deeper ones are no form that anybody asked for."""

_OBJECT = re.compile(r"\{")
_BARE = re.compile(r"[^\s,:\[\]{}\"']+")
_BLANK = re.compile(r"(?:\s+|//[^\n]*)*")
_CLOSES = re.compile(r"\s*(?:[,:}\]]|\Z)|[ \t]*\n\s*[\"'“]")
_UNQUOTED = re.compile(r"[^,\n}\]]*")
_QUOTES = {'"': '"', "'": "'", "“": "”", "”": "”"}
_WORDS = {"true": True, "false": False, "null": None, "none": None, "nan": None}
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_FORMULA = re.compile(r"(?<!\\)\\(?=[bfrt][a-z]{2})")
_ESCAPES = {"n": "\n", '"': '"', "'": "'", "\\": "\\", "/": "/"}


def read_object(text: str, doing: str) -> dict[str, Any]:
    r"""Return the JSON object that a text holds, mended where it is broken.

    Where several begin, the first one that has anything in it counts.

    Args:
        text: What a model wrote.
        doing: What is being done, for the message of the error.

    Raises:
        ParseError: There is no object in the text.

    Example:
        >>> read_object('Here it is: {"a": 1, b: \'two\', "c": ["x", "y', "an example")
        {'a': 1, 'b': 'two', 'c': ['x', 'y']}
    """
    told = _FORMULA.sub(r"\\\\", text)  # to JSON \frac is a form feed before rac
    for found in _OBJECT.finditer(told):
        whole = _strict(told[found.start() :])
        value = whole if whole is not None else _Reader(told, found.start(), doing, text).value(0)
        if value:
            return value
    raise ParseError(doing, text, "an object in JSON, in braces")


def _strict(text: str) -> dict[str, Any] | None:
    """Return what a text begins with, where that is JSON as the standard has it."""
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


class _Reader:
    """Reads on from a place in a text, and takes what it finds for what it most likely is."""

    def __init__(self, text: str, place: int, doing: str, raw: str) -> None:
        self._raw = raw
        self._text = text
        self._place = place
        self._doing = doing

    def value(self, depth: int) -> Any:
        """Read a value."""
        if depth > MOST_DEPTH:
            raise ParseError(self._doing, self._raw, f"JSON with at most {MOST_DEPTH} levels")
        self._skip()
        sign = self._peek()
        if sign == "{":
            return self._object(depth)
        if sign == "[":
            return self._list(depth)
        return self._quoted() if sign in _QUOTES else self._bare()

    def _peek(self) -> str:
        return self._text[self._place : self._place + 1]

    def _skip(self) -> None:
        found = _BLANK.match(self._text, self._place)
        assert found is not None, "it matches nothing at least"
        self._place = found.end()

    def _object(self, depth: int) -> dict[str, Any]:
        self._place += 1
        read: dict[str, Any] = {}
        while self._goes_on("}"):
            key = self._quoted() if self._peek() in _QUOTES else self._key()
            self._skip()
            if self._peek() == ":":
                self._place += 1
                read[key] = self.value(depth + 1)
        return read

    def _list(self, depth: int) -> list[Any]:
        self._place += 1
        read: list[Any] = []
        while self._goes_on("]"):
            read.append(self.value(depth + 1))
        return read

    def _goes_on(self, end: str) -> bool:
        """Skip commas, and the end where it has come; signs that belong nowhere are passed over."""
        while True:
            self._skip()
            sign = self._peek()
            if not sign:
                return False
            if sign == end:
                self._place += 1
                return False
            if sign in "}]":
                return False  # what is around it ends here, and this was left open
            if sign not in ",:":
                return True
            self._place += 1

    def _key(self) -> str:
        found = _BARE.match(self._text, self._place)
        if found is None:  # a bracket where a name should be
            self._place += 1
            return ""
        self._place = found.end()
        return found[0]

    def _bare(self) -> Any:
        """Read a number, a word of JSON's, or text without quotes up to the end of its line or part."""
        start = self._place
        found = _UNQUOTED.match(self._text, start)
        assert found is not None, "it matches nothing at least"
        self._place = found.end()
        text = found[0].strip()
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        if _NUMBER.fullmatch(text):
            return float(text) if re.search(r"[.eE]", text) else _whole(text)
        return text

    def _quoted(self) -> str:
        """Read a text; a quote ends it only where a comma, a bracket or the like follows."""
        end = _QUOTES[self._peek()]
        self._place += 1
        written: list[str] = []
        while self._place < len(self._text):
            sign = self._text[self._place]
            self._place += 1
            if sign == end and _CLOSES.match(self._text, self._place):
                break
            if sign == "\\" and self._peek() in _ESCAPES and self._peek():
                sign = _ESCAPES[self._peek()]
                self._place += 1
            written.append(sign)
        return "".join(written)


def _whole(text: str) -> int | str:
    """Return a whole number; one too long for Python stays text."""
    return int(text) if len(text) < 1000 else text
