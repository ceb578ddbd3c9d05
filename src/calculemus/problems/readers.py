"""Read rows from JSONL, JSON, TSV, CSV and Parquet files, and say exactly where one is wrong."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from calculemus.errors import MissingExtraError, ProblemError
from calculemus.exact import parse_number
from calculemus.jsonl import Numeral, kind, read_jsonl

BATCH_ROWS = 1024  # of a Parquet file that are in memory at once


_DECODER = json.JSONDecoder(parse_int=Numeral, parse_float=Numeral, parse_constant=Numeral)


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file.

    Attributes:
        where: For messages, for example ``'problems.jsonl', line 3``.
        cells: Its values by column.
    """

    where: str
    cells: dict[str, Any]


def refusal(where: str, found: str, expected: str, advice: str) -> ProblemError:
    """Return the error of a file or of one of its records."""
    return ProblemError(f"reading problems from {where}: {found}; expected {expected}. {advice}")


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file, read by its suffix, one at a time.

    Raises:
        ProblemError: The file is missing, of another kind, torn or malformed.
        MissingExtraError: A Parquet file without the extra ``parquet``.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise refusal(
            f"'{path}'", f"its suffix is '{path.suffix}'", "one of " + ", ".join(READERS), "Convert it."
        )
    try:
        yield from reader(path)
    except OSError as error:
        advice = "Check the path and who may read it."
        found = f"it cannot be opened ({error.strerror or error})"
        raise refusal(f"'{path}'", found, "a readable file", advice) from error


def _text_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each line with its place; decoded line by line, so that a wrong byte has a line number."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            where = f"'{path}', line {number}"
            try:
                yield where, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                if error.reason == "unexpected end of data" and not line.endswith(b"\n"):
                    raise _torn(where, line) from error
                found = f"byte {error.start + 1} of the line (0x{line[error.start]:02x}) is not UTF-8"
                raise refusal(where, found, "text in UTF-8", "Save the file as UTF-8.") from error


def _torn(where: str, line: str | bytes) -> ProblemError:
    found = f"the file ends in the middle of this record, after {len(line)} characters"
    return refusal(
        where, found, "a complete record", "Copy or write the file again, or remove its last line."
    )


def _read_jsonl(path: Path) -> Iterator[Row]:
    def refuse(line: int | None, found: str, expected: str, advice: str) -> NoReturn:
        raise refusal(f"'{path}', line {line}" if line else f"'{path}'", found, expected, advice)

    for line, record in read_jsonl(path, refuse):
        yield _object(f"'{path}', line {line}", record)


def _read_json(path: Path) -> Iterator[Row]:
    text = "".join(line for _, line in _text_lines(path))
    if not text.strip():
        return
    expected = "a list of JSON objects"
    try:
        rows = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        advice = "If it holds one object a line, call it .jsonl; otherwise correct it."
        raise refusal(
            f"'{path}', line {error.lineno}", f"it is not JSON ({error.msg})", expected, advice
        ) from error
    except RecursionError as error:
        raise refusal(f"'{path}'", "it is nested too deeply", expected, "Correct the file.") from error
    if not isinstance(rows, list):
        raise refusal(f"'{path}'", f"it holds {kind(rows)}", expected, "Put the records in a list.")
    for number, row in enumerate(rows, 1):
        yield _object(f"'{path}', record {number}", row)


def _object(where: str, value: Any) -> Row:
    if not isinstance(value, dict):
        raise refusal(where, f"the record is {kind(value)}", "a JSON object", "Correct or remove it.")
    if not all(map(_is_storable, value.values())):
        found = "it holds half of a surrogate pair, which is not a character"
        raise refusal(where, found, "text", "Correct or remove the record.")
    return Row(where, value)


def _is_storable(cell: Any) -> bool:
    """Say whether no text in it holds half of a surrogate pair, which no file or database can hold."""
    if isinstance(cell, str) and cell.isascii():
        return True
    try:
        json.dumps(cell, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_csv(path: Path) -> Iterator[Row]:
    rows = _cells(path, strict=True)
    where, header = next(rows, ("", []))
    yield from _by_column(header, rows, where)


def _read_tsv(path: Path) -> Iterator[Row]:
    """Read a TSV file; quotes mean nothing in it. Two columns without a header are question and answer."""
    rows = _cells(path, delimiter="\t", quoting=csv.QUOTE_NONE)
    where, header = next(rows, ("", []))
    if len(header) == 2 and parse_number(header[1]) is not None:
        rows, header = chain([(where, header)], rows), ["question", "answer"]
    yield from _by_column(header, rows, where)


def _cells(path: Path, **dialect: Any) -> Iterator[tuple[str, list[str]]]:
    reader = csv.reader((line for _, line in _text_lines(path)), **dialect)
    while True:
        start = reader.line_num + 1
        where = f"'{path}', line {start}"
        try:
            cells = next(reader, None)
        except csv.Error as error:
            advice = (
                "Close every quote and double those inside a cell; a file cut short must be copied again."
            )
            raise refusal(
                where, f"the row cannot be read ({error})", "comma-separated cells", advice
            ) from error
        if cells is None:
            return
        if cells:
            yield where, cells


def _by_column(header: list[str], rows: Iterable[tuple[str, list[str]]], head: str) -> Iterator[Row]:
    names = [name.strip() for name in header]
    if len(set(names)) < len(names):
        raise refusal(head, f"two columns have one name ({', '.join(names)})", "a name each", "Rename one.")
    for where, cells in rows:
        if len(cells) != len(names):
            found = f"the row has {len(cells)} cells"
            raise refusal(
                where, found, f"{len(names)}: {', '.join(names)}", "Correct the row; it may be cut short."
            )
        yield Row(where, dict(zip(names, cells, strict=True)))


def _read_parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow  # here, because it is an extra and slow to import
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(f"reading problems from '{path}'", "pyarrow", "parquet") from error
    count = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                for cells in batch.to_pylist():
                    count += 1
                    yield Row(f"'{path}', record {count}", cells)
    except pyarrow.ArrowException as error:
        found = f"after {count} records it cannot be read ({str(error).splitlines()[0]})"
        raise refusal(f"'{path}'", found, "a complete Parquet file", "Copy or download it again.") from error


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".tsv": _read_tsv,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
