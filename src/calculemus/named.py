"""Names with parameters, as they stand on a command line: ``vote:n=8,temperature=0.7``."""

import difflib
import types
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from calculemus.errors import InvalidParameterError
from calculemus.params import Configured

C = TypeVar("C", bound=Configured)

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


def parse_named(text: str) -> tuple[str, dict[str, str]]:
    """Split ``NAME[:param=value,...]`` into the name and the texts of its parameters.

    Raises:
        InvalidParameterError: A part behind the colon is not ``param=value``, or a parameter is given twice.

    Example:
        >>> parse_named("vote:n=8,temperature=0.7")
        ('vote', {'n': '8', 'temperature': '0.7'})
    """
    name, _, rest = text.strip().partition(":")
    values: dict[str, str] = {}
    for part in rest.split(",") if rest.strip() else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise InvalidParameterError(
                f"reading '{text}': found '{part}' behind the name; expected param=value. "
                f"Write it as in {name.strip() or 'NAME'}:param=value,param=value"
            )
        if key in values:
            raise InvalidParameterError(
                f"reading '{text}': parameter '{key}' is given twice, as {values[key]} and {value}; "
                "expected one value. Leave one out"
            )
        values[key] = value
    return name.strip(), values


def build(cls: type[C], values: Mapping[str, str]) -> C:
    """Build a configured class from parameters as texts.

    Raises:
        InvalidParameterError: A parameter that it does not have (the nearest name is suggested) or a value
            out of range.
    """
    known = [field.name for field in fields(cls)]
    for key in values:
        if key not in known:
            raise InvalidParameterError(
                f"{cls.__name__}: there is no parameter '{key}'; {suggest(key, known)}"
                f"it has {', '.join(known) or 'no parameters'}"
            )
    hints = get_type_hints(cls, include_extras=True)
    return cls.from_params({key: _read(value, hints[key]) for key, value in values.items()})


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean X or Y? `` for the nearest known names, nothing where none is near."""
    near = difflib.get_close_matches(name.lower(), list(known), n=3)
    return f"did you mean {' or '.join(near)}? " if near else ""


def _read(text: str, annotation: Any) -> Any:
    """Read a value as the annotation wants it; what cannot be read stays text, for the check to name it."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    is_union = get_origin(annotation) in (Union, types.UnionType)
    for kind in get_args(annotation) if is_union else (annotation,):
        value = _read_as(text, kind)
        if value is not _UNREAD:
            return value
    return text


_UNREAD = object()


def _read_as(text: str, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return next((choice for choice in get_args(kind) if str(choice) == text), _UNREAD)
    if kind is types.NoneType:
        return None if text.lower() == "none" else _UNREAD
    if kind is bool:
        return _WORDS.get(text.lower(), _UNREAD)
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return _UNREAD
    return text if kind is str else _UNREAD
