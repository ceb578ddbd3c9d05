"""Parameters: fields of frozen dataclasses with annotated ranges.

One declaration feeds validation, command-line flags, ``repr``, run keys, forms and docs:

    >>> from dataclasses import dataclass
    >>> from typing import Annotated
    >>> @dataclass(frozen=True)
    ... class Vote(Configured):
    ...     n_samples: Annotated[int, AtLeast(1)] = 8
    >>> Vote(n_samples=0)
    Traceback (most recent call last):
    calculemus.errors.InvalidParameterError: Vote: parameter 'n_samples' is 0; expected a whole number, at least 1
"""  # noqa: E501  # doctest compares whole lines

import hashlib
import json
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Literal, Protocol, Self, Union, get_args, get_origin, get_type_hints

from calculemus.errors import InvalidParameterError


class Constraint(Protocol):
    """A range or set that a value must lie in."""

    def allows(self, value: Any) -> bool:
        """Say whether ``value`` lies in it."""
        ...

    def describe(self) -> str:
        """Name what is allowed, to follow 'expected'."""
        ...


@dataclass(frozen=True, slots=True)
class AtLeast:
    """``low`` or more."""

    low: float

    def allows(self, value: Any) -> bool:
        """Say whether ``value`` is at least ``low``."""
        return value >= self.low

    def describe(self) -> str:
        """Name the bound."""
        return f"at least {self.low}"


@dataclass(frozen=True, slots=True)
class Between:
    """From ``low`` to ``high``, ends included unless open."""

    low: float
    high: float
    open_left: bool = False
    open_right: bool = False

    def allows(self, value: Any) -> bool:
        """Say whether ``value`` lies in the interval."""
        above = value > self.low if self.open_left else value >= self.low
        below = value < self.high if self.open_right else value <= self.high
        return above and below

    def describe(self) -> str:
        """Write the interval."""
        return f"in {'(' if self.open_left else '['}{self.low}, {self.high}{')' if self.open_right else ']'}"


_TYPE_NAMES = {int: "a whole number", float: "a finite number", str: "text", bool: "true or false"}


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _fits(value: Any, kind: Any) -> bool:
    """Say whether ``value`` is of the annotated type; an int passes for a float, a bool only for a bool."""
    if kind is Any:
        return True
    origin = get_origin(kind)
    if origin is Literal:
        return value in get_args(kind)
    if origin in (Union, types.UnionType):
        return any(_fits(value, option) for option in get_args(kind))
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, get_args(kind)[0]) for item in value)
    if kind is types.NoneType:
        return value is None
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is float:
        return isinstance(value, (int, float)) and _is_finite(value)
    return isinstance(value, kind)


def _describe_type(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return "one of " + ", ".join(map(repr, get_args(kind)))
    if origin in (Union, types.UnionType):
        return " or ".join(_describe_type(option) for option in get_args(kind))
    if kind is types.NoneType:
        return "None"
    return _TYPE_NAMES.get(kind, getattr(kind, "__name__", str(kind)))


def _unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split ``Annotated[kind, constraint, ...]``."""
    if get_origin(annotation) is Annotated:
        kind, *constraints = get_args(annotation)
        return kind, tuple(c for c in constraints if hasattr(c, "allows"))
    return annotation, ()


def _as_declared(value: Any, annotation: Any) -> Any:
    """Return a number that is declared as real as a float without a negative zero: 2 and 2.0 are one key."""
    kind, _ = _unwrap(annotation)
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if isinstance(value, tuple) and get_origin(kind) is tuple:
        return tuple(_as_declared(item, get_args(kind)[0]) for item in value)
    is_real = float in options and int not in options and not isinstance(value, bool)
    return value + 0.0 if is_real and isinstance(value, (int, float)) else value


@dataclass(frozen=True)
class Configured:
    """Base of everything with parameters: stores them, checks them, reads and writes them as JSON."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self), include_extras=True)
        for field in fields(self):
            self._check(field.name, getattr(self, field.name), hints[field.name])

    def _check(self, name: str, value: Any, annotation: Any) -> None:
        kind, constraints = _unwrap(annotation)
        allowed = _fits(value, kind) and (value is None or all(c.allows(value) for c in constraints))
        if not allowed:
            expected = ", ".join([_describe_type(kind), *(c.describe() for c in constraints)])
            raise InvalidParameterError(
                f"{type(self).__name__}: parameter '{name}' is {value!r}; expected {expected}"
            )

    def params(self) -> dict[str, Any]:
        """Return the parameters by name, JSON-like; equal objects have the same text."""
        hints = get_type_hints(type(self), include_extras=True)
        return {f.name: _as_declared(getattr(self, f.name), hints[f.name]) for f in fields(self)}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        """Build from parameters by name.

        Raises:
            InvalidParameterError: A name that is not a parameter, a parameter that is missing, or a value
                out of range.
        """
        known = {field.name: field for field in fields(cls)}
        for name in params:
            if name not in known:
                raise InvalidParameterError(
                    f"{cls.__name__}: there is no parameter '{name}'; "
                    f"it has {', '.join(known) or 'no parameters'}"
                )
        for name, field in known.items():
            if name not in params and field.default is MISSING and field.default_factory is MISSING:
                raise InvalidParameterError(
                    f"{cls.__name__}: parameter '{name}' is missing and has no default; give it a value"
                )
        return cls(**{n: tuple(v) if isinstance(v, list) else v for n, v in params.items()})


def canonical_json(value: Any) -> str:
    """Write JSON in its one spelling: sorted keys, no spaces, no NaN; 1, 1.0 and true stay apart."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """Return 32 hexadecimal digits that name a JSON-like value by its content."""
    return hashlib.blake2b(canonical_json(value).encode(errors="surrogatepass"), digest_size=16).hexdigest()
