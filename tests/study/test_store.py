"""What is stored comes back as it was, in order, in pages, and counted."""

import contextlib
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calculemus.cost import Cost
from calculemus.errors import StoreError
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng
from calculemus.solution import Node, Solution, Trace
from calculemus.store import Run, Store, StoredAnswer
from calculemus.store.reader import PAGE
from calculemus.verdict import OUTCOMES, Verdict

GRADER = "default@1"

# Any text at all, halves of surrogate pairs and NUL included: models write them.
any_text = st.text(st.characters(exclude_categories=()), max_size=40)
nodes = st.lists(st.builds(Node, st.sampled_from(["completion", "step"]), any_text), max_size=4)
counts = st.none() | st.integers(0, 2**40)
amounts = st.none() | st.floats(0, allow_nan=False)
costs = st.builds(
    Cost,
    **{f.name: amounts if "float" in str(f.type) else counts for f in fields(Cost)},
)
solutions = st.builds(
    Solution,
    answer=st.none() | any_text,
    candidates=st.lists(any_text, max_size=3).map(tuple),
    trace=nodes.map(lambda found: Trace(tuple(found))),
    cost=costs,
    truncated=st.booleans(),
    failure=st.none() | any_text,
)
verdicts = st.builds(Verdict, st.sampled_from(OUTCOMES), st.none() | any_text, any_text, st.just(GRADER))


def sums(n: int, name: str = "sums") -> ProblemSet:
    return ProblemSet(name, tuple(Problem(f"sums/{i}", f"{i} + {i}?", str(2 * i)) for i in range(n)), "here")


def verdict(outcome: str = "correct") -> Verdict:
    return Verdict(outcome, "2", "number", GRADER)  # type: ignore[arg-type]  # any of the four


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as opened:
        yield opened


def fill(store: Store, n: int, n_samples: int = 1, spec: str = "a") -> Run:
    run = store.begin({"spec": spec}, sums(n), f"system {spec}")
    places = [(i, s) for i in range(n) for s in range(n_samples)]
    store.append(run, [StoredAnswer(f"sums/{i}", s, Solution(f"{i}:{s}")) for i, s in places])
    return run


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(found=st.lists(st.tuples(solutions, st.none() | verdicts), min_size=1, max_size=5))
def test_any_solution_and_verdict_come_back_equal(
    store: Store, found: list[tuple[Solution, Verdict | None]]
) -> None:
    # A fresh spec for each example gives a fresh run.
    run = store.begin({"example": len(store.runs())}, sums(len(found)), "any")
    store.append(run, [StoredAnswer(f"sums/{i}", 0, solution) for i, (solution, _) in enumerate(found)])
    graded = [(f"sums/{i}", 0, v) for i, (_, v) in enumerate(found) if v is not None]
    store.record(run, GRADER, graded)
    rows = list(store.rows(run, GRADER))
    assert [(row.solution, row.verdict) for row in rows] == found
    assert [row.problem_id for row in store.ungraded(run, GRADER)] == [
        f"sums/{i}" for i, (_, v) in enumerate(found) if v is None
    ]


def test_a_whole_number_stays_whole_and_one_beyond_64_bits_becomes_a_float(store: Store) -> None:
    run = store.begin({}, sums(1), "a")
    store.append(run, [StoredAnswer("sums/0", 0, Solution("2", cost=Cost(tokens_out=3, flops=10**30)))])
    cost = next(store.rows(run)).solution.cost
    assert isinstance(cost.tokens_out, int)
    assert cost.flops == 1e30


def test_a_response_is_stored_once_when_the_trace_repeats_it(store: Store, tmp_path: Path) -> None:
    text = "x" * 100_000
    run = store.begin({}, sums(1), "a")
    solution = Solution(text, trace=Trace((Node("completion", text),)))
    store.append(run, [StoredAnswer("sums/0", 0, solution)])
    assert next(store.rows(run)).solution == solution
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        (size,) = connection.execute("SELECT length(answer) + length(trace) FROM answer").fetchone()
    assert size < 100_100


