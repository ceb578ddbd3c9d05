"""Requests and replies as JSON, exactly: what is read back equals what was written, in types too.

A record is an object with one key, its name: ``{"Sample": {"prompt": ..., "sampling": ..., "n": 1}}``. What
programs return is written as the sandbox writes it.
"""

from dataclasses import fields
from typing import Any

from calculemus.cost import Cost
from calculemus.engine import requests
from calculemus.engine.sandbox import record
from calculemus.engine.sandbox.inside.decode import decode
from calculemus.engine.sandbox.inside.encode import encode

_RECORDS: dict[str, type[Any]] = {
    "Prefix": requests.Prefix,
    "Chat": requests.Chat,
    "Sampling": requests.Sampling,
    "Sample": requests.Sample,
    "Score": requests.Score,
    "Value": requests.Value,
    "Embed": requests.Embed,
    "Run": requests.Run,
    "First": requests.First,
    "Completion": requests.Completion,
    "Scored": requests.Scored,
    "Cost": Cost,
    "Ran": record.Run,
    "Call": record.Call,
}
_NAMES = {kind: name for name, kind in _RECORDS.items()}
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in _NAMES}
# Fields that came later are written only where they say something: recordings stay what they are.
_LATER = {
    **dict.fromkeys((requests.Sample, requests.Score, requests.Value, requests.Embed), ("to",)),
    requests.Run: ("before", "replies", "hosts"),
    requests.Sampling: ("pieces",),
    requests.Completion: ("pieces", "start"),
    record.Run: ("pending",),
}


def pack(value: Any) -> Any:
    """Write a request, a reply, or lists of them as JSON-like data.

    Raises:
        NotDataError: Something in it is neither a record known here nor data.

    Example:
        >>> pack(requests.Scored(ids=(7,), logprobs=(-0.5,)))
        {'Scored': {'ids': {'tuple': [7]}, 'logprobs': {'tuple': [-0.5]}}}
        >>> unpack(pack(requests.Scored((7,), (-0.5,)))) == requests.Scored((7,), (-0.5,))
        True
    """
    kind = type(value)
    if kind in _FIELDS:
        content = {name: pack(getattr(value, name)) for name in _FIELDS[kind]}
        for name in _LATER.get(kind, ()):
            if content[name] is None or content[name] is False:
                del content[name]
        return {_NAMES[kind]: content}
    if kind is tuple:
        return {"tuple": [pack(item) for item in value]}
    if kind is list:
        return [pack(item) for item in value]
    return encode(value)


def unpack(value: Any) -> Any:
    """Return what was packed."""
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if isinstance(value, dict) and len(value) == 1:
        ((name, content),) = value.items()
        if name == "tuple":
            return tuple(unpack(item) for item in content)
        if name in _RECORDS:
            return _RECORDS[name](**{field: unpack(item) for field, item in content.items()})
    return decode(value)
