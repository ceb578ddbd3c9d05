"""Read a JSON Lines file record by record, and say exactly where it is wrong."""

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from calculemus.errors import RecordError

Record = dict[str, Any]

_CHUNK = 1 << 20


class Number(str):
    """A JSON number in its own spelling: 18.50 stays 18.50, and 10,000 digits cost nothing."""

    __slots__ = ()


def refuse(path: Path, line: int | None, found: str, expected: str, advice: str) -> NoReturn:
    """Raise the RecordError of a file, or of one of its lines."""
    where = f"reading recorded solutions '{path}'" + (f", line {line}" if line else "")
    raise RecordError(f"{where}: {found}; expected {expected}. {advice}")


def read_records(path: Path) -> Iterator[tuple[int, Record]]:
    """Yield each record with the number of its line, from 1; blank lines are passed over.

    Raises:
        RecordError: The file is missing, empty or not text; a line is no JSON object; the last line is torn.
    """
    found_any = False
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    found_any = True
                    yield number, _parse(path, number, line)
    except OSError as error:
        _refuse_unreadable(path, error)
    if not found_any:
        refuse(path, None, "the file is empty", "one JSON object a line", "Check that it was written.")


def content_digest(path: Path) -> str:
    """Return 32 hexadecimal digits that name a file by its bytes."""
    state = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                state.update(chunk)
    except OSError as error:
        _refuse_unreadable(path, error)
    return state.hexdigest()


def storable(text: str) -> str:
    """Replace lone surrogates, which JSON can write and no UTF-8 file or database can hold."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def is_nan(value: object) -> bool:
    """Say whether a value is one of JSON's unofficial NaN and infinities."""
    return isinstance(value, float) and not math.isfinite(value)


def _refuse_unreadable(path: Path, error: OSError) -> NoReturn:
    if isinstance(error, FileNotFoundError):
        refuse(path, None, "there is no such file", "a JSON Lines file", "Check the path.")
    reason = "it is a folder" if isinstance(error, IsADirectoryError) else (error.strerror or str(error))
    refuse(path, None, reason, "a readable JSON Lines file", "Give the path of the file itself.")


def _parse(path: Path, number: int, line: bytes) -> Record:
    advice = "Write one JSON object a line, in UTF-8."
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        refuse(path, number, f"byte {error.start + 1} of the line is not UTF-8", "UTF-8 text", advice)
    try:
        record = json.loads(text, parse_int=Number, parse_float=Number)
    except (ValueError, RecursionError) as error:
        _refuse_line(path, number, line, error)
    if not isinstance(record, dict):
        refuse(path, number, f"the line holds {kind(record)}", "a JSON object", advice)
    return record


def _refuse_line(path: Path, number: int, line: bytes, error: Exception) -> NoReturn:
    """Tell a file that ends inside a record, and a document spread over lines, from a plain mistake."""
    reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    if number == 1 and line.strip() in (b"{", b"["):
        found = (
            f"the line is just '{line.strip().decode()}': this looks like one JSON document over many lines"
        )
        refuse(path, number, found, "one JSON object a line", "Write the records one a line (jq -c does it).")
    if not line.endswith(b"\n"):
        refuse(
            path,
            number,
            "the last line is torn: the file ends inside a record",
            "a complete JSON object",
            "Let the program that writes it finish, or remove the line to compare what is there.",
        )
    column = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
    refuse(path, number, f"wrong JSON ({reason}{column})", "a JSON object", "Correct or remove the line.")


def kind(value: object) -> str:
    """Name a JSON value's type, for messages."""
    if isinstance(value, Number):
        return f"the number {value[:40]}"
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), repr(value))
