"""Values out of text, exactly: the other direction of ``encode``.

The text may come from a hostile program.
"""

import datetime
import decimal
import fractions
from collections.abc import Callable
from typing import Any

from calculemus.engine.sandbox.inside.encode import MOST_BITS, MOST_HASHED
from calculemus.errors import BadReplyError


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadReplyError("a number that is not written as text")
    return value


def _integer(text: str) -> int:
    return int(text, 16)


def _ratio(parts: Any) -> fractions.Fraction:
    if max(map(len, parts)) > MOST_BITS // 4 + 3:
        raise BadReplyError("a fraction that is too long")
    return fractions.Fraction(_integer(parts[0]), _integer(parts[1]))


def _hashed(items: Any) -> Any:
    if len(items) > MOST_HASHED:
        raise BadReplyError("too many items to be hashed")
    return items


def _number(value: Any) -> float:
    if isinstance(value, dict):
        value = decode(value)
    if not isinstance(value, float):
        raise BadReplyError("a part of a complex number that is no float")
    return value


def _dictionary(pairs: Any) -> dict[Any, Any]:
    return {decode(key): decode(value) for key, value in _hashed(pairs)}


def _items(items: Any) -> list[Any]:
    if not isinstance(items, list):
        raise BadReplyError("items that are not a list")
    return [decode(item) for item in items]


_KINDS: dict[str, Callable[[Any], Any]] = {
    "int": _integer,
    "float": lambda text: float(_text(text)),
    "complex": lambda parts: complex(_number(parts[0]), _number(parts[1])),
    "bytes": bytes.fromhex,
    "decimal": decimal.Decimal,
    "fraction": _ratio,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": lambda parts: datetime.timedelta(*_items(parts)),
    "tuple": lambda items: tuple(_items(items)),
    "set": lambda items: set(_items(_hashed(items))),
    "frozenset": lambda items: frozenset(_items(_hashed(items))),
    "dict": _dictionary,
}

_PROBLEMS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,  # decimal.InvalidOperation, a zero denominator, an overflow
    RecursionError,
)


def _tagged(value: dict[str, Any]) -> Any:
    if len(value) != 1:
        raise BadReplyError("an object that does not have exactly one key")
    ((kind, content),) = value.items()
    return _KINDS[kind](content)


def decode(value: Any) -> Any:
    """Return the value that was encoded.

    Raises:
        BadReplyError: Not something that ``encode`` writes.
    """
    try:
        if isinstance(value, dict):
            return _tagged(value)
        if isinstance(value, list):
            return _items(value)
        return value
    except BadReplyError:
        raise
    except _PROBLEMS as problem:
        raise BadReplyError(f"{type(problem).__name__}: {problem}") from problem
