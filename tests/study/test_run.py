"""Generating and grading: what is stored is not made again, and nothing that fails stops the rest."""

import threading
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from calculemus.errors import StoreError
from calculemus.events import Event, Note, Progress, listening
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Solution
from calculemus.store import Run, Store
from calculemus.study import run as study_run
from calculemus.study.run import generate, grade
from calculemus.study.system import Answer
from calculemus.verdict import Verdict

PROBLEMS = ProblemSet("sums", tuple(Problem(f"sums/{i}", f"{i}?", str(i)) for i in range(20)))


class Stop(Exception):
    """Raised by a system or grader in the middle of its work."""


@dataclass
class Doubler:
    """Answers every problem; remembers which it was asked, and may stop before one of them."""

    stop_before: int | None = None
    n_samples: int = 1
    asked: list[tuple[str, int]] = field(default_factory=list)
    name: str = "doubler"

    def spec(self) -> Mapping[str, Any]:
        return {"kind": "doubler", "n_samples": self.n_samples}

    def answers(self, problems: ProblemSet, done: Container[tuple[str, int]]) -> Iterator[Answer]:
        for index, problem in enumerate(problems):
            if index == self.stop_before:
                raise Stop
            for sample in range(self.n_samples):
                if (problem.id, sample) not in done:
                    self.asked.append((problem.id, sample))
                    yield Answer(problem.id, sample, Solution(str(2 * index)))


@dataclass
class Equality:
    """Grades by equality of texts; remembers what it graded, and may do something else first."""

    before: Callable[[Problem], None] = lambda problem: None
    version: int = 1
    graded: list[str] = field(default_factory=list)
    name: str = "equality"

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        self.before(problem)
        self.graded.append(problem.id)
        outcome = "correct" if response == problem.answer else "wrong"
        return Verdict(outcome, response, "equal", f"equality@{self.version}")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as opened:
        yield opened


def answers(store: Store, run: Run) -> list[tuple[str, int, str | None]]:
    return [(row.problem_id, row.sample, row.solution.answer) for row in store.rows(run)]


def test_a_study_stores_every_answer_and_its_verdict(store: Store) -> None:
    run = generate(store, Doubler(n_samples=2), PROBLEMS)
    assert run.finished
    assert run.n_answers == 40
    assert run.name == "doubler"
    assert answers(store, run) == [(f"sums/{i}", s, str(2 * i)) for i in range(20) for s in range(2)]
    grade(store, run, Equality())
    # Twice a number is the number for zero alone.
    assert store.summary(run, "equality@1") == {"correct": 2, "wrong": 38, "unparsed": 0, "error": 0}


@pytest.mark.parametrize("batch", [1, 3, 256])
def test_a_system_that_raises_loses_nothing_and_is_not_asked_again(store: Store, batch: int) -> None:
    with pytest.raises(Stop):
        generate(store, Doubler(stop_before=7), PROBLEMS, batch)
    assert not store.find("doubler").finished
    assert store.find("doubler").n_answers == 7
    again = Doubler()
    run = generate(store, again, PROBLEMS, batch)
    assert again.asked == [(f"sums/{i}", 0) for i in range(7, 20)]
    assert answers(store, run) == [(f"sums/{i}", 0, str(2 * i)) for i in range(20)]


def test_a_finished_run_does_not_ask_the_system(store: Store) -> None:
    run = generate(store, Doubler(), PROBLEMS)
    again = Doubler(stop_before=0)
    assert generate(store, again, PROBLEMS) == run


def test_answers_are_stored_by_the_clock_while_the_system_is_silent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_run, "COMMIT_SECONDS", 0.01)
    seen: list[int] = []

    class Silent(Doubler):
        def answers(self, problems: ProblemSet, done: Container[tuple[str, int]]) -> Iterator[Answer]:
            yield Answer("sums/0", 0, Solution("0"))
            with Store.open(store.path, readonly=True) as other:
                pause = threading.Event()
                for _ in range(500):
                    if other.find("doubler").n_answers:
                        break
                    pause.wait(0.01)
                seen.append(other.find("doubler").n_answers)

    generate(store, Silent(), PROBLEMS)
    assert seen == [1]


