"""The nouns: problems, solutions, verdicts, costs."""

import dataclasses
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import calculemus
from calculemus import OUTCOMES, Budget, Cost, Node, Problem, Solution, Trace, Verdict
from calculemus.errors import ProblemError

NOUNS = [Problem, Solution, Trace, Node, Verdict, Cost, Budget]

amounts = st.none() | st.integers(0, 10**12)
costs = st.builds(Cost, **{field.name: amounts for field in dataclasses.fields(Cost)})
words = st.text('aB7 äβ漢\n"\\<', max_size=8)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Any graph of nodes whose parents come before them."""
    nodes: list[Node] = []
    for index in range(draw(st.integers(0, 8))):
        parents = draw(st.lists(st.integers(0, index - 1), unique=True, max_size=3)) if index else []
        meta = draw(st.dictionaries(words, st.none() | st.integers() | words, max_size=2))
        nodes.append(Node(draw(words), draw(words), tuple(parents), meta))
    return Trace(tuple(nodes))


@pytest.mark.parametrize("noun", NOUNS)
def test_a_noun_is_frozen_and_takes_no_other_attribute(noun: Any) -> None:
    assert dataclasses.is_dataclass(noun)
    assert vars(noun)["__dataclass_params__"].frozen
    assert hasattr(noun, "__slots__")


@pytest.mark.parametrize("noun", NOUNS)
def test_the_docstring_explains_every_field_in_the_order_of_the_class(noun: Any) -> None:
    lines = noun.__doc__.partition("Attributes:\n")[2].partition("\n\n")[0].splitlines()
    explained = [line.split(":")[0].strip() for line in lines if line.startswith(" " * 8) and line[8] != " "]
    if noun is not Trace:  # its one field is the sentence above it
        assert explained == [field.name for field in dataclasses.fields(noun)]


def test_an_assignment_to_a_field_is_refused() -> None:
    problem = Problem("p", "1+1?", "2")
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.answer = "3"  # type: ignore[misc]  # the refusal is what is tested


@pytest.mark.parametrize("field", ["id", "question", "answer"])
@pytest.mark.parametrize("value", [5, None, 2.5, b"text", ["text"]])
def test_a_problem_whose_text_is_not_text_is_refused_by_field_and_value(field: str, value: object) -> None:
    texts: dict[str, Any] = {"id": "set/1", "question": "q", "answer": "1", field: value}
    with pytest.raises(ProblemError) as refusal:
        Problem(**texts)
    assert f"'{field}'" in str(refusal.value)
    assert repr(value) in str(refusal.value)
    assert "expected text" in str(refusal.value)


def test_a_problem_without_id_is_refused_and_shown_by_its_question() -> None:
    with pytest.raises(ProblemError, match=r"What is 1\+1\?.*give every problem an id"):
        Problem("", "What is 1+1?", "2")


def test_golds_are_the_answer_and_then_the_further_accepted_ones() -> None:
    assert Problem("p", "q", "1/2").golds == ("1/2",)
    assert Problem("p", "q", "1/2", meta={"answers": ["0.5", "50 %"]}).golds == ("1/2", "0.5", "50 %")


def test_a_single_further_answer_is_not_taken_apart_into_letters() -> None:
    with pytest.raises(ProblemError, match="answers"):
        _ = Problem("p", "q", "1/2", meta={"answers": "0.5"}).golds


def test_a_problem_is_its_own_group_unless_it_says_which() -> None:
    assert Problem("p", "q", "1").group == "p"
    assert Problem("p", "q", "1", meta={"group": 7}).group == "7"


def test_two_problems_do_not_share_their_empty_meta() -> None:
    assert Problem("a", "q", "1").meta is not Problem("b", "q", "1").meta


@given(traces())
def test_a_trace_survives_its_journey_through_json(trace: Trace) -> None:
    assert Trace.from_json(json.loads(json.dumps(trace.to_json()))) == trace


@given(traces().filter(lambda trace: trace.nodes), st.data())
def test_a_path_leads_from_a_root_to_its_node_by_first_parents(trace: Trace, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(trace.nodes) - 1))
    path = trace.path(index)
    assert not path[0].parents
    assert path[-1] is trace.nodes[index]
    for before, after in itertools.pairwise(path):
        assert trace.nodes[after.parents[0]] is before


@pytest.mark.parametrize("parents", [(0,), (1,), (2,), (-1,)])
def test_a_node_cannot_follow_itself_a_later_node_or_one_that_is_not_there(parents: tuple[int, ...]) -> None:
    with pytest.raises(AssertionError, match="a parent comes before its child"):
        Trace((Node("step", "a", parents), Node("step", "b")))


def test_a_path_through_a_merged_node_follows_the_first_parent() -> None:
    trace = Trace((Node("s", "a"), Node("s", "b"), Node("merge", "c", (1, 0)), Node("s", "d", (2,))))
    assert [node.text for node in trace.path(3)] == ["b", "c", "d"]


def test_a_solution_knows_nothing_that_it_was_not_told() -> None:
    solution = Solution(None)
    assert solution == Solution(None, (), Trace(), Cost(), truncated=False, failure=None)
    assert solution.cost.known() == {}


def test_only_the_outcome_correct_scores() -> None:
    scored = [outcome for outcome in OUTCOMES if Verdict(outcome, "1", "number", "default@1").correct]
    assert scored == ["correct"]


def test_the_four_outcomes_are_the_ones_that_the_store_and_the_tables_know() -> None:
    assert OUTCOMES == ("correct", "wrong", "unparsed", "error")


def test_two_verdicts_that_differ_in_grading_time_alone_are_equal() -> None:
    quick, slow = (Verdict("wrong", "3", "number", "default@1", seconds) for seconds in (1e-5, 0.9))
    assert quick == slow
    assert quick != dataclasses.replace(quick, how="boxed/number")


@given(costs, costs)
def test_costs_add_in_any_order(a: Cost, b: Cost) -> None:
    assert a + b == b + a


@given(costs, costs, costs)
def test_costs_add_in_any_grouping(a: Cost, b: Cost, c: Cost) -> None:
    assert (a + b) + c == a + (b + c)


@given(costs)
def test_the_cost_of_nothing_changes_no_sum(cost: Cost) -> None:
    assert cost + Cost.zero() == cost
    assert Cost.zero() + cost == cost


@given(costs, costs)
def test_a_sum_is_known_exactly_where_both_parts_are(a: Cost, b: Cost) -> None:
    assert set((a + b).known()) == set(a.known()) & set(b.known())


def test_memory_in_use_is_a_maximum_and_everything_else_a_sum() -> None:
    parts = Cost(**{field.name: 3 for field in dataclasses.fields(Cost)})
    expected = dict.fromkeys(parts.known(), 6) | {"peak_bytes": 3}
    assert (parts + parts).known() == expected


def test_an_unknown_cost_is_never_zero() -> None:
    assert set(dataclasses.asdict(Cost()).values()) == {None}
    assert set(dataclasses.asdict(Budget()).values()) == {None}
    assert Cost(tokens_out=0).known() == {"tokens_out": 0}


def test_every_noun_can_be_had_from_the_package_itself() -> None:
    assert {noun.__name__ for noun in NOUNS} <= set(calculemus.__all__)
