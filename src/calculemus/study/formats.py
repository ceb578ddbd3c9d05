"""The formats of files with recorded solutions, told apart by their first record.

Every format turns a record into an ``Entry``: what names the problem, and each system's answers to it.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from calculemus.jsonl import Numeral, Record, kind
from calculemus.study.fields import (
    ID_KEYS,
    QUESTION_KEYS,
    RESPONSE_KEYS,
    SYSTEM_KEYS,
    Given,
    keys_of,
    nested,
    read_count,
    read_flag,
    read_given,
    read_id,
    read_question,
    read_solution,
    texts_in,
)
from calculemus.study.records import refuse, storable

WHAT_IS_READ = (
    f"rows with an id or question and a response ({', '.join(RESPONSE_KEYS)}); or rows with a question and, "
    "for each system, NAME: {solution, is_correct}; or the sample files of lm-evaluation-harness "
    "(doc_id, doc, resps)"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One record.

    Attributes:
        line: Its line, from 1.
        id: The problem's id, if given.
        question: The problem's question with single spaces, if given.
        position: The problem's place in its set, if given.
        evidence: Texts in which the question stands, to check a place by.
        given: Answers by system; None names the file's only system.
    """

    line: int
    id: str | None
    question: str | None
    position: int | None
    evidence: tuple[str, ...]
    given: Mapping[str | None, Given]


class Format(Protocol):
    """Reads one kind of record."""

    @property
    def name(self) -> str:
        """What run keys and messages call it."""
        ...

    @property
    def repeats(self) -> bool:
        """Whether the same answers may stand in the file again, once for each filter."""
        ...

    def systems(self, record: Record) -> Iterator[str | None]:
        """Yield the systems that a record speaks of; None is the file's only one."""
        ...

    def entry(self, line: int, record: Record, only: Container[str | None]) -> Entry:
        """Read the answers of the systems in ``only``."""
        ...


@dataclass(frozen=True)
class Plain:
    """A row for each answer: an id or a question, a response, and perhaps who gave it."""

    path: Path
    column: str
    system_key: str | None = None
    repeats: bool = False

    @property
    def name(self) -> str:
        """The format, with the field that is taken for the response."""
        return f"plain rows, {self.column}"

    def systems(self, record: Record) -> Iterator[str | None]:
        """Yield the row's system."""
        yield self._system(record)

    def entry(self, line: int, record: Record, only: Container[str | None]) -> Entry:
        """Read the row's answers, if they are of a system in ``only``."""
        system = self._system(record)
        given: dict[str | None, Given] = {}
        if system in only:
            if self.column not in record:
                found = f"the record has no '{self.column}', only {keys_of(record)}"
                refuse(self.path, line, found, "the fields of the first record", "Complete or remove it.")
            given[system] = read_given(self.path, line, record[self.column], record)
        return Entry(line, read_id(self.path, line, record), read_question(record), None, (), given)

    def _system(self, record: Record) -> str | None:
        value = record.get(self.system_key) if self.system_key else None
        return storable(str(value)) if isinstance(value, str) and value else None


@dataclass(frozen=True)
class Named:
    """A row for each problem, and in it, for each system, ``NAME: {solution, is_correct}``."""

    path: Path
    name: str = "named systems"
    repeats: bool = False

    def systems(self, record: Record) -> Iterator[str | None]:
        """Yield the fields under which the row holds a solution."""
        for key, value in record.items():
            if isinstance(value, dict) and "solution" in value:
                yield key

    def entry(self, line: int, record: Record, only: Container[str | None]) -> Entry:
        """Read the solutions of the systems in ``only``; a system that is not there gave none."""
        given: dict[str | None, Given] = {
            key: self._given(line, key, value) for key, value in record.items() if key in only
        }
        return Entry(line, read_id(self.path, line, record), read_question(record), None, (), given)

    def _given(self, line: int, key: str, value: Any) -> Given:
        if value is None:
            return Given((read_solution(self.path, line, None),))
        if not isinstance(value, dict) or "solution" not in value:
            found = f"'{key}' " + (
                f"has {keys_of(value)}" if isinstance(value, dict) else f"is {kind(value)}"
            )
            refuse(self.path, line, found, "an object with a 'solution'", "Correct or remove the line.")
        return read_given(self.path, line, value["solution"], value)


@dataclass(frozen=True)
class Harness:
    """A sample file of lm-evaluation-harness: its raw responses are read, not the filtered ones."""

    path: Path
    name: str = "lm-evaluation-harness samples"
    repeats: bool = True

    def systems(self, record: Record) -> Iterator[str | None]:
        """Yield the file's only system."""
        del record
        yield None

    def entry(self, line: int, record: Record, only: Container[str | None]) -> Entry:
        """Read the raw responses and, of a single one, the metric ``exact_match``."""
        del only
        solutions = tuple(read_solution(self.path, line, text) for text in self._responses(line, record))
        label = "exact_match" + (f" of the filter '{record['filter']}'" if "filter" in record else "")
        flag = read_flag(record.get("exact_match")) if len(solutions) == 1 else None
        given = Given(solutions, flags={} if flag is None else {label: flag})
        doc = nested(record.get("doc"))
        question = read_question(doc) if isinstance(doc, dict) else None
        position = read_count(self.path, line, "doc_id", record.get("doc_id"))
        evidence = tuple(texts_in([doc, record.get("arguments")]))
        return Entry(line, None, question, position, evidence, {None: given})

    def _responses(self, line: int, record: Record) -> list[Any]:
        """Flatten ``[[text, ...]]``: an inner list holds the repeats of one request."""
        value = record.get("resps")
        outer = value if isinstance(value, list) else [value]
        flat = [text for inner in outer for text in (inner if isinstance(inner, list) else [inner])]
        if any(isinstance(item, (list, bool, Numeral)) for item in flat):
            found = "'resps' holds log-likelihoods, as a multiple-choice task writes them"
            refuse(self.path, line, found, "the texts of a generation task", "Run the generation variant.")
        return flat or [None]


def detect(path: Path, record: Record, field: str | None) -> Format:
    """Choose the format by a file's first record.

    Args:
        path: The file, for messages.
        record: Its first record.
        field: What the user named: in plain rows it may be the field that holds the response.

    Raises:
        RecordError: No format fits.
    """
    if "doc_id" in record and "resps" in record:
        return Harness(path)
    if any(Named(path).systems(record)):
        return Named(path)
    response = field if field in record else next((key for key in RESPONSE_KEYS if key in record), None)
    if response is None or not any(key in record for key in (*ID_KEYS, *QUESTION_KEYS)):
        found = f"the first record has the fields {keys_of(record)}"
        refuse(path, None, found, WHAT_IS_READ, "Rename the fields, or convert the file.")
    system_key = next((key for key in SYSTEM_KEYS if isinstance(record.get(key), str)), None)
    return Plain(path, response, system_key)
