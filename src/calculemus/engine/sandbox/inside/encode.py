"""Values as text, exactly: what a run returned, and what it was given.

Numbers, text and lists are written as JSON does. Everything else is an object with one key that names the
kind: ``{"fraction": ["0x1", "0x3"]}``. Integers that JSON readers may round are hexadecimal, which also keeps
them clear of the limit on decimal digits. Types are compared exactly or converted by the methods of the base
type: an object of the program's own class never gets to answer for itself.
"""

import collections
import datetime
import decimal
import fractions
from collections.abc import Callable, Iterator
from typing import Any

from calculemus.errors import NotDataError

MAX_DEPTH = 50
MOST_HASHED = 5000  # in one set or dictionary: with equal hashes, building it takes the square of that
MOST_BITS = 2**18  # in a numerator or denominator: reducing a fraction takes the square of that
_EXACT_IN_JSON = 2**53


def _refuse(what: str) -> NotDataError:
    return NotDataError(f"the value is or holds {what}; expected numbers, text, dates, or lists of them")


def _integer(value: int) -> Any:
    value = int.__index__(value)
    return value if -_EXACT_IN_JSON < value < _EXACT_IN_JSON else {"int": hex(value)}


def _number(value: float) -> Any:
    value = float.__pos__(value)
    return value if float("-inf") < value < float("inf") else {"float": float.__repr__(value)}


def _timedelta(value: datetime.timedelta) -> Any:
    return {"timedelta": [value.days, value.seconds, value.microseconds]}


def _fraction(value: fractions.Fraction) -> Any:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MOST_BITS:
        raise _refuse(f"a fraction of more than {MOST_BITS} bits")
    return {"fraction": [hex(value.numerator), hex(value.denominator)]}


_Encoder = Callable[[Any], Any]

_PLAIN: dict[type, _Encoder] = {
    type(None): lambda value: None,
    bool: bool,
    int: _integer,
    float: _number,
    str: lambda value: str.__str__(value),
    complex: lambda value: {"complex": [_number(value.real), _number(value.imag)]},
    bytes: lambda value: {"bytes": bytes.hex(value)},
    bytearray: lambda value: {"bytes": bytearray.hex(value)},
    decimal.Decimal: lambda value: {"decimal": decimal.Decimal.__str__(value)},
    fractions.Fraction: _fraction,
    datetime.datetime: lambda value: {"datetime": datetime.datetime.isoformat(value)},
    datetime.date: lambda value: {"date": datetime.date.isoformat(value)},
    datetime.time: lambda value: {"time": datetime.time.isoformat(value)},
    datetime.timedelta: _timedelta,
}
_TAGGED: dict[type, str] = {tuple: "tuple", set: "set", frozenset: "frozenset"}
_LISTED = (list, range, collections.deque, type({}.keys()), type({}.values()), type({}.items()))


def _sympy(value: Any) -> Any:
    """Turn exact numbers into ours and everything else into its text."""
    if getattr(value, "is_Integer", False):
        return int(value)
    if getattr(value, "is_Rational", False):
        return fractions.Fraction(int(value.p), int(value.q))
    if getattr(value, "is_Float", False):
        return float(value)
    if getattr(value, "is_Boolean", False) and not getattr(value, "free_symbols", True):
        return bool(value)
    return str(value)


def _array(value: Any) -> Any:
    """Turn scalars and arrays of numpy, series and columns of pandas into ours."""
    for name in ("tolist", "item"):
        if hasattr(value, name):
            return getattr(value, name)()
    raise _refuse(f"a '{type(value).__name__}'")


_FOREIGN: dict[str, _Encoder] = {"sympy": _sympy, "numpy": _array, "pandas": _array, "mpmath": float}


def _known_base(value: Any, table: dict[type, Any]) -> Any:
    """Find the entry of the value's own type, or of the first type that it derives from."""
    for kind in type.mro(type(value)):
        if kind in table:
            return table[kind]
    return None


def _children(value: Any, depth: int) -> list[Any]:
    return [encode(item, depth + 1) for item in value]


def _container(value: Any, depth: int) -> Any:
    if isinstance(value, (set, frozenset, dict)) and len(value) > MOST_HASHED:
        raise _refuse(f"a '{type(value).__name__}' of more than {MOST_HASHED} items")
    tag = _known_base(value, _TAGGED)
    if tag is not None:
        return {tag: _children(value, depth)}
    if isinstance(value, dict):
        return {"dict": [_children(pair, depth) for pair in dict.items(value)]}
    if isinstance(value, (*_LISTED, Iterator)):
        return _children(value, depth)
    raise _refuse(f"a '{type(value).__name__}'")


def encode(value: Any, depth: int = 0) -> Any:
    """Write a value as JSON-like data that ``decode`` reads back exactly.

    Raises:
        NotDataError: The value, or something in it, is not data.
    """
    if depth > MAX_DEPTH:
        raise _refuse(f"something nested deeper than {MAX_DEPTH}")
    plain = _known_base(value, _PLAIN)
    if plain is not None:
        return plain(value)
    foreign = _FOREIGN.get(str(type(value).__module__).partition(".")[0])
    if foreign is not None:
        return encode(foreign(value), depth + 1)
    return _container(value, depth)
