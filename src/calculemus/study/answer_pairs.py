"""Files of answers to grade: ``{"gold", "pred"}`` or ``{"problem", "response"}`` a line."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calculemus.errors import GradingError
from calculemus.events import track
from calculemus.grading import Grader
from calculemus.jsonl import Numeral, Record, kind
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.study.records import read_records, refuse, storable
from calculemus.verdict import OUTCOMES, Verdict

_SETTINGS = ("answers", "rel_tol", "abs_tol", "figures")
_SHAPES = '{"gold": ..., "pred": ...} or {"problem": ..., "response": ...}'


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """One row to grade.

    Attributes:
        line: Its line in the file, from 1.
        problem: Carries the gold answer.
        response: What a system wrote; None where it gave nothing.
        equal: What the row says of itself: whether the response is right; None where it says nothing.
    """

    line: int
    problem: Problem
    response: str | None
    equal: bool | None


def read_pairs(path: Path, problems: ProblemSet | None = None) -> Iterator[AnswerPair]:
    """Yield the rows of a JSON Lines file.

    Args:
        path: The file.
        problems: Where rows name their problem by id.

    Raises:
        RecordError: A row without gold and response, or with values of a wrong type.
        UnknownProblemsError: A row names a problem that ``problems`` does not have.
    """
    for line, record in read_records(path):
        problem = _problem(path, line, record, problems)
        key = "pred" if "pred" in record else "response"
        if key not in record:
            refuse(
                path, line, f"the keys {', '.join(sorted(record))}", _SHAPES, "Rename or add what is missing."
            )
        yield AnswerPair(line, problem, _response(path, line, record[key]), _equal(path, line, record))


def _problem(path: Path, line: int, record: Record, problems: ProblemSet | None) -> Problem:
    settings = {name: record[name] for name in _SETTINGS if record.get(name) is not None}
    if "gold" in record:
        return Problem(f"line {line}", "", _text(path, line, "gold", record["gold"]), meta=settings)
    named = record.get("problem")
    if isinstance(named, dict):
        meta = {**named.get("meta", {}), **{n: named[n] for n in _SETTINGS if n in named}, **settings}
        answer = _text(path, line, "problem.answer", named.get("answer"))
        return Problem(f"line {line}", str(named.get("question", "")), answer, meta=meta)
    if not isinstance(named, str):
        refuse(path, line, f"the keys {', '.join(sorted(record))}", _SHAPES, "Rename or add what is missing.")
    if problems is None:
        advice = "Name the set with --problems, or give the problem as an object with its answer."
        refuse(path, line, f"a problem named by its id, '{named}'", "a problem set to look it up in", advice)
    if named not in problems.by_id:
        refuse(
            path, line, f"the problem '{named}'", f"an id of '{problems.name}'", "Correct the id or the set."
        )
    return problems.by_id[named]


def _text(path: Path, line: int, name: str, value: object) -> str:
    if not isinstance(value, str):
        refuse(path, line, f"'{name}' is {kind(value)}", "text or a number", "Correct the line.")
    return storable(value)


def _response(path: Path, line: int, value: object) -> str | None:
    return None if value is None else _text(path, line, "response", value)


def _equal(path: Path, line: int, record: Record) -> bool | None:
    value = record.get("equal")
    if isinstance(value, Numeral) and value in ("0", "1"):
        return value == "1"
    if value is not None and not isinstance(value, bool):
        refuse(path, line, f"'equal' is {kind(value)}", "true or false", "Correct the line.")
    return value


@dataclass
class Tally:
    """How many rows a grader gave each outcome, and how often it agrees with the rows' own ``equal``.

    Attributes:
        grader: ``name@version``.
        counts: Rows by outcome.
        agree: Rows whose ``equal`` it confirms.
        false_positives: Lines it accepts against ``equal``.
        false_negatives: Lines it does not accept against ``equal``.
        slowest: Seconds of the slowest row.
    """

    grader: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    agree: int = 0
    false_positives: list[int] = field(default_factory=list)
    false_negatives: list[int] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def n(self) -> int:
        """Rows graded."""
        return sum(self.counts.values())

    def add(self, pair: AnswerPair, verdict: Verdict) -> None:
        """Count one row."""
        self.counts[verdict.outcome] += 1
        self.slowest = max(self.slowest, verdict.seconds or 0.0)
        if pair.equal is None:
            return
        if pair.equal == verdict.correct:
            self.agree += 1
        else:
            (self.false_positives if verdict.correct else self.false_negatives).append(pair.line)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dictionaries."""
        labelled = self.agree + len(self.false_positives) + len(self.false_negatives)
        facts: dict[str, Any] = {"grader": self.grader, "n": self.n, **self.counts}
        if labelled:
            facts |= {
                "labelled": labelled,
                "agree": self.agree,
                "false_positives": self.false_positives,
                "false_negatives": self.false_negatives,
            }
        return facts | {"slowest_seconds": self.slowest}


def grade_pairs(
    pairs: Iterable[AnswerPair], graders: Sequence[Grader], total: int, tallies: Mapping[str, Tally]
) -> Iterator[tuple[AnswerPair, list[Verdict]]]:
    """Yield each row with every grader's verdict, counting into ``tallies`` by the graders' names.

    Raises:
        GradingError: A gold cannot be read; the message names its line.
    """
    for pair in track(pairs, "grading", total):
        try:
            verdicts = [grader.grade(pair.problem, pair.response) for grader in graders]
        except GradingError as error:
            raise GradingError(f"{pair.problem.id}: {error}. Correct the row") from error
        for grader, verdict in zip(graders, verdicts, strict=True):
            tallies[grader.name].add(pair, verdict)
        yield pair, verdicts