def test_the_columns_of_costs_are_the_parts_of_a_cost(store: Store, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(answer)")]
    assert set(columns) >= {field.name for field in fields(Cost)}


def test_a_problem_set_comes_back_whole_and_is_stored_once(store: Store, tmp_path: Path) -> None:
    problems = ProblemSet(
        "set",
        (
            Problem(
                "b", "Ünïcode?", "1/2", "worked", "def solution(): ...", {"answers": ["0.5"], "steps": 2}
            ),
            *(Problem(f"a{i}", "?", "1") for i in range(2 * PAGE)),
        ),
        "somewhere",
    )
    runs = [store.begin({"spec": i}, problems, "a") for i in range(2)]
    for run in runs:
        assert store.problems(run) == problems
        assert run.problems_digest == problems.digest
        assert run.n_problems == len(problems)
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        assert connection.execute("SELECT count(*) FROM problem").fetchone() == (len(problems),)


def test_the_key_changes_with_the_spec_and_the_problems_and_not_with_the_name(store: Store) -> None:
    run = store.begin({"temperature": 0, "stop": ["a"]}, sums(2), "one")
    assert re.fullmatch("[0-9a-f]{32}", run.key)
    assert store.begin({"stop": ["a"], "temperature": 0}, sums(2, "other name"), "two").key == run.key
    assert store.find(run.key).name == "two"
    assert store.begin({"temperature": 1, "stop": ["a"]}, sums(2), "one").key != run.key
    assert store.begin({"temperature": 0, "stop": ["a"]}, sums(3), "one").key != run.key


def test_a_run_says_when_it_was_begun_and_whether_it_is_finished(store: Store) -> None:
    before = datetime.now(UTC)
    run = fill(store, 3)
    created = datetime.fromisoformat(run.created)
    assert before <= created <= datetime.now(UTC)
    assert created.utcoffset() is not None
    assert (run.finished, store.find(run.key).n_answers) == (False, 3)
    store.finish(run)
    assert store.find(run.key) == replace(run, finished=True, n_answers=3)


def test_what_is_there_already_stays_and_is_counted_once(store: Store) -> None:
    run = fill(store, 2)
    again = [StoredAnswer("sums/0", 0, Solution("other")), StoredAnswer("sums/1", 1, Solution("new"))]
    store.append(run, again)
    assert [row.solution.answer for row in store.rows(run)] == ["0:0", "1:0", "new"]
    assert store.find(run.key).n_answers == 3
    store.record(run, GRADER, [("sums/0", 0, verdict("correct"))])
    store.record(run, GRADER, [("sums/0", 0, verdict("wrong")), ("sums/1", 1, verdict("wrong"))])
    assert store.summary(run, GRADER) == {"correct": 1, "wrong": 1, "unparsed": 0, "error": 0}


def test_done_names_every_stored_answer(store: Store) -> None:
    run = fill(store, 3, n_samples=2)
    assert store.done(run) == {(f"sums/{i}", s) for i in range(3) for s in range(2)}
    assert store.done(fill(store, 1, spec="b")) == {("sums/0", 0)}


def test_a_row_that_does_not_fit_stores_nothing_of_its_batch(store: Store) -> None:
    run = fill(store, 2)
    unknown = r"'sums/9'.*none of that id.*'sums/0'"
    with pytest.raises(StoreError, match=unknown):
        store.append(run, [StoredAnswer(f"sums/{i}", 5, Solution("x")) for i in (0, 9)])
    with pytest.raises(StoreError, match=unknown):
        store.record(run, GRADER, [(f"sums/{i}", 0, verdict()) for i in (0, 9)])
    assert store.find(run.key).n_answers == 2
    assert store.graders(run) == []


def test_a_verdict_on_no_answer_is_refused_with_its_batch(store: Store) -> None:
    run = fill(store, 2)
    with pytest.raises(StoreError, match="writing verdicts"):
        store.record(run, GRADER, [("sums/0", 0, verdict()), ("sums/1", 7, verdict())])
    assert store.graders(run) == []


def test_a_run_of_another_store_is_refused(store: Store, tmp_path: Path) -> None:
    with Store.open(tmp_path / "other.db") as other:
        run = fill(other, 1)
    with pytest.raises(StoreError, match=f"no run '{run.key}'"):
        list(store.rows(run))


def test_rows_come_in_the_order_of_the_problems_whatever_the_order_of_answers(store: Store) -> None:
    places = [(i, s) for i in range(40) for s in range(3)]
    run = store.begin({}, sums(40), "a")
    for index in Rng(0, ("order",)).generator().permutation(len(places)):
        i, s = places[index]
        store.append(run, [StoredAnswer(f"sums/{i}", s, Solution(f"{i}:{s}"))])
    assert [(row.position, row.sample) for row in store.rows(run)] == places
    assert all(row.problem_id == f"sums/{row.position}" for row in store.rows(run))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(start=st.integers(0, 170), limit=st.none() | st.integers(0, 170))
def test_every_page_is_a_slice_of_all_rows(store: Store, start: int, limit: int | None) -> None:
    run = store.runs()[0] if store.runs() else fill(store, 80, n_samples=2)
    whole = [(row.position, row.sample) for row in store.rows(run)]
    page = [(row.position, row.sample) for row in store.rows(run, None, start, limit)]
    assert page == whole[start:][:limit]


def test_the_rows_of_one_problem_are_its_samples(store: Store) -> None:
    run = fill(store, 3, n_samples=PAGE + 2)
    rows = store.rows_of(run, "sums/1")
    assert [(row.position, row.sample) for row in rows] == [(1, s) for s in range(PAGE + 2)]
    assert store.problem(run, 1) == sums(3)[1]
    with pytest.raises(StoreError, match="'nine'"):
        store.rows_of(run, "nine")


def test_verdicts_may_be_recorded_while_the_ungraded_are_read(store: Store) -> None:
    run = fill(store, 3 * PAGE)
    seen = []
    for row in store.ungraded(run, GRADER):
        seen.append(row.position)
        store.record(run, GRADER, [(row.problem_id, row.sample, verdict())])
    assert seen == list(range(3 * PAGE))
    assert list(store.ungraded(run, GRADER)) == []


def test_the_kept_counts_equal_counting_the_rows(store: Store, tmp_path: Path) -> None:
    generator = Rng(0, ("tally",)).generator()
    runs = [fill(store, 30, n_samples=2, spec=spec) for spec in "ab"]
    for run in runs:
        for grader in ("default@1", "default@2"):
            store.record(
                run,
                grader,
                [
                    (f"sums/{i}", s, verdict(OUTCOMES[generator.integers(4)]))
                    for i in range(30)
                    for s in range(2)
                    if generator.integers(3)
                ],
            )
    overviews = {overview.run.key: overview for overview in store.overview()}
    for run in runs:
        assert store.graders(run) == ["default@1", "default@2"]
        for grader in store.graders(run):
            counted = Counter(row.verdict.outcome for row in store.rows(run, grader) if row.verdict)
            assert store.summary(run, grader) == {outcome: counted[outcome] for outcome in OUTCOMES}
            assert Counter(o for *_, o in store.outcomes(run, grader)) == counted
            assert overviews[run.key].tallies[grader] == dict(counted)
            assert overviews[run.key].accuracy(grader) == counted["correct"] / counted.total()


def test_outcomes_are_those_of_the_rows_in_order(store: Store) -> None:
    run = fill(store, 3, n_samples=2)
    store.record(run, GRADER, [("sums/2", 1, verdict("wrong")), ("sums/0", 0, verdict("unparsed"))])
    assert store.outcomes(run, GRADER) == [("sums/0", 0, "unparsed"), ("sums/2", 1, "wrong")]
    assert store.outcomes(run, "other@1") == []


def test_a_mean_cost_is_given_only_where_every_answer_knows_it(store: Store) -> None:
    run = store.begin({}, sums(2), "a")
    costs = [Cost(tokens_out=1, flops=2.0), Cost(tokens_out=4)]
    store.append(run, [StoredAnswer(f"sums/{i}", 0, Solution("", cost=c)) for i, c in enumerate(costs)])
    assert store.mean_costs(run) == {"tokens_out": 2.5}
    assert store.mean_costs(store.begin({"no": "answers"}, sums(2), "b")) == {}
