"""What differs between two runs, against runs made to differ in known places."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import StoreError
from calculemus.params import canonical_json
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Solution
from calculemus.store import Run, Store, StoredAnswer
from calculemus.study.choose import choose_grader
from calculemus.study.diff import Compared, Extraction, ProblemsDiff, Setting, diff_runs, diff_settings
from calculemus.verdict import Verdict

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
specs = st.dictionaries(st.text(max_size=3), json_values, max_size=4)


def problem(key: str, answer: str = "1") -> Problem:
    return Problem(key, f"question {key}", answer)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as opened:
        yield opened


def record(
    store: Store,
    name: str,
    problems: Sequence[Problem],
    responses: Mapping[tuple[str, int], str],
    grader: str = "default@1",
    spec: Mapping[str, Any] | None = None,
) -> Run:
    """Store a run; a response is right where it equals the gold, and taken whole for the answer."""
    run = store.begin(spec or {"name": name}, ProblemSet(name, tuple(problems)), name)
    golds = {p.id: p.answer for p in problems}
    store.append(run, [StoredAnswer(key, s, Solution(text)) for (key, s), text in responses.items()])
    store.record(
        run,
        grader,
        [
            (key, s, Verdict("correct" if text == golds[key] else "wrong", text, "whole", grader))
            for (key, s), text in responses.items()
        ],
    )
    return run


def test_settings_that_differ_are_named_by_where_they_stand() -> None:
    a = {
        "prompt": "Q: ",
        "sampler": {"temperature": 0, "top_p": 1},
        "stop": ["a", "b"],
        "same": [1, {"x": 2}],
    }
    b = {"prompt": "Q:", "sampler": {"temperature": 0.7, "top_p": 1}, "stop": ["a"], "same": [1, {"x": 2}]}
    assert diff_settings(a, b) == (
        Setting("prompt", {"a": "Q: ", "b": "Q:"}),
        Setting("sampler.temperature", {"a": 0, "b": 0.7}),
        Setting("stop[1]", {"a": "b"}),
    )


def test_a_setting_of_null_or_of_nothing_is_not_a_missing_one() -> None:
    found = diff_settings({"seed": None, "stop": []}, {})
    assert found == (Setting("seed", {"a": None}), Setting("stop", {"a": []}))


def test_true_and_one_are_different_settings() -> None:
    assert diff_settings({"x": 1.0}, {"x": 1}) == (Setting("x", {"a": 1.0, "b": 1}),)
    assert diff_settings({"x": True}, {"x": 1}) == (Setting("x", {"a": True, "b": 1}),)


@given(specs, specs)
def test_there_are_differing_settings_exactly_if_the_specs_differ(
    a: dict[str, Any], b: dict[str, Any]
) -> None:
    assert diff_settings(a, a) == ()
    assert bool(diff_settings(a, b)) == (canonical_json(a) != canonical_json(b))
    assert [s.name for s in diff_settings(a, b)] == [s.name for s in diff_settings(b, a)]


def test_outcomes_and_extractions_that_differ_are_named_one_by_one(store: Store) -> None:
    problems = [problem(key) for key in "pqrst"]
    places = [(key, s) for key in "pqrst" for s in (0, 1)]
    a = record(store, "a", problems, dict(zip(places, "1122112211", strict=True)))
    b = record(store, "b", problems, dict(zip(places, "1112312231", strict=True)))
    found = diff_runs(store, a, b)
    assert (found.a, found.b, found.grader) == (Compared(a.key, "a"), Compared(b.key, "b"), "default@1")
    assert (found.n_shared, found.n_changed) == (10, 3)
    assert found.right_only_a == (("r", 0), ("t", 0))
    assert found.right_only_b == (("q", 0),)
    assert found.extractions == (
        Extraction("q", 0, "2", "1"),
        Extraction("r", 0, "1", "3"),
        Extraction("t", 0, "1", "3"),
    )
    assert found.problems == ProblemsDiff()
    assert found.settings == (Setting("name", {"a": "a", "b": "b"}),)


def test_a_run_does_not_differ_from_itself(store: Store) -> None:
    run = record(store, "a", [problem("p"), problem("q")], {("p", 0): "1", ("q", 0): "2"})
    found = diff_runs(store, run, run)
    assert (found.settings, found.problems, found.extractions) == ((), ProblemsDiff(), ())
    assert (found.right_only_a, found.right_only_b, found.n_shared, found.n_changed) == ((), (), 2, 0)


def test_runs_on_different_sets_are_matched_by_id(store: Store) -> None:
    a = record(store, "a", [problem("p"), problem("q"), problem("r")], {(k, 0): "1" for k in "pqr"})
    # Another order, one problem more, one less, and one with another gold.
    others = [problem("s"), problem("r", "2"), problem("p")]
    b = record(store, "b", others, {("s", 0): "1", ("r", 0): "1", ("p", 0): "1", ("p", 1): "1"})
    found = diff_runs(store, a, b)
    assert found.problems == ProblemsDiff(only_a=("q",), only_b=("s",), changed=("r",), reordered=True)
    assert (found.n_shared, found.n_changed) == (2, 0)
    assert (found.right_only_a, found.right_only_b) == ((("r", 0),), ())
    assert found.extractions == ()


def test_an_outcome_may_change_with_the_same_extraction_and_the_other_way_round(store: Store) -> None:
    problems = [problem("p"), problem("q")]
    a, b = (store.begin({"name": name}, ProblemSet("set", tuple(problems)), name) for name in "ab")
    verdicts = {
        "a": [Verdict("unparsed", "x", "", "g@1"), Verdict("correct", "1.0", "", "g@1")],
        "b": [Verdict("wrong", "x", "", "g@1"), Verdict("correct", "1", "", "g@1")],
    }
    for run in (a, b):
        store.append(run, [StoredAnswer(p.id, 0, Solution("same")) for p in problems])
        store.record(run, "g@1", [(p.id, 0, v) for p, v in zip(problems, verdicts[run.name], strict=True)])
    found = diff_runs(store, a, b)
    assert (found.right_only_a, found.right_only_b) == ((), ())
    assert found.extractions == (Extraction("q", 0, "1.0", "1"),)


def test_graders_that_only_one_run_has_are_named_and_not_compared(store: Store) -> None:
    problems = [problem("p")]
    a = record(store, "a", problems, {("p", 0): "1"}, "default@1")
    b = record(store, "b", problems, {("p", 0): "2"}, "default@2")
    found = diff_runs(store, a, b)
    assert (found.grader, found.graders_a, found.graders_b) == (None, ("default@1",), ("default@2",))
    assert (found.right_only_a, found.n_changed) == ((), 1)
    with pytest.raises(StoreError, match=r"no verdicts of the grader 'default'.*calculemus regrade"):
        diff_runs(store, a, b, "default")


def test_the_grader_meant_is_the_newest_version_of_the_name() -> None:
    available = ["boxed@1", "default@2", "default@10", "strict@1"]
    assert choose_grader(available, None, "x") == "default@10"
    assert choose_grader(available, "default", "x") == "default@10"
    assert choose_grader(available, "default@2", "x") == "default@2"
    assert choose_grader(["strict@1", "boxed@2", "boxed@3"], None, "x") == "boxed@3"
    assert choose_grader([], None, "x") is None


def test_a_grader_without_verdicts_is_answered_with_those_that_have_some() -> None:
    with pytest.raises(StoreError, match=r"showing: .*'default@3'; expected one of boxed@1, default@2"):
        choose_grader(["default@2", "boxed@1"], "default@3", "showing")
    with pytest.raises(StoreError, match="the run is not graded"):
        choose_grader([], "default", "showing")
