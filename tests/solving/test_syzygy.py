"""Syzygy of thoughts: the form has its places, broken ones are told, and the stages do what they say."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.cost import Budget
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import InvalidParameterError, ParseError
from calculemus.grading.votes import group_equal
from calculemus.solving.syzygy import Syzygy
from calculemus.solving.syzygy_forms import NAMES, form, read_form
from calculemus.solving.syzygy_stages import Attempt, count_votes, needed

ALGEBRA, PLAIN = NAMES["algebra"], NAMES["plain"]


def filled(names: Any = ALGEBRA, answers: tuple[str, ...] = ("18", "20", "18"), final: Any = "20") -> str:
    """Return a form that is filled in."""
    return json.dumps(
        {
            names.conditions: {f"{names.condition}1": "a hen lays 3 eggs a day"},
            names.solutions: {
                f"{names.solution}{i}": f"So it is {answer}.\n#### {answer}"
                for i, answer in enumerate(answers)
            },
            names.review: {names.analysis: "...", names.best: "the second: #### 20"},
            names.final: final,
        }
    )


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize(("b", "s"), [(1, 1), (7, 5), (10, 5), (3, 12)])
def test_the_form_for_b_and_s_has_b_and_s_places_and_parses(names, b, s) -> None:
    read = json.loads(form(names, b, s))
    assert len(read[names.conditions]) + len(read[names.solutions]) == b + s
    assert (len(read[names.conditions]), len(read[names.solutions]), read[names.count]) == (b, s, b)


def test_the_two_sets_of_names_share_no_name_but_say_all_that_the_other_says() -> None:
    words = [set(json.loads(form(names, 1, 1))) for names in (ALGEBRA, PLAIN)]
    assert not words[0] & words[1]
    assert len(words[0]) == len(words[1])


@pytest.mark.parametrize("names", ["algebra", "plain"])
def test_one_request_shows_the_form_and_its_best_solution_is_the_answer(
    drive, in_order, problem, names
) -> None:
    solver = Syzygy(names=names)
    driven = drive(solver, problem, in_order(filled(NAMES[names])))
    (asked,) = driven.asked
    assert form(NAMES[names], 10, 5) in asked.prompt
    assert problem.question in asked.prompt
    assert (asked.sampling.temperature, asked.sampling.max_tokens, asked.n) == (0.0, 2048, 1)
    root = driven.solution.trace.nodes[0]
    assert (root.meta["best"], root.meta["vote"], root.meta["votes"]) == ("20", "18", [2, 1])
    assert (driven.solution.answer, driven.solution.candidates) == ("#### 20", ("18",))


def test_the_vote_over_the_solutions_may_decide(drive, in_order, problem) -> None:
    solution = drive(Syzygy(choose="vote"), problem, in_order(filled())).solution
    assert (solution.answer, solution.candidates) == ("#### 18", ("20",))


def test_equal_answers_share_a_vote(drive, in_order, problem) -> None:
    text = filled(answers=("7", "1/2", "0.5"), final=7)
    solution = drive(Syzygy(choose="vote"), problem, in_order(text)).solution
    assert solution.answer == "#### 1/2"


def test_a_form_that_breaks_off_gives_the_vote_of_what_is_there(problem) -> None:
    text = filled()
    cut = text[: text.index(ALGEBRA.review) - 3]
    engine = ScriptedEngine(lambda prompt, seed: cut + " more" * 900)
    ((_, _, solution),) = Scheduler(engine).solve_all(
        Syzygy(conditions=1, solutions=1, max_tokens=144), [(problem, 0)]
    )
    assert (solution.answer, solution.truncated, solution.failure) == ("#### 18", True, None)


@pytest.mark.parametrize(
    "text", ["18", "{}", '{"module": "eggs"}', "{" * 3000, '{"mapping": {"solution1": "..."}}']
)
def test_what_is_no_form_fails_with_the_reason(drive, in_order, problem, text) -> None:
    with pytest.raises(ParseError, match="syzygy: reading the form: found"):
        drive(Syzygy(), problem, in_order(text))


def test_a_form_without_any_answer_says_so(drive, in_order, problem) -> None:
    text = json.dumps({"mapping": ["no idea", "no way"], "final_answer": "unknown"})
    solution = drive(Syzygy(), problem, in_order(text)).solution
    assert solution.failure == "no answer in any of 2 solutions, nor as the final answer"


def test_places_that_were_left_empty_are_no_solutions() -> None:
    read = read_form(ALGEBRA, form(ALGEBRA, 4, 3).replace('"solution2": "..."', '"solution2": "#### 5"'))
    assert (read.conditions, read.solutions, read.best) == ((), ("#### 5",), None)


@pytest.mark.parametrize(
    ("settings", "least"),
    [({}, 544), ({"conditions": 100, "solutions": 50}, 4864), ({"mode": "staged", "conditions": 100}, 1600)],
)
def test_too_few_tokens_for_the_places_are_refused_with_an_estimate(settings, least) -> None:
    with pytest.raises(
        InvalidParameterError, match=f"'max_tokens' is {least - 1}; expected at least {least},"
    ):
        Syzygy(**settings, max_tokens=least - 1)
    assert Syzygy(**settings, max_tokens=least).least_tokens == least


def stage(uses: dict[str, str], answers: dict[str, str]) -> Any:
    """Return a model that goes through the stages: what each attempt answers, and what it uses."""

    def say(prompt: str, seed: int) -> str:
        if "Do not solve it yet" in prompt:
            return "1. Three eggs a day.\n2. Six days.\n3. A hen is a bird.\n4. Too many."
        if "Used:" in prompt:
            return uses[prompt.partition("attempt ")[2][0]]
        number = prompt.rpartition("attempt ")[2][0]
        return f"In attempt {number}.\n#### {answers[number]}"

    return ScriptedEngine(say)


def test_stages_leave_out_what_is_not_exact_and_drop_what_is_not_needed(problem) -> None:
    engine = stage(
        {"1": "3, other", "2": "1 and 2", "3": " 2", "4": "9"}, {"1": "99", "2": "18", "3": "18.0", "4": "99"}
    )
    solver = Syzygy(mode="staged", conditions=3, solutions=4)
    ((_, _, solution),) = Scheduler(engine).solve_all(solver, [(problem, 0)])
    nodes = solution.trace.nodes
    assert engine.n_jobs == 1 + 4 + 4
    assert [node.meta.get("uses") for node in nodes[1:5]] == [None, [1, 2], [2], None]
    assert (nodes[0].meta["kept"], nodes[0].meta["n_exact"]) == ([2], 2)
    assert solution.answer == "In attempt 3.\n#### 18.0"
    assert solution.candidates == ("99",)


def test_stages_without_a_budget_for_the_check_vote_over_all(problem) -> None:
    engine = stage({}, {"1": "7", "2": "18", "3": "18"})
    scheduler = Scheduler(engine, budget=Budget(requests=4))
    solver = Syzygy(mode="staged", conditions=1, solutions=3)
    ((_, _, solution),) = scheduler.solve_all(solver, [(problem, 0)])
    assert (solution.answer, solution.truncated) == ("In attempt 2.\n#### 18", True)


ATTEMPTS = st.lists(
    st.tuples(st.sampled_from(["1", "2", "3"]), st.frozensets(st.integers(1, 4))), min_size=1, max_size=5
)


@given(ATTEMPTS)
def test_what_is_kept_gives_the_same_vote_and_nothing_of_it_can_be_dropped(drawn) -> None:
    attempts = [Attempt(index, answer, uses) for index, (answer, uses) in enumerate(drawn)]

    def winner(conditions: frozenset[int]) -> str | None:
        order = count_votes(group_equal, [a for a in attempts if a.needs_only(conditions)])
        return attempts[order[0]].answer if order else None

    kept = needed(group_equal, attempts, 4)
    assert winner(kept) == winner(frozenset(range(1, 5)))
    assert all(winner(kept - {condition}) != winner(kept) for condition in kept)
