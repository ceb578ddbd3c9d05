"""What goes into a store and comes out of it, and how it is written in columns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from calculemus.cost import Cost
from calculemus.params import canonical_json
from calculemus.problem import Problem
from calculemus.solution import Node, Solution, Trace
from calculemus.verdict import Verdict

COST_COLUMNS = tuple(field.name for field in fields(Cost))
SOLUTION_COLUMNS = ("truncated", *COST_COLUMNS, "answer", "candidates", "trace", "failure")
PROBLEM_COLUMNS = ("problem_id", "question", "answer", "solution", "program", "meta")


@dataclass(frozen=True, slots=True)
class Run:
    """One system on one problem set, as it stood in the store when it was read.

    Attributes:
        key: 32 hexadecimal digits: the digest of everything that changes the answers. No grader is in it.
        name: What tables call the system.
        spec: The system's own description of what changes its answers.
        problems_name: The problem set as it was asked for.
        problems_digest: The problem set by its content.
        n_problems: Problems in the set.
        created: When the run was first begun, ISO 8601, UTC.
        finished: Whether the system gave all its answers.
        n_answers: Answers stored so far, over problems and samples.
    """

    key: str
    name: str
    spec: dict[str, Any]
    problems_name: str
    problems_digest: str
    n_problems: int
    created: str
    finished: bool
    n_answers: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """A run with its counts of outcomes: ``tallies[grader][outcome]``."""

    run: Run
    tallies: Mapping[str, Mapping[str, int]]

    def accuracy(self, grader: str) -> float:
        """Return the share of graded answers that ``grader`` found correct, 0..1."""
        counts = self.tallies[grader]
        return counts.get("correct", 0) / sum(counts.values())


@dataclass(frozen=True, slots=True)
class RunDay:
    """The runs that were begun on one day on one problem set.

    Attributes:
        problems_name: The problem set as it was asked for.
        problems_digest: The problem set by its content.
        day: As ``YYYY-MM-DD``, UTC.
        last: When the last one was begun, ISO 8601, UTC.
        n_runs: How many.
        n_names: How many names of systems they have.
        n_answers: Answers stored so far.
    """

    problems_name: str
    problems_digest: str
    day: str
    last: str
    n_runs: int
    n_names: int
    n_answers: int


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A solution of one problem; ``sample`` numbers repeated tries from 0."""

    problem_id: str
    sample: int
    solution: Solution


@dataclass(frozen=True, slots=True)
class StoredRow:
    """An answer read back; ``position`` is the problem's place in its set, from 0.

    Attributes:
        position: The problem's place in its set.
        problem_id: The problem's id.
        sample: Which try.
        solution: What the system gave.
        verdict: Of the grader that was asked for; None where it has not graded this answer.
    """

    position: int
    problem_id: str
    sample: int
    solution: Solution
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class VerdictPair:
    """Verdicts of one grader on the same problem and sample of two runs."""

    problem_id: str
    sample: int
    a: Verdict
    b: Verdict


def text_column(text: str | None) -> str | bytes | None:
    """Return text as SQLite takes it: half of a surrogate pair, which is not UTF-8, goes in as bytes."""
    if text is None:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return text


def read_text(column: str | bytes | None) -> Any:  # text or None, as the column allows
    """Return what ``text_column`` was given."""
    return column.decode(errors="surrogatepass") if isinstance(column, bytes) else column


# ASCII keeps halves of surrogate pairs; NaN may stand in a trace (a log-probability) and is read back.
_dump = json.JSONEncoder(separators=(",", ":")).encode


def _number(value: float | None) -> float | None:
    """Return a number that SQLite can hold: a whole number beyond 64 bits becomes a float."""
    return float(value) if isinstance(value, int) and value.bit_length() > 63 else value


def solution_columns(solution: Solution) -> tuple[Any, ...]:
    """Return the values of SOLUTION_COLUMNS."""
    candidates = _dump(solution.candidates) if solution.candidates else None
    costs = (_number(getattr(solution.cost, name)) for name in COST_COLUMNS)
    answer, failure = text_column(solution.answer), text_column(solution.failure)
    return (solution.truncated, *costs, answer, candidates, _write_trace(solution), failure)


def read_solution(columns: Sequence[Any]) -> Solution:
    """Return the solution of which ``solution_columns`` gave these values."""
    truncated, *costs, answer_column, candidates, trace, failure = columns
    answer = read_text(answer_column)
    return Solution(
        answer=answer,
        candidates=tuple(json.loads(candidates)) if candidates else (),
        trace=_read_trace(trace, answer),
        cost=Cost(*costs),
        truncated=bool(truncated),
        failure=read_text(failure),
    )


def _write_trace(solution: Solution) -> str | None:
    """Write the nodes; a text equal to the answer is left out, so that a response is stored once."""
    nodes = solution.trace.nodes
    if not nodes:
        return None
    return _dump(
        [(n.kind, None if n.text == solution.answer else n.text, n.parents, dict(n.meta)) for n in nodes]
    )


def _read_trace(column: str | None, answer: str) -> Trace:
    if column is None:
        return Trace()
    return Trace(
        tuple(
            Node(kind, answer if text is None else text, tuple(parents), meta)
            for kind, text, parents, meta in json.loads(column)
        )
    )


def problem_columns(problem: Problem) -> tuple[Any, ...]:
    """Return the values of PROBLEM_COLUMNS."""
    meta = canonical_json(dict(problem.meta))
    return (problem.id, problem.question, problem.answer, problem.solution, problem.program, meta)


def read_problem(columns: Sequence[Any]) -> Problem:
    """Return the problem of which ``problem_columns`` gave these values."""
    *texts, meta = columns
    return Problem(*texts, meta=json.loads(meta))


def read_run(columns: Sequence[Any]) -> Run:
    """Return a run from its columns in the order of the dataclass."""
    key, name, spec, problems_name, problems_digest, n_problems, created, finished, n_answers = columns
    return Run(
        key,
        name,
        json.loads(spec),
        problems_name,
        problems_digest,
        n_problems,
        created,
        bool(finished),
        n_answers,
    )


def read_verdict(columns: Sequence[Any], grader: str) -> Verdict:
    """Return a verdict from its outcome, extraction and rule."""
    outcome, extracted, how = columns
    return Verdict(outcome, read_text(extracted), read_text(how), grader)


def read_row(columns: Sequence[Any], grader: str | None) -> StoredRow:
    """Return a row from position, problem id, sample, the verdict's columns and the solution's."""
    position, problem_id, sample, outcome = columns[:4]
    verdict = None if outcome is None or grader is None else read_verdict(columns[3:6], grader)
    return StoredRow(position, problem_id, sample, read_solution(columns[6:]), verdict)
