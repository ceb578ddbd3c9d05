"""JSON Lines, record by record, with every fault named by its line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, Protocol

Record = dict[str, Any]


class Numeral(str):
    """A JSON number in its own spelling: 18.50 stays 18.50, NaN stays NaN, and no binary float is made."""

    __slots__ = ()


class Refuse(Protocol):
    """Raises the error of a file, or of one of its lines."""

    def __call__(self, line: int | None, found: str, expected: str, advice: str) -> NoReturn:
        """Raise; ``line`` counts from 1, None is the whole file."""
        ...


def read_jsonl(path: Path, refuse: Refuse) -> Iterator[tuple[int, Record]]:
    """Yield each record with the number of its line, from 1; blank lines are passed over.

    Args:
        path: The file.
        refuse: Called for a file that is missing, unreadable or not UTF-8, for a line that is no JSON object,
            and for a last line that is torn.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _parse(number, line, refuse)
    except OSError as error:
        refuse_unreadable(error, refuse)


def refuse_unreadable(error: OSError, refuse: Refuse) -> NoReturn:
    """Refuse a file that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        refuse(None, "there is no such file", "a JSON Lines file", "Check the path.")
    reason = "it is a folder" if isinstance(error, IsADirectoryError) else (error.strerror or str(error))
    refuse(None, reason, "a readable JSON Lines file", "Give the path of the file itself.")


def _parse(number: int, line: bytes, refuse: Refuse) -> Record:
    advice = "Write one JSON object a line, in UTF-8."
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and not line.endswith(b"\n"):
            _refuse_torn(number, refuse)
        byte = f"byte {error.start + 1} of the line (0x{line[error.start]:02x})"
        refuse(number, f"{byte} is not UTF-8", "UTF-8 text", advice)
    try:
        record = json.loads(text, parse_int=Numeral, parse_float=Numeral, parse_constant=Numeral)
    except (ValueError, RecursionError) as error:
        _refuse_line(number, line, error, refuse)
    if not isinstance(record, dict):
        refuse(number, f"the line holds {kind(record)}", "a JSON object", advice)
    return record


def _refuse_torn(number: int, refuse: Refuse) -> NoReturn:
    advice = "Let the program that writes it finish, or remove the line to use what is there."
    refuse(number, "the last line is torn: the file ends inside a record", "a complete JSON object", advice)


def _refuse_line(number: int, line: bytes, error: Exception, refuse: Refuse) -> NoReturn:
    """Tell a file that ends inside a record, and a document spread over lines, from a plain mistake."""
    if number == 1 and line.strip() in (b"{", b"[") and line.endswith(b"\n"):
        found = (
            f"the line is just '{line.strip().decode()}': this looks like one JSON document over many lines"
        )
        refuse(number, found, "one JSON object a line", "Write the records one a line (jq -c does it).")
    if not line.endswith(b"\n"):
        _refuse_torn(number, refuse)
    if isinstance(error, RecursionError):
        refuse(number, "the record is nested too deeply", "a JSON object", "Correct or remove the line.")
    reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    column = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
    refuse(number, f"wrong JSON ({reason}{column})", "a JSON object", "Correct or remove the line.")


def kind(value: object) -> str:
    """Name a JSON value's type, for messages."""
    if isinstance(value, Numeral):
        return f"the number {value[:40]}"
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), repr(value))
