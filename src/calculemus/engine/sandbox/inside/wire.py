"""Frames on a socket: four bytes of length, then JSON. Both ends of the jail speak it."""

import json
import os
from collections.abc import Mapping
from typing import Any

_LENGTH = 4


def frame(message: Mapping[str, Any]) -> bytes:
    """Write one frame."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return len(body).to_bytes(_LENGTH, "big") + body


def send(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _receive_exactly(descriptor: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def receive(descriptor: int) -> Any:
    """Read one frame from a trusted sender; None at the end."""
    head = _receive_exactly(descriptor, _LENGTH)
    body = _receive_exactly(descriptor, int.from_bytes(head, "big")) if head else b""
    return json.loads(body) if body else None
