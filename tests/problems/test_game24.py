"""The Game of 24: the known number of solvable hands, exact checks, and reproducible draws."""

from fractions import Fraction
from itertools import combinations_with_replacement, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import InvalidParameterError
from calculemus.problems import load
from calculemus.problems.arithmetic import evaluate
from calculemus.problems.game24 import SOLVABLE, Game24, check, is_solvable, moves, solve

HANDS = list(combinations_with_replacement(range(1, 14), 4))


def by_brute_force(hand: tuple[int, ...]) -> bool:
    """Say whether any of the five bracketings of any order of the numbers, with any signs, makes 24."""
    forms = ("(({}{}{}){}{}){}{}", "({}{}({}{}{})){}{}", "({}{}{}){}({}{}{})", "{}{}(({}{}{}){}{})",
             "{}{}({}{}({}{}{}))")  # fmt: skip
    signs = [(a, b, c) for a in "+-*/" for b in "+-*/" for c in "+-*/"]
    return any(
        evaluate(form.format(a, x, b, y, c, z, d)) == 24
        for a, b, c, d in permutations(hand)
        for x, y, z in signs
        for form in forms
    )


@pytest.mark.slow
def test_as_many_hands_are_solvable_as_is_known() -> None:
    assert sum(is_solvable(tuple(map(Fraction, hand))) for hand in HANDS) == SOLVABLE == 1362
    assert len(HANDS) == 1820


@pytest.mark.parametrize("hand", [(3, 3, 8, 8), (1, 1, 1, 1), (1, 5, 5, 5), (6, 6, 6, 7), (1, 3, 4, 6)])
def test_a_hand_is_solvable_if_brute_force_finds_a_way(hand) -> None:
    assert is_solvable(tuple(map(Fraction, hand))) is by_brute_force(hand)


@given(st.sampled_from(HANDS))
def test_the_moves_of_a_solution_lead_to_24(hand) -> None:
    left = tuple(map(Fraction, hand))
    found = solve(left)
    assert (found is not None) is is_solvable(left)
    for move in found or []:
        assert move.text in [each.text for each in moves(left)]
        computed, result = move.text.partition(" (left")[0].split(" = ")
        assert evaluate(computed) == evaluate(result)
        left = move.left
    if found is not None:
        assert left == (24,)


def test_the_moves_of_two_numbers_are_all_there_are() -> None:
    texts = [move.text for move in moves((Fraction(2), Fraction(6)))]
    assert texts == [
        "2 + 6 = 8 (left: 8)",
        "6 - 2 = 4 (left: 4)",
        "2 * 6 = 12 (left: 12)",
        "6 / 2 = 3 (left: 3)",
        "2 / 6 = 1/3 (left: 1/3)",
    ]
    assert [move.left[0] for move in moves((Fraction(0), Fraction(5)))] == [5, 5, 0, 0]


def test_a_set_has_different_solvable_hands_and_begins_as_a_smaller_one() -> None:
    small, large = load("game24:n=60,seed=7", limit=20), load("game24:n=60,seed=7")
    assert small.name == "game24:n=20,seed=7"
    hands = [tuple(problem.meta["numbers"]) for problem in large]
    assert list(large)[:20] == list(small)
    assert len(set(hands)) == 60
    assert all(is_solvable(tuple(map(Fraction, hand))) for hand in hands)
    assert [p.id for p in load("game24:n=20,seed=8")] != [p.id for p in small]


def test_the_question_names_the_numbers_and_the_solution_ends_in_24() -> None:
    problem = next(p for p in Game24(n=SOLVABLE).problems() if p.id == "game24/3-3-8-8")
    asked = "Use each of the numbers 3, 3, 8 and 8 once, with + - * / and brackets, to make 24."
    assert problem.question == asked
    assert (problem.solution or "").endswith("(left: 24)")


@pytest.mark.parametrize(
    ("answer", "verdict", "expression"),
    [
        ("(10 - 4) * 3 + 6", True, "(10 - 4) * 3 + 6"),
        ("The answer is (10 - 4) * 3 + 6 = 24.", True, "(10 - 4) * 3 + 6"),
        ("10 - 4 = 6\n6 * 3 = 18\nSo: [10 − 4] × 3 + 6 = 24", True, "(10 - 4) * 3 + 6"),
        ("24 = (10 - 4) * 3 + 6", True, "(10 - 4) * 3 + 6"),
        ("4 * 6 = 24", False, "4 * 6"),
        ("(10 - 4) * 3 + 6 + 0", False, "(10 - 4) * 3 + 6 + 0"),
        ("(10 - 4) * 3 + 6 = 25", False, "(10 - 4) * 3 + 6"),
        ("10 * 4 - 6 * 3", False, "10 * 4 - 6 * 3"),
        ("10 + 4 + 6 + 3", False, "10 + 4 + 6 + 3"),
        ("(10 - 4) * (6 - 3 + 1)", False, "(10 - 4) * (6 - 3 + 1)"),
        ("I make 24.", None, None),
        ("", None, None),
    ],
)
def test_an_expression_counts_if_it_makes_24_of_each_number_once(answer, verdict, expression) -> None:
    assert check([3, 4, 6, 10], answer) == (verdict, expression)


def test_rounding_down_is_not_one_of_the_signs() -> None:
    assert check([1, 5, 5, 25], "25 // 1 - 5 / 5")[0] is False
    assert check([1, 5, 5, 25], "25 / 1 - 5 / 5")[0] is True


@pytest.mark.parametrize("name", ["game24:n=0", "game24:n=1363", "game24:size=3", "game24:n=many"])
def test_a_set_that_cannot_be_made_is_refused(name) -> None:
    with pytest.raises(InvalidParameterError, match="Game24"):
        load(name)
