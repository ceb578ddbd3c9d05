"""Looks at checkpoint files before anything large is read."""

import json
from pathlib import Path

from calculemus.errors import EngineError

HEADER_LIMIT = 100_000_000
"""The format's own limit, in bytes."""


def check_safetensors(path: Path, doing: str) -> None:
    """See that a safetensors file is whole, from its header and its size alone.

    Raises:
        EngineError: It is missing, cut short, or something else.
    """
    repair = "Copy or download it again"
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            n_header = int.from_bytes(file.read(8), "little")
            header = file.read(n_header) if 2 <= n_header <= min(HEADER_LIMIT, size - 8) else b""
        entries = json.loads(header)
        ends = [entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"]
    except OSError as error:
        raise EngineError(
            f"{doing}: cannot read '{path}': {error.strerror}; expected safetensors. {repair}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise EngineError(
            f"{doing}: '{path}' has no readable header; expected safetensors. {repair}"
        ) from error
    expected = 8 + n_header + max(ends, default=0)
    if size != expected:
        raise EngineError(
            f"{doing}: '{path}' has {size} bytes; expected {expected} by its own header. {repair}"
        )
