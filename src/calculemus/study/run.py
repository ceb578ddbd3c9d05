"""Running a study: answers first, verdicts after, each stored as it comes.

Both halves continue where an earlier call stopped, however it was stopped, and neither repeats what is
stored. Grading needs no system: a stored run is graded again under any grader.
"""

import logging
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from calculemus.events import Progress, emit, note, track
from calculemus.grading.base import Grader, grader_id
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.store import Run, Store, StoredAnswer
from calculemus.study.system import System
from calculemus.verdict import Verdict

_log = logging.getLogger(__name__)

COMMIT_SECONDS = 0.05
"""No answer waits longer than this to be stored: what a killed process loses was paid for in vain."""


def generate(store: Store, system: System, problems: ProblemSet, batch: int = 256) -> Run:
    """Store the system's answers to the problems that the store does not have yet.

    Args:
        store: Where to.
        system: Its spec and the problems decide which run this is.
        problems: What to answer.
        batch: Answers to store at once at most; a moment stores fewer.

    Returns:
        The finished run.
    """
    run = store.begin(system.spec(), problems, system.name)
    if run.finished:
        return run
    task = f"answers of {system.name}"
    done = store.done(run)
    begun = {problem_id for problem_id, _ in done}
    emit(Progress(task, len(begun), len(problems)))
    try:
        with _Appender(store, run, batch) as appender:
            for answer in system.answers(problems, done):
                appender.add(StoredAnswer(answer.problem_id, answer.sample, answer.solution))
                begun.add(answer.problem_id)
                emit(Progress(task, len(begun), len(problems)))
    finally:
        emit(Progress(task, len(begun), len(problems), finished=True))
    store.finish(run)
    return store.find(run.key)


class _Appender:
    """Stores answers in batches, and by the clock while the system is silent."""

    def __init__(self, store: Store, run: Run, batch: int) -> None:
        self._store = store
        self._run = run
        self._batch = batch
        self._rows: list[StoredAnswer] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._clock = threading.Thread(target=self._flush_by_the_clock, daemon=True)

    def add(self, answer: StoredAnswer) -> None:
        """Take one answer; raises here what storing an earlier one met."""
        with self._lock:
            if self._error is not None:
                raise self._error
            self._rows.append(answer)
            if len(self._rows) >= self._batch:
                self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._store.append(self._run, self._rows)
            self._rows = []

    def _flush_by_the_clock(self) -> None:
        # A system may be silent for minutes: what came before must not wait for its next answer.
        while not self._stop.wait(COMMIT_SECONDS):
            with self._lock:
                try:
                    self._flush()
                except Exception as error:  # raised again where the answers come from
                    self._error = error
                    return

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._clock.join()
        if self._error is None:
            self._flush()
        elif error is None:
            raise self._error


def grade(store: Store, run: Run, grader: Grader, batch: int = 1024) -> None:
    """Grade the answers of a run that this grader, in this version, has not graded yet.

    A grader that raises on one answer gives it the outcome ``error``, and the study goes on.

    Args:
        store: Where the run is, and where the verdicts go.
        run: Whose answers to grade.
        grader: Gives the verdicts.
        batch: Verdicts to store at once at most; a moment stores fewer.
    """
    name = grader_id(grader)
    graded = sum(store.summary(run, name).values())
    verdicts: list[tuple[str, int, Verdict]] = []
    failures = _Failures()
    stored = time.monotonic()
    rows = store.ungraded(run, name)
    problem: Problem | None = None
    try:
        for row in track(rows, f"verdicts on {run.name}", store.find(run.key).n_answers, start=graded):
            if problem is None or problem.id != row.problem_id:
                problem = store.problem(run, row.position)
            verdict = _grade_one(grader, problem, row.solution.answer, failures)
            verdicts.append((row.problem_id, row.sample, verdict))
            if len(verdicts) >= batch or time.monotonic() - stored >= COMMIT_SECONDS:
                store.record(run, name, verdicts)
                verdicts, stored = [], time.monotonic()
    finally:
        store.record(run, name, verdicts)
    if failures.n:
        note(
            f"{name} failed on {failures.n} answers of {run.name}, which count as errors; "
            f"the first: {failures.first}"
        )


@dataclass(slots=True)
class _Failures:
    """How often a grader raised, and what first."""

    n: int = 0
    first: str = ""


def _grade_one(grader: Grader, problem: Problem, response: str | None, failures: _Failures) -> Verdict:
    """Return the grader's verdict, or an error that says what it raised."""
    try:
        return grader.grade(problem, response)
    except Exception as error:  # one row that no grader foresaw must not end the study
        _log.info("%s on %s", grader_id(grader), problem.id, exc_info=True)
        text = " ".join(str(error).split())[:500]
        how = f"{type(error).__name__}: {text}"
        failures.n += 1
        failures.first = failures.first or f"{problem.id}: {how}"
        return Verdict("error", None, how, grader_id(grader))
