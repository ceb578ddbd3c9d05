"""Reading a store for pages: the same as reading it whole, a little at a time."""

from pathlib import Path

import pytest

from calculemus import Cost, Problem, Solution, Verdict
from calculemus.errors import StoreError
from calculemus.problems.problemset import ProblemSet
from calculemus.store import Store, StoredAnswer
from calculemus.store.browsing import Browser

LONG = "\ud800" + "x" * 5000
PROBLEMS = ProblemSet(
    "sums", tuple(Problem(f"s/{i}", "q" * 500, str(i), meta={"group": i // 2} if i else {}) for i in range(5))
)


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "store.db") as opened:
        yield opened


def test_lines_are_the_rows_with_their_texts_cut(store: Store) -> None:
    run = store.begin({"a": 1}, PROBLEMS, "a")
    store.append(run, [StoredAnswer(f"s/{i}", k, Solution(LONG)) for i in range(5) for k in range(2)])
    store.record(run, "g@1", [(f"s/{i}", 1, Verdict("wrong", LONG, "x", "g@1")) for i in range(1, 5)])
    browser, rows = Browser(store), list(store.rows(run, "g@1"))
    lines = [line for start in (0, 4, 8) for line in browser.lines(run, "g@1", None, start, 4)]
    assert [(line.position, line.sample) for line in lines] == [(row.position, row.sample) for row in rows]
    assert [line.outcome for line in lines] == [row.verdict and row.verdict.outcome for row in rows]
    assert max(len(line.response or "") for line in lines) <= 300
    assert {len(line.question) for line in lines} == {200}
    wrong = browser.lines(run, "g@1", "wrong", 1, 9)
    assert [line.position for line in wrong] == [2, 3, 4]


def test_failures_groups_costs_and_counts_are_those_of_the_rows(store: Store) -> None:
    run = store.begin({"a": 1}, PROBLEMS, "a")
    answers = [
        StoredAnswer(
            f"s/{i}", 0, Solution(None, cost=Cost(tokens_out=i), failure="Error: no" if i > 2 else None)
        )
        for i in range(4)
    ]
    store.append(run, answers)
    store.record(run, "g@1", [(f"s/{i}", 0, Verdict("error", None, "x", "g@1")) for i in range(3)])
    browser = Browser(store)
    assert list(browser.failures(run)) == [("s/3", "Error: no")]
    assert browser.groups(run) == [problem.group for problem in PROBLEMS]
    assert browser.mean_costs(run, [1, 3]) == {"tokens_out": 2.0}
    assert browser.mean_costs(run, []) == {}
    assert browser.outcome_counts(run, "g@1") == [(0, "error", 1), (1, "error", 1), (2, "error", 1)]
    assert [line.problem_id for line in browser.problem_lines(run, [4, 0])] == ["s/0", "s/4"]


def test_one_answer_is_read_by_its_place_or_not_at_all(store: Store) -> None:
    run = store.begin({"a": 1}, PROBLEMS, "a")
    store.append(run, [StoredAnswer("s/1", 3, Solution("here"))])
    assert Browser(store).answer(run, 1, 3).solution.answer == "here"
    for place in ((1, 2), (1, 4), (0, 3), (2, 0)):
        with pytest.raises(StoreError, match="there is no sample"):
            Browser(store).answer(run, *place)


def test_runs_come_in_the_order_asked_for(store: Store) -> None:
    runs = [store.begin({"a": i}, PROBLEMS, f"run {i}") for i in range(4)]
    browser = Browser(store)
    asked = [runs[2].key, runs[0].key[:10], "run 3"]
    assert [each.run.name for each in browser.overviews(asked)] == ["run 2", "run 0", "run 3"]
    assert [run.name for run in browser.same_problems(runs[0], 2)] == ["run 3", "run 2"]
    assert [run.name for run in browser.newest_sets(5)] == ["run 3"]
    with pytest.raises(StoreError, match="there is none"):
        browser.overviews(["nobody"])
