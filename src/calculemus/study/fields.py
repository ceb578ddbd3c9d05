"""What the fields of a recorded row mean: who is asked, what is answered, what it took."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from calculemus.cost import Cost
from calculemus.jsonl import Numeral, Record, kind
from calculemus.solution import Solution
from calculemus.study.records import is_nan, refuse, storable

ID_KEYS = ("id", "problem_id")
QUESTION_KEYS = ("question", "problem", "input")
RESPONSE_KEYS = ("response", "completion", "prediction", "pred", "output", "solution", "text")
SYSTEM_KEYS = ("model", "system")
FLAG_KEYS = ("is_correct", "correct", "exact_match")
_WHOLE = {f.name for f in fields(Cost) if f.type == int | None}
_COSTS = {f.name: f.name for f in fields(Cost)} | {"seconds": "seconds_engine"}
_UNKNOWN = Cost()
_ADVICE = "Correct or remove the line."


@dataclass(frozen=True, slots=True)
class Given:
    """One system's answers in one record.

    Attributes:
        solutions: Its tries.
        first: The number of the first try.
        flags: The file's own findings on a single try, by what they are called.
    """

    solutions: tuple[Solution, ...]
    first: int = 0
    flags: Mapping[str, bool] = field(default_factory=dict)


def read_given(path: Path, line: int, value: Any, beside: Record) -> Given:
    """Read one text or a list of tries; number, costs and flags stand in the fields beside it."""
    texts = (value or [None]) if isinstance(value, list) else [value]
    costs = _read_costs(path, line, beside, len(texts))
    solutions = tuple(read_solution(path, line, text, cost) for text, cost in zip(texts, costs, strict=True))
    flags = {key: flag for key in FLAG_KEYS if (flag := read_flag(beside.get(key))) is not None}
    first = read_count(path, line, "sample", beside["sample"]) if "sample" in beside else 0
    return Given(solutions, first, flags if len(texts) == 1 else {})


def read_solution(path: Path, line: int, value: Any, cost: Cost = _UNKNOWN) -> Solution:
    """Read one response; null and NaN are failures of the system, not mistakes of the file."""
    if value is None or is_nan(value):
        failure = f"the recorded response is {'null' if value is None else value}"
        return Solution(None, cost=cost, failure=failure)
    if not isinstance(value, str):
        refuse(path, line, f"the response is {kind(value)}", "text, null or a list of texts", _ADVICE)
    return Solution(storable(str(value)), cost=cost)


def read_id(path: Path, line: int, record: Record) -> str | None:
    """Read the problem's id; a whole number stands for its digits."""
    for key in ID_KEYS:
        value = record.get(key)
        if isinstance(value, str) and value:
            return storable(str(value))
        if value is not None:
            refuse(path, line, f"'{key}' is {kind(value) if value else 'empty'}", "text or a number", _ADVICE)
    return None


def read_question(record: Record) -> str | None:
    """Read the problem's question, with single spaces."""
    for key in QUESTION_KEYS:
        value = record.get(key)
        if isinstance(value, str):
            return squeeze(value)
    return None


def read_flag(value: Any) -> bool | None:
    """Read a finding: true, false, 1 or 0; anything between is none."""
    if isinstance(value, bool):
        return value
    if isinstance(value, Numeral) and float(value) in (0.0, 1.0):
        return float(value) == 1.0
    return None


def read_count(path: Path, line: int, key: str, value: Any) -> int:
    """Read a number of something, from 0."""
    if not isinstance(value, Numeral) or not value.isdigit() or len(value) > 15:
        refuse(path, line, f"'{key}' is {kind(value)}", "a whole number from 0", _ADVICE)
    return int(value)


def squeeze(text: str) -> str:
    """Write every run of white space as one space, none at the ends."""
    return " ".join(text.split())


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text inside nested lists and objects, looking into texts that are JSON."""
    if isinstance(value, str):
        yield value
        value = nested(value)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_in(item)


def nested(value: Any) -> Any:
    """Read the list or object that a text holds as JSON; anything else stays as it is."""
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def keys_of(record: Record) -> str:
    """List a record's fields, for messages."""
    names = [f"'{key[:40]}'" for key in list(record)[:12]]
    return ", ".join(names) + (", ..." if len(record) > 12 else "") if names else "no fields"


def _read_costs(path: Path, line: int, record: Record, n: int) -> list[Cost]:
    """Read what each of ``n`` tries took."""
    known = sorted(_COSTS.keys() & record.keys())
    if not known:
        return [_UNKNOWN] * n
    costs: list[dict[str, Any]] = [{} for _ in range(n)]
    for key in known:
        for cost, share in zip(costs, _shares(path, line, key, record[key], n), strict=True):
            cost[_COSTS[key]] = share
    return [Cost(**cost) for cost in costs]


def _shares(path: Path, line: int, key: str, value: Any, n: int) -> list[float | None]:
    """Give each try its part: a list says it one by one, a single figure is shared evenly."""
    if isinstance(value, list):
        if len(value) != n:
            refuse(path, line, f"'{key}' has {len(value)} figures", f"{n}, one for each response", _ADVICE)
        return [_figure(path, line, key, item) for item in value]
    figure = _figure(path, line, key, value)
    if figure is None or n == 1 or key == "peak_bytes":
        return [figure] * n
    if key not in _WHOLE:
        return [figure / n] * n
    share, rest = divmod(int(figure), n)
    return [share + (index < rest) for index in range(n)]


def _figure(path: Path, line: int, key: str, value: Any) -> float | None:
    """Read one cost: a number from 0, or null or NaN where it is unknown."""
    if value is None or is_nan(value):
        return None
    if not isinstance(value, Numeral) or not 0 <= float(value) < math.inf:
        refuse(path, line, f"'{key}' is {kind(value)}", "a number from 0, or null", _ADVICE)
    return read_count(path, line, key, value) if key in _WHOLE else float(value)
