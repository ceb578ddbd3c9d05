"""The grader of the Game of 24, also on what is no Game of 24."""

from time import perf_counter

import pytest

from calculemus.grading import get_grader
from calculemus.problem import Problem

HAND = Problem("h", "Use 3, 4, 6 and 10.", "24", meta={"numbers": [3, 4, 6, 10]})


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("(10 - 4) * 3 + 6 = 24", "correct"),
        ("4 * 6 = 24", "wrong"),
        ("The answer is 24.", "unparsed"),
        (None, "error"),
    ],
)
def test_only_the_numbers_of_the_hand_make_a_right_answer(response, outcome) -> None:
    verdict = get_grader("game24").grade(HAND, response)
    assert verdict.outcome == outcome
    assert verdict.grader == "game24@1"


def test_the_default_grader_would_not_see_that_numbers_are_missing() -> None:
    assert get_grader("default").grade(HAND, "The answer is 4 * 6").correct


def test_other_problems_are_graded_as_by_default() -> None:
    problem = Problem("p", "How many?", "1/2")
    for response in ("0.5", "2", "", None):
        mine, default = (get_grader(name).grade(problem, response) for name in ("game24", "default"))
        assert (mine.outcome, mine.extracted, mine.how) == (default.outcome, default.extracted, default.how)


@pytest.mark.parametrize("response", ["(" * 100_000, "1+" * 500_000, "1 = " * 300_000, "9" * 1_000_000])
def test_hostile_text_has_a_verdict_soon(response) -> None:
    start = perf_counter()
    assert get_grader("game24").grade(HAND, response).outcome in ("wrong", "unparsed")
    assert perf_counter() - start < 1


def test_a_response_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="expected text"):
        get_grader("game24").grade(HAND, 24)  # type: ignore[arg-type]  # what is tested
