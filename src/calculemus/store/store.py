"""The store: runs, their problems, answers and verdicts in one SQLite file."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from calculemus.params import canonical_json, digest
from calculemus.problems.problemset import ProblemSet
from calculemus.store import queries
from calculemus.store.connection import connect, store_errors, transaction
from calculemus.store.reader import Reader
from calculemus.store.records import Run, StoredAnswer, problem_columns, solution_columns, text_column
from calculemus.store.schema import CLAIMS
from calculemus.verdict import Verdict

GENERATION = 1
"""Part of every run's key. Raised when systems are asked in another way, so that answers may change."""


class Store(Reader):
    """Results on disk. Several processes may write different runs to one store at once.

    Example:
        >>> import tempfile
        >>> from calculemus import Problem, Solution
        >>> problems = ProblemSet("sums", (Problem("sums/0", "1 + 1?", "2"),))
        >>> with tempfile.TemporaryDirectory() as folder, Store.open(f"{folder}/store.db") as store:
        ...     run = store.begin({"solver": "abacus"}, problems, "abacus")
        ...     store.append(run, [StoredAnswer("sums/0", 0, Solution("2"))])
        ...     [row.solution.answer for row in store.rows(run)]
        ['2']
    """

    @classmethod
    def open(cls, path: Path | str, create: bool = True, readonly: bool = False) -> Self:
        """Open the store in the file ``path``.

        Args:
            path: The file.
            create: Whether to make a new store, and its folder, where there is none.
            readonly: Open for reading only, also while another process writes; never makes a store.

        Raises:
            StoreError: There is no store and none may be made, the file is not a store or is of another
                version, or the file system refuses.
        """
        return cls(Path(path), connect(Path(path), create, readonly))

    def begin(self, spec: Mapping[str, Any], problems: ProblemSet, name: str) -> Run:
        """Return the run of a system on a problem set, stored before or now.

        Args:
            spec: Everything that changes the system's answers, JSON-like. Its digest, with that of the
                problems, is the run's key.
            problems: The problem set; its problems are stored once, however many runs stand on it.
            name: What tables call the system. A run that is there already takes the new name.
        """
        key = _key(spec, problems)
        known = self._runs("WHERE run.key = ? AND run.name = ?", key, name)
        if known:
            return known[0]
        with store_errors("beginning a run in", self.path), transaction(self._connection):
            problem_set = self._store_problems(problems)
            created = datetime.now(UTC).isoformat()
            self._connection.execute(
                queries.ADD_RUN, (key, name, canonical_json(dict(spec)), problem_set, problems.name, created)
            )
        return self._runs("WHERE run.key = ?", key)[0]

    def known(self, spec: Mapping[str, Any], problems: ProblemSet) -> Run | None:
        """Return the run of a system on a problem set; None where none was begun."""
        return next(iter(self._runs("WHERE run.key = ?", _key(spec, problems))), None)

    def _store_problems(self, problems: ProblemSet) -> int:
        """Return the id of the problem set, storing it if it is new."""
        find = "SELECT id FROM problem_set WHERE digest = ?"
        for (known,) in self._connection.execute(find, (problems.digest,)).fetchall():
            return known
        added = self._connection.execute(
            "INSERT INTO problem_set (digest, source, n) VALUES (?, ?, ?)",
            (problems.digest, problems.source, len(problems)),
        ).lastrowid
        self._connection.executemany(
            queries.ADD_PROBLEM,
            ((added, position, *problem_columns(p)) for position, p in enumerate(problems)),
        )
        assert added is not None, "an insert gives an id"
        return added

    def append(self, run: Run, answers: Iterable[StoredAnswer]) -> None:
        """Store answers in one transaction; one that is there already, by problem and sample, stays.

        Raises:
            StoreError: An answer to a problem that the run's set does not have; nothing is stored then.
        """
        run_id, _ = self._locate(run)
        # All before the transaction: other writers do not wait for the one who makes the answers.
        rows = [
            (run_id, self.position(run, a.problem_id), a.sample, *solution_columns(a.solution))
            for a in answers
        ]
        with store_errors("writing answers to", self.path), transaction(self._connection):
            self._connection.executemany(queries.ADD_ANSWER, rows)

    def finish(self, run: Run) -> None:
        """Mark that the system has given all its answers."""
        with store_errors("finishing a run in", self.path):
            self._connection.execute("UPDATE run SET finished = 1 WHERE key = ?", (run.key,))

    def record(self, run: Run, grader: str, verdicts: Iterable[tuple[str, int, Verdict]]) -> None:
        """Store verdicts of ``grader`` in one transaction; one that is there already stays.

        How long a verdict took is not stored: the rows of an interrupted run equal those of another.

        Args:
            run: Whose answers were graded.
            grader: ``name@version``.
            verdicts: Problem id, sample, and the verdict on that answer.

        Raises:
            StoreError: A verdict on an answer that the run does not have; nothing is stored then.
        """
        run_id, _ = self._locate(run)
        rows = [
            (
                run_id,
                grader,
                self.position(run, problem_id),
                sample,
                v.outcome,
                text_column(v.extracted),
                text_column(v.how),
            )
            for problem_id, sample, v in verdicts
        ]
        with store_errors("writing verdicts to", self.path), transaction(self._connection):
            self._connection.executemany(queries.ADD_VERDICT, rows)

    def add_claim(self, method: str, result: Mapping[str, Any]) -> None:
        """Append the result of one claim, JSON-like; earlier ones stay."""
        with store_errors("writing a claim to", self.path), transaction(self._connection):
            self._connection.execute(CLAIMS)
            self._connection.execute(
                "INSERT INTO claim (method, result) VALUES (?, ?)", (method, canonical_json(dict(result)))
            )


def _key(spec: Mapping[str, Any], problems: ProblemSet) -> str:
    """Name a run by what changes its answers."""
    return digest({"generation": GENERATION, "spec": dict(spec), "problems": problems.digest})
