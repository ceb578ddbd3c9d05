"""Reading a store: runs, problems, rows in pages, and counts."""

import difflib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from calculemus.errors import StoreError
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.store import queries
from calculemus.store.connection import store_errors
from calculemus.store.records import (
    COST_COLUMNS,
    Overview,
    Run,
    RunDay,
    StoredRow,
    VerdictPair,
    read_problem,
    read_row,
    read_run,
    read_verdict,
)
from calculemus.verdict import OUTCOMES

PAGE = 64
"""Rows read at once: enough to be fast, few enough for answers of a megabyte."""


class Reader:
    """The reading half of a store. Nothing here grows with the rows of a run, but for what it returns."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._ids: dict[str, tuple[int, int]] = {}

    def close(self) -> None:
        """Close the file. What was written stays."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, statement: str, values: Any = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query; ``values`` is whatever SQLite binds."""
        with store_errors("reading", self.path):
            return self._connection.execute(statement, values).fetchall()

    def _locate(self, run: Run) -> tuple[int, int]:
        """Return the ids of a run and of its problem set."""
        if run.key not in self._ids:
            found = self._read("SELECT id, problem_set FROM run WHERE key = ?", (run.key,))
            if not found:
                raise StoreError(
                    f"reading the store {self.path}: there is no run '{run.key}' ({run.name}); expected a "
                    f"run of this store. List its runs: calculemus runs --store {self.path}"
                )
            self._ids[run.key] = found[0][0], found[0][1]
        return self._ids[run.key]

    def _runs(self, condition: str, *values: object) -> list[Run]:
        return [read_run(columns) for columns in self._read(f"{queries.RUN} {condition}", values)]

    def runs(self, limit: int | None = None) -> list[Run]:
        """Return the runs, newest first."""
        return self._runs("ORDER BY run.id DESC LIMIT ?", -1 if limit is None else limit)

    def overview(self, limit: int | None = None) -> list[Overview]:
        """Return the runs, newest first, with their counts of outcomes; reads no answers."""
        tallies: dict[str, dict[str, dict[str, int]]] = {}
        for key, grader, outcome, n in self._read(queries.TALLY, (-1 if limit is None else limit,)):
            tallies.setdefault(key, {}).setdefault(grader, {})[outcome] = n
        return [Overview(run, tallies.get(run.key, {})) for run in self.runs(limit)]

    def run_days(self) -> list[RunDay]:
        """Return how many runs were begun on which day on which problem set, newest day first."""
        return [RunDay(*columns) for columns in self._read(queries.RUN_DAYS)]

    def find(self, prefix_or_name: str) -> Run:
        """Return the newest run of a name, or the only run whose key starts like this.

        Raises:
            StoreError: No run fits, or the keys of several start like this.
        """
        named = self._runs("WHERE run.name = ? ORDER BY run.id DESC LIMIT 1", prefix_or_name)
        if named:
            return named[0]
        # Every key that starts with the prefix lies between it and it with a letter past 'f' added.
        prefix = prefix_or_name.lower()
        keyed = self._runs("WHERE run.key BETWEEN ? AND ? LIMIT 3", prefix, prefix + "g") if prefix else []
        if len(keyed) == 1:
            return keyed[0]
        raise StoreError(self._why_not_one(prefix_or_name, keyed))

    def _why_not_one(self, asked: str, keyed: list[Run]) -> str:
        doing = f"looking for the run '{asked}' in the store {self.path}"
        if keyed:
            some = ", ".join(f"{run.key[:12]} ({run.name})" for run in keyed)
            return f"{doing}: several keys start like this: {some}; expected one. Give more of the key"
        names = [name for (name,) in self._read("SELECT name FROM run GROUP BY name ORDER BY max(id) DESC")]
        near = difflib.get_close_matches(asked, names[:1000], cutoff=0.5) or names[:3]
        return (
            f"{doing}: there is none; expected a name or the start of a key"
            + (f", for example {', '.join(near)}" if near else ", but the store has no runs yet")
            + f". List them: calculemus runs --store {self.path}"
        )

    def iter_problems(self, run: Run) -> Iterator[Problem]:
        """Yield the problems of a run's set in order, a page at a time."""
        _, problem_set = self._locate(run)
        position = 0
        while page := self._read(queries.PROBLEMS, (problem_set, position, position + PAGE)):
            yield from (read_problem(columns) for columns in page)
            position += PAGE

    def problems(self, run: Run) -> ProblemSet:
        """Return the problem set of a run."""
        _, problem_set = self._locate(run)
        source = self._read("SELECT source FROM problem_set WHERE id = ?", (problem_set,))[0][0]
        return ProblemSet(run.problems_name, tuple(self.iter_problems(run)), source)

    def problem(self, run: Run, position: int) -> Problem:
        """Return the problem at a position of a run's set."""
        _, problem_set = self._locate(run)
        return read_problem(self._read(queries.PROBLEMS, (problem_set, position, position + 1))[0])

    def position(self, run: Run, problem_id: str) -> int:
        """Return the place of a problem in a run's set, from 0.

        Raises:
            StoreError: The set has no such problem.
        """
        _, problem_set = self._locate(run)
        found = self._read(queries.POSITION, (problem_set, problem_id))
        if not found:
            example = self.problem(run, 0).id
            raise StoreError(
                f"looking for the problem '{problem_id}' of the run {run.key[:12]} ({run.name}): its set "
                f"{run.problems_name} has none of that id; expected an id such as '{example}'. Check the id"
            )
        return found[0][0]

    def done(self, run: Run) -> set[tuple[str, int]]:
        """Return problem id and sample of every stored answer."""
        run_id, problem_set = self._locate(run)
        return set(self._read(queries.DONE, (problem_set, run_id)))

    def rows(
        self, run: Run, grader: str | None = None, start: int = 0, limit: int | None = None
    ) -> Iterator[StoredRow]:
        """Yield answers in the order of the problem set, then of the samples.

        Args:
            run: Whose answers.
            grader: ``name@version`` whose verdicts come along; None for no verdicts.
            start: Answers to pass over.
            limit: Answers to yield at most; None for all.
        """
        before = (-1, -1)
        if start:
            found = self._read(queries.PLACE, (self._locate(run)[0], start - 1))
            if not found:
                return
            before = (found[0][0], found[0][1])
        yield from self._pages(queries.PAGE, run, grader, before, limit)

    def rows_of(self, run: Run, problem_id: str, grader: str | None = None) -> list[StoredRow]:
        """Return the answers to one problem, by sample."""
        position = self.position(run, problem_id)
        rows = []
        for row in self._pages(queries.PAGE, run, grader, (position, -1), None):
            if row.position != position:
                break
            rows.append(row)
        return rows

    def ungraded(self, run: Run, grader: str) -> Iterator[StoredRow]:
        """Yield the answers that ``grader`` has no verdict on; verdicts may be recorded meanwhile."""
        return self._pages(queries.UNGRADED_PAGE, run, grader, (-1, -1), None)

    def _pages(
        self, query: str, run: Run, grader: str | None, before: tuple[int, int], limit: int | None
    ) -> Iterator[StoredRow]:
        """Yield rows after the key ``before``. No statement stays open between pages, so writers go on."""
        run_id, problem_set = self._locate(run)
        position, sample = before
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            page = self._read(query, (problem_set, grader, run_id, position, sample, size))
            for columns in page:
                yield read_row(columns, grader)
            if len(page) < size:
                return
            position, _, sample, *_ = page[-1]
            left = None if left is None else left - size

    def graders(self, run: Run) -> list[str]:
        """Return ``name@version`` of every grader with a verdict on this run, sorted."""
        run_id, _ = self._locate(run)
        found = self._read("SELECT DISTINCT grader FROM tally WHERE run = ? ORDER BY grader", (run_id,))
        return [grader for (grader,) in found]

    def summary(self, run: Run, grader: str) -> dict[str, int]:
        """Return how many answers have each outcome under ``grader``; every outcome is there."""
        run_id, _ = self._locate(run)
        found = self._read("SELECT outcome, n FROM tally WHERE run = ? AND grader = ?", (run_id, grader))
        counts = dict(found)
        return {outcome: counts.get(outcome, 0) for outcome in OUTCOMES}

    def outcomes(self, run: Run, grader: str) -> list[tuple[str, int, str]]:
        """Return problem id, sample and outcome of every verdict of ``grader``, in order."""
        run_id, problem_set = self._locate(run)
        return self._read(queries.OUTCOMES, (problem_set, run_id, grader))  # type: ignore[return-value]  # the columns

    def mean_costs(self, run: Run) -> dict[str, float]:
        """Return the mean over answers of every part of the cost that is known for all of them."""
        (means,) = self._read(queries.MEAN_COSTS, (self._locate(run)[0],))
        return {name: mean for name, mean in zip(COST_COLUMNS, means, strict=True) if mean is not None}

    def claims(self) -> list[dict[str, Any]]:
        """Return the results of claims, oldest first."""
        if not self._read("SELECT 1 FROM sqlite_master WHERE name = 'claim'"):
            return []
        return [json.loads(result) for (result,) in self._read("SELECT result FROM claim ORDER BY id")]

    def shared(self, a: Run, b: Run) -> tuple[int, int]:
        """Return how many answers two runs have to the same problem and sample, and how many differ."""
        ((n, n_changed),) = self._read(queries.SHARED_ANSWERS, self._both(a, b))
        return n, int(n_changed)

    def changed(self, a: Run, b: Run, grader: str) -> Iterator[VerdictPair]:
        """Yield the pairs of verdicts of ``grader`` that differ in outcome or extraction."""
        with store_errors("reading", self.path):
            found = self._connection.execute(queries.CHANGED_VERDICTS, {**self._both(a, b), "grader": grader})
            for problem_id, sample, *columns in found:
                first, second = read_verdict(columns[:3], grader), read_verdict(columns[3:], grader)
                yield VerdictPair(problem_id, sample, first, second)

    def _both(self, a: Run, b: Run) -> dict[str, Any]:
        (id_a, set_a), (id_b, set_b) = self._locate(a), self._locate(b)
        return {"a": id_a, "set_a": set_a, "b": id_b, "set_b": set_b}
