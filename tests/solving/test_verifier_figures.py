"""Figures of a verifier, against brute force and by hand."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.solving.attempting import Attempt
from calculemus.solving.verifier_figures import POSITIONS, auc, figures

SOLUTIONS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.booleans(), st.integers(1, 3)),
    min_size=1,
    max_size=9,
)


@given(SOLUTIONS)
def test_the_area_is_the_share_of_pairs_in_the_right_order(solutions: list[tuple[float, bool, int]]) -> None:
    single = [(value, ok) for value, ok, n in solutions for _ in range(n)]
    pairs = [(v, w) for (v, ok), (w, other) in product(single, single) if ok and not other]
    expected = sum((v > w) + (v == w) / 2 for v, w in pairs) / len(pairs) if pairs else None
    assert auc(*map(list, zip(*solutions, strict=True))) == (
        expected if not pairs else pytest.approx(expected)
    )


def solution(answer: str, is_correct: bool, count: int) -> Attempt:
    return Attempt((1, 2, 3, 4, 5), 1, f"#### {answer}", is_correct, count=count)


ATTEMPTS = [
    [solution("7", True, 1), solution("8", False, 2), solution("9", False, 1)],
    [solution("5", True, 3), solution("6", False, 1)],
]
VALUES = [
    [(0.5, 0.5, 0.9, 0.0), (0.5, 0.5, 0.2, 0.0), (0.5, 0.5, 0.3, 0.0)],
    [(0.5, 0.5, 0.4, 0.0), (0.5, 0.5, 0.6, 0.0)],
]


def test_the_figures_of_two_problems_are_those_by_hand() -> None:
    found = figures(ATTEMPTS, VALUES)
    assert (found.n_problems, found.n_samples) == (2, 4)
    assert (found.mean, found.best, found.vote, found.any) == (0.5, 0.5, 0.5, 1.0)
    assert found.coin == pytest.approx((1 / 3 + 1 / 2) / 2)
    end = found.at[1.0]  # behind the last token but the mark of the end
    assert end.within == pytest.approx((1 + 0) / 2)
    assert end.auc == pytest.approx((4 + 3 * 3) / 16)
    errors = [0.1**2, 2 * 0.2**2, 0.3**2, 3 * 0.6**2, 0.6**2]
    assert end.brier == pytest.approx(sum(errors) / 8)
    assert found.at[0.25].auc == 0.5


def test_quarters_of_the_solutions_have_their_own_errors() -> None:
    found = figures(ATTEMPTS, VALUES)
    assert found.brier_quarters[:2] == (0.25, 0.25)
    assert found.brier_quarters[3] == 0.5


def test_values_behind_the_positions_alone_give_the_same_but_for_the_quarters() -> None:
    whole = figures(ATTEMPTS, VALUES)
    behind = [[tuple(v[max(0, round(p * 3) - 1)] for p in POSITIONS) for v in own] for own in VALUES]
    part = figures(ATTEMPTS, behind, at_positions=True)
    assert part.brier_quarters == ()
    assert (part.at, part.best) == (whole.at, whole.best)


def test_problems_without_both_kinds_have_no_area() -> None:
    found = figures([[solution("7", True, 2)]], [[(0.5, 0.6, 0.7, 0.1)]])
    assert (found.at[1.0].auc, found.at[1.0].within) == (None, None)
    assert found.best == 1.0