@pytest.mark.parametrize("by_the_clock", [False, True])
def test_an_answer_that_cannot_be_stored_stops_the_system(
    store: Store, monkeypatch: pytest.MonkeyPatch, by_the_clock: bool
) -> None:
    monkeypatch.setattr(study_run, "COMMIT_SECONDS", 0.001 if by_the_clock else 60)
    asked: list[int] = []

    class Wild(Doubler):
        def answers(self, problems: ProblemSet, done: Container[tuple[str, int]]) -> Iterator[Answer]:
            pause = threading.Event()
            for sample in range(1000):
                asked.append(sample)
                yield Answer("nowhere/0", sample, Solution("0"))
                if by_the_clock:
                    pause.wait(0.01)

    with pytest.raises(StoreError, match="nowhere/0"):
        generate(store, Wild(), PROBLEMS, batch=100)
    assert len(asked) <= 100
    assert not store.find("doubler").finished


def test_an_error_of_the_clock_after_the_last_answer_is_raised(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_run, "COMMIT_SECONDS", 0.001)

    class Wild(Doubler):
        def answers(self, problems: ProblemSet, done: Container[tuple[str, int]]) -> Iterator[Answer]:
            yield Answer("nowhere/0", 0, Solution("0"))
            threading.Event().wait(0.2)

    with pytest.raises(StoreError, match="nowhere/0"):
        generate(store, Wild(), PROBLEMS)
    assert not store.find("doubler").finished


def test_grading_grades_only_what_this_grader_and_version_has_not(store: Store) -> None:
    run = generate(store, Doubler(), PROBLEMS)

    def stop(problem: Problem) -> None:
        if problem.id == "sums/5":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade(store, run, Equality(before=stop))
    assert len(store.outcomes(run, "equality@1")) == 5
    again = Equality()
    grade(store, run, again)
    assert again.graded == [f"sums/{i}" for i in range(5, 20)]
    newer = Equality(version=2)
    grade(store, run, newer)
    assert len(newer.graded) == 20
    assert store.graders(run) == ["equality@1", "equality@2"]


def test_verdicts_are_stored_in_batches_as_they_come(store: Store) -> None:
    run = generate(store, Doubler(), PROBLEMS)
    stored: list[int] = []
    grade(
        store, run, Equality(before=lambda _: stored.append(len(store.outcomes(run, "equality@1")))), batch=3
    )
    assert stored == [index // 3 * 3 for index in range(20)]
    assert len(store.outcomes(run, "equality@1")) == 20


def test_slow_verdicts_are_stored_by_the_clock(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_run, "COMMIT_SECONDS", 0)
    run = generate(store, Doubler(), PROBLEMS)
    stored: list[int] = []
    grade(store, run, Equality(before=lambda _: stored.append(len(store.outcomes(run, "equality@1")))))
    assert stored == list(range(20))


def test_a_grader_that_raises_gives_errors_and_a_note_and_goes_on(store: Store) -> None:
    run = generate(store, Doubler(), PROBLEMS)

    def fail(problem: Problem) -> None:
        if problem.id in ("sums/3", "sums/8"):
            raise ValueError(f"no gold\n in {problem.id}")

    heard: list[Event] = []
    with listening(heard.append):
        grade(store, run, Equality(before=fail))
    summary = store.summary(run, "equality@1")
    assert summary == {"correct": 1, "wrong": 17, "unparsed": 0, "error": 2}
    (verdict,) = [row.verdict for row in store.rows_of(run, "sums/3", "equality@1")]
    assert verdict == Verdict("error", None, "ValueError: no gold in sums/3", "equality@1")
    (note,) = [event.message for event in heard if isinstance(event, Note)]
    assert "failed on 2 answers" in note
    assert "sums/3: ValueError" in note


def test_progress_counts_what_was_there_before(store: Store) -> None:
    with pytest.raises(Stop):
        generate(store, Doubler(stop_before=7), PROBLEMS)
    heard: list[Event] = []
    with listening(heard.append):
        run = generate(store, Doubler(), PROBLEMS)
        grade(store, run, Equality())
    progress = [event for event in heard if isinstance(event, Progress)]
    generating = [event for event in progress if event.task == "answers of doubler"]
    grading = [event for event in progress if event.task == "verdicts on doubler"]
    assert [event.done for event in generating] == [*range(7, 21), 20]
    assert [event.done for event in grading] == [*range(21), 20]
    assert all(event.total == 20 for event in progress)
    assert [event.finished for event in generating] == [False] * 14 + [True]
