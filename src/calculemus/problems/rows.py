"""Turn a row of any source into a Problem."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from calculemus.errors import ProblemError
from calculemus.exact import parse_number
from calculemus.jsonl import Numeral
from calculemus.problem import Problem
from calculemus.problems import gsm8k
from calculemus.problems.readers import Row, refusal

# The first name under which a row has something counts. MGSM on the hub has an answer_number beside an
# answer that is worked out in words.
COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("id",),
    "question": ("question", "problem", "input", "prompt"),
    "answer": ("answer_number", "answer", "target", "gold"),
    "solution": ("solution",),
    "program": ("program", "code"),
}

_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_INTEGER = re.compile(r"-?\d{1,4000}")  # more digits than Python's int() reads stay text
_MAX_ZEROS = 400  # a numeral with a larger exponent keeps its spelling


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a source beforehand.

    Attributes:
        prefix: Rows without an id are called ``prefix/index``.
        numeric: Whether every gold must be a number.
        annotated: Whether every answer must be a solution with a ``####`` line, as in GSM8K.
        meta: What every problem is told.
    """

    prefix: str
    numeric: bool = False
    annotated: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)


def to_problem(row: Row, index: int, shape: Shape) -> Problem:
    """Build the problem of a row.

    Unknown columns, and the members of an object ``meta``, become the problem's meta. An answer with a
    ``####`` line is an annotated solution: what follows ``####`` is the answer. Where the answer is spelt
    otherwise than in the file (``885,000`` is 885000), ``meta['label']`` keeps the file's spelling.

    Raises:
        ProblemError: A column is missing, or a value cannot be used.
    """
    columns = {role: _column(row, role) for role in COLUMNS}
    question, column = columns["question"], columns["answer"]
    if question is None or column is None:
        raise _missing(row, "question" if question is None else "answer")
    meta = _meta(row, columns) | dict(shape.meta)
    label = _answer(row, column).strip()
    solution = _text(row, columns["solution"]) if columns["solution"] else None
    if shape.annotated or "####" in label:
        worked = gsm8k.parse(row.cells[column], markers=("####",))
        if worked.answer:
            label, solution = worked.answer, solution or row.cells[column]
            meta["steps"], meta["annotations"] = len(worked.written_steps), len(worked.annotations)
        elif shape.annotated:
            found = f"the end of '{column}' is {label[-60:]!r}"
            raise refusal(row.where, found, "a last line '#### ' with the answer", "Correct the record.")
    answer = _without_commas(row, column, label) if shape.numeric else label
    if answer != label:
        meta["label"] = label
    return Problem(
        id=_id(row, columns["id"]) or f"{shape.prefix}/{index}",
        question=_text(row, question),
        answer=answer,
        solution=solution,
        program=_text(row, columns["program"]) if columns["program"] else None,
        meta=meta,
    )


def _column(row: Row, role: str) -> str | None:
    """Return the name under which a row has something for ``role``."""
    for name in COLUMNS[role]:
        if row.cells.get(name) not in (None, ""):
            return name
    return None


def _missing(row: Row, role: str) -> ProblemError:
    present = next((name for name in COLUMNS[role] if name in row.cells), None)
    if present:
        return refusal(row.where, f"'{present}' is empty", f"the {role}", "Complete or remove the record.")
    columns = ", ".join(f"'{name[:40]}'" for name in row.cells) or "none"
    found = f"it has no column for the {role}; its columns are {columns}"
    return refusal(row.where, found, "one of " + ", ".join(COLUMNS[role]), "Rename a column.")


def _text(row: Row, column: str) -> str:
    value = row.cells[column]
    if isinstance(value, str) and not isinstance(value, Numeral):
        return value
    raise refusal(row.where, f"'{column}' is {_shown(value)}", "text", "Correct the record.")


def _id(row: Row, column: str | None) -> str | None:
    value = row.cells[column] if column else None
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return None if value is None else str(value)
    raise refusal(row.where, f"the id is {_shown(value)}", "text or a whole number", "Correct the record.")


def _answer(row: Row, column: str) -> str:
    """Return the answer as text; a number exactly as the file has it, in plain decimal spelling."""
    value = row.cells[column]
    is_number = isinstance(value, Numeral | int | float | Decimal) and not isinstance(value, bool)
    if not isinstance(value, str) and not is_number:
        expected = "text or a number"
        raise refusal(row.where, f"'{column}' is {_shown(value)}", expected, "Correct the record.")
    text = str(value)
    infinite = is_number and text.lower().lstrip("-") in ("inf", "infinity")
    if infinite or text.strip().lower().lstrip("+-") == "nan":
        raise refusal(
            row.where, f"'{column}' is {text.strip()}", "an answer", "Complete or remove the record."
        )
    return _plain_decimal(text) if is_number else text


def _plain_decimal(numeral: str) -> str:
    """Return the same number without exponent and trailing zeros: 3431580.0 -> 3431580, 1e3 -> 1000."""
    if "e" in numeral.lower():
        exponent = numeral.lower().partition("e")[2]
        if len(exponent) > 5 or abs(int(exponent)) > _MAX_ZEROS:
            return numeral
        numeral = format(Decimal(numeral), "f")
    if "." in numeral:
        numeral = numeral.rstrip("0").rstrip(".")
    return "0" if numeral == "-0" else numeral


def _without_commas(row: Row, column: str, label: str) -> str:
    if parse_number(label) is None:
        found = f"the answer in '{column}' is {label[:60]!r}"
        raise refusal(
            row.where, found, "a number, as everywhere in this set", "Correct or remove the record."
        )
    return label.replace(",", "") if _GROUPED.fullmatch(label) else label


def _meta(row: Row, columns: Mapping[str, str | None]) -> dict[str, Any]:
    """Return what the other columns say, with the members of an object ``meta`` on top."""
    used = set(columns.values())
    others = {name: value for name, value in row.cells.items() if name not in used and value is not None}
    own = others.get("meta")
    if isinstance(own, dict):
        del others["meta"]
        others |= own
    return {name: _plain(value) for name, value in others.items()}


def _plain(value: Any) -> Any:
    """Return a cell as JSON can hold it."""
    if isinstance(value, Numeral | float):
        return _number(str(value))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int) else str(value)


def _number(numeral: str) -> int | float | str:
    """Return a number, or its text where no finite float holds it."""
    if _INTEGER.fullmatch(numeral):
        return int(numeral)
    value = float(numeral)
    return value if math.isfinite(value) else numeral


def _shown(value: Any) -> str:
    return f"{str(value)[:60]!r} ({type(value).__name__})"
