"""Read a JSON Lines file record by record, and say exactly where it is wrong."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

from calculemus.errors import RecordError
from calculemus.jsonl import Numeral, Record, read_jsonl, refuse_unreadable

_CHUNK = 1 << 20


def refuse(path: Path, line: int | None, found: str, expected: str, advice: str) -> NoReturn:
    """Raise the RecordError of a file, or of one of its lines."""
    where = f"reading recorded solutions '{path}'" + (f", line {line}" if line else "")
    raise RecordError(f"{where}: {found}; expected {expected}. {advice}")


def read_records(path: Path) -> Iterator[tuple[int, Record]]:
    """Yield each record with the number of its line, from 1; blank lines are passed over.

    Raises:
        RecordError: The file is missing, empty or not text; a line is no JSON object; the last line is torn.
    """
    line = 0
    for line, record in read_jsonl(path, partial(refuse, path)):
        yield line, record
    if not line:
        refuse(path, None, "the file is empty", "one JSON object a line", "Check that it was written.")


def content_digest(path: Path) -> str:
    """Return 32 hexadecimal digits that name a file by its bytes."""
    state = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                state.update(chunk)
    except OSError as error:
        refuse_unreadable(error, partial(refuse, path))
    return state.hexdigest()


def storable(text: str) -> str:
    """Replace lone surrogates, which JSON can write and no UTF-8 file or database can hold."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def is_nan(value: object) -> bool:
    """Say whether a value is one of JSON's unofficial NaN and infinities."""
    return isinstance(value, Numeral) and value in ("NaN", "Infinity", "-Infinity")
