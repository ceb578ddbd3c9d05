"""Reading for pages: few columns and few rows at a time, however large the store and its texts are."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from calculemus.errors import StoreError
from calculemus.store import browsing_queries as queries
from calculemus.store.queries import PAGE, RUN
from calculemus.store.reader import Reader
from calculemus.store.records import (
    COST_COLUMNS,
    Overview,
    Run,
    StoredRow,
    read_row,
    read_run,
    read_text,
    read_verdict,
)
from calculemus.verdict import Verdict


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """An answer as a list shows it; texts are cut.

    Attributes:
        position: The problem's place in its set, from 0.
        problem_id: The problem's id.
        sample: Which try.
        question: The start of the question.
        gold: The start of the gold.
        response: The start of what was graded; None where there is nothing.
        failure: The start of why there is no response.
        outcome: Of the verdict; None where the grader has none.
        extracted: The start of what the grader took for the answer.
    """

    position: int
    problem_id: str
    sample: int
    question: str
    gold: str
    response: str | None
    failure: str | None
    outcome: str | None
    extracted: str | None


@dataclass(frozen=True, slots=True)
class ProblemLine:
    """A problem as a list shows it: its place, its id, and the start of its question."""

    position: int
    problem_id: str
    question: str


class Browser:
    """Reads what pages show from a store that is open."""

    def __init__(self, store: Reader) -> None:
        self._store = store
        self.path = store.path
        self._read = store._read

    def page_of_runs(self, words: Sequence[str], start: int, limit: int) -> tuple[int, list[Overview]]:
        """Return how many runs have all words, and a page of them, newest first.

        Args:
            words: Each stands in the name, the problem set's name or the spec, or begins the key; capitals
                do not count.
            start: Runs to pass over.
            limit: Runs to return at most.
        """
        if words:
            condition = " AND ".join([queries.HAS_WORD] * len(words))
            values = [value for word in words for value in _patterns(word)]
            found = self._read(f"SELECT id FROM run WHERE {condition} ORDER BY id DESC", values)
            return len(found), self._overviews([number for (number,) in found[start : start + limit]])
        ((n,),) = self._read("SELECT count(*) FROM run")
        page = self._read("SELECT id FROM run ORDER BY id DESC LIMIT ? OFFSET ?", (limit, start))
        return n, self._overviews([number for (number,) in page])

    def overviews(self, keys: Sequence[str]) -> list[Overview]:
        """Return runs by their names or the starts of their keys, in the order asked for.

        Raises:
            StoreError: One is not there, or several keys start like this.
        """
        known = dict(self._read(queries.IDS_OF_KEYS, (json.dumps(list(keys)),)))
        return self._overviews([known[key] if key in known else self._id(key) for key in keys])

    def _id(self, key: str) -> int:
        found = self._store.find(key)
        return self._read("SELECT id FROM run WHERE key = ?", (found.key,))[0][0]

    def _overviews(self, ids: Sequence[int]) -> list[Overview]:
        """Return the runs of these ids with their counts of outcomes, in this order."""
        chosen = json.dumps(list(ids))
        tallies: dict[int, dict[str, dict[str, int]]] = {}
        for number, grader, outcome, n in self._read(queries.TALLIES_OF_IDS, (chosen,)):
            tallies.setdefault(number, {}).setdefault(grader, {})[outcome] = n
        read = self._read(queries.RUNS_OF_IDS, (chosen,))
        runs = {number: Overview(read_run(columns), tallies.get(number, {})) for number, *columns in read}
        return [runs[number] for number in ids]

    def same_problems(self, run: Run, limit: int) -> list[Run]:
        """Return the newest runs on the problem set of ``run``, itself among them where it is new."""
        condition = "WHERE run.problem_set = (SELECT problem_set FROM run WHERE key = ?)"
        found = self._read(f"{RUN} {condition} ORDER BY run.id DESC LIMIT ?", (run.key, limit))
        return [read_run(columns) for columns in found]

    def newest_sets(self, limit: int) -> list[Run]:
        """Return the newest run of each problem set, the newest first."""
        found = self._read(f"{RUN} WHERE run.id IN ({queries.NEWEST_OF_SETS}) ORDER BY run.id DESC", (limit,))
        return [read_run(columns) for columns in found]

    def lines(
        self, run: Run, grader: str | None, outcome: str | None, start: int, limit: int
    ) -> list[AnswerLine]:
        """Return a page of a run's answers in order.

        Args:
            run: Whose answers.
            grader: Whose verdicts; None for none.
            outcome: Only answers on which the verdict is this; None for all.
            start: Answers to pass over.
            limit: Answers to return at most.
        """
        number, problem_set = self._store._locate(run)
        if outcome is None:
            statement, chosen = queries.LINES, (number, limit, start)
        else:
            statement, chosen = queries.LINES_OF_OUTCOME, (number, grader, outcome, limit, start)
        found = self._read(statement, (*chosen, number, problem_set, number, grader))
        return [AnswerLine(*columns[:5], *map(_start_of, columns[5:])) for columns in found]

    def problem_lines(self, run: Run, positions: Iterable[int]) -> list[ProblemLine]:
        """Return problems of a run's set by their places, in the order of the set."""
        _, problem_set = self._store._locate(run)
        found = self._read(queries.PROBLEM_LINES, (problem_set, json.dumps(list(positions))))
        return [ProblemLine(*columns) for columns in found]

    def samples(self, run: Run, position: int, limit: int) -> list[int]:
        """Return the numbers of the answers to the problem at a position, in order."""
        number, _ = self._store._locate(run)
        return [sample for (sample,) in self._read(queries.SAMPLES, (number, position, limit))]

    def answer(self, run: Run, position: int, sample: int) -> StoredRow:
        """Return one answer in full, without a verdict.

        Raises:
            StoreError: There is none.
        """
        number, problem_set = self._store._locate(run)
        found = self._read(PAGE, (problem_set, None, number, position, sample - 1, 1))
        if not found or (found[0][0], found[0][2]) != (position, sample):
            raise StoreError(
                f"reading the run {run.key[:12]} ({run.name}): there is no sample {sample} of problem "
                f"{position + 1}; expected one that was answered. Look at the run's list of answers"
            )
        return read_row(found[0], None)

    def verdicts(self, run: Run, position: int) -> Mapping[int, Mapping[str, Verdict]]:
        """Return by sample the verdicts on the answers to one problem, by grader."""
        number, _ = self._store._locate(run)
        found: dict[int, dict[str, Verdict]] = {}
        for grader in self._store.graders(run):
            for sample, *columns in self._read(queries.VERDICTS_AT, (number, grader, position)):
                found.setdefault(sample, {})[grader] = read_verdict(columns, grader)
        return found

    def first_outcomes(self, runs: Iterable[Run], grader: str, position: int) -> list[str | None]:
        """Return for each run the outcome of its first sample of one problem; None where there is none."""
        statement = "SELECT outcome FROM verdict WHERE run = ? AND grader = ? AND position = ? LIMIT 1"
        ids = [self._store._locate(run)[0] for run in runs]
        found = [self._read(statement, (number, grader, position)) for number in ids]
        return [rows[0][0] if rows else None for rows in found]

    def outcome_counts(self, run: Run, grader: str) -> list[tuple[int, str, int]]:
        """Return position, outcome and number of samples of every verdict of ``grader``."""
        number, _ = self._store._locate(run)
        return self._read(queries.OUTCOME_COUNTS, (number, grader))  # type: ignore[return-value]  # the columns

    def groups(self, run: Run) -> list[str]:
        """Return for each problem of a run's set, in order, the group it counts with in statistics."""
        _, problem_set = self._store._locate(run)
        found = self._read(queries.METAS, (problem_set,))
        return [
            str(json.loads(meta).get("group", name) if '"group"' in meta else name) for name, meta in found
        ]

    def mean_costs(self, run: Run, positions: Iterable[int]) -> dict[str, float]:
        """Return the mean over answers to some problems of the costs known for all of these."""
        values = (self._store._locate(run)[0], json.dumps(list(positions)))
        (means,) = self._read(queries.MEAN_COSTS_AT, values)
        return {name: mean for name, mean in zip(COST_COLUMNS, means, strict=True) if mean is not None}

    def failures(self, run: Run) -> Iterator[tuple[str, str]]:
        """Yield problem id and failure of every answer that failed, in order."""
        number, problem_set = self._store._locate(run)
        for problem_id, failure in self._read(queries.FAILURES, (problem_set, number)):
            yield problem_id, read_text(failure)


def _patterns(word: str) -> tuple[str, str, str, str]:
    plain = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{plain}%", f"%{plain}%", f"%{plain}%", f"{plain}%"


def _start_of(column: str | bytes | None) -> str | None:
    """Return the start of a text; of one that is no UTF-8, the cut may fall within a letter."""
    return column.decode("utf-8", "replace") if isinstance(column, bytes) else column
