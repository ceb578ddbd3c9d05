"""Ranges worked out backwards, against trying every number."""

from math import gcd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.problems.generated.draft import _parts, computed, is_held_out
from calculemus.problems.generated.ranges import BACK, FACTORS, LEAST, fitted
from calculemus.problems.generated.stream import Stream
from calculemus.rng import Rng

LIMIT = 99

ends = st.tuples(st.integers(2, LIMIT), st.integers(2, LIMIT), st.integers(1, 12), st.integers(0, 11))


def numbers(low: int, high: int, step: int, residue: int) -> list[int]:
    return [n for n in range(low, high + 1) if n % step == residue % step]


@given(ends)
def test_a_fitted_range_has_the_same_numbers(end: tuple[int, int, int, int]) -> None:
    fit = fitted(*end)
    assert (numbers(*fit) if fit else []) == numbers(*end)


def completions(kind: str, x: int, b: int, c: int) -> list[int]:
    """Everything that a sum can end in from ``x``, by trying."""
    if kind == "add":
        return [x + other for other in range(LEAST, LIMIT + 1)]
    if kind == "sub":
        return [x - other for other in range(LEAST, x)]
    if kind == "mul":
        return [x * b]
    if kind == "div":
        return [x // b] if x % b == 0 else []
    if kind == "percent":
        return [x * b // 100] if x * b % 100 == 0 else []
    if kind == "ratio":
        return [x // b * c] if x % b == 0 else []
    return [computed(kind, x, b, c)[0]]


@pytest.mark.parametrize("kind", BACK)
@given(end=ends, seed=st.integers(0, 10**6))
def test_every_start_of_a_range_can_be_completed(kind: str, end: tuple, seed: int) -> None:
    fit = fitted(*end)
    if fit is None:
        return
    drawn = BACK[kind](Stream(Rng(seed), "test").draws(0), *fit, LIMIT, 12)
    if drawn is None:
        return
    b, c, start = drawn
    starts = numbers(*start)
    assert starts
    assert all(LEAST <= x <= LIMIT for x in starts)
    allowed = set(numbers(*fit))
    for x in starts:
        assert allowed & set(completions(kind, x, b, c)), (x, b, c)


@pytest.mark.parametrize("kind", ["mul", "div"])
@given(end=ends, seed=st.integers(0, 10**6))
def test_no_start_that_leads_into_the_range_is_left_out(kind: str, end: tuple, seed: int) -> None:
    low, high, step, _ = end
    fit = fitted(low, high, step, 0)
    drawn = BACK[kind](Stream(Rng(seed), "test").draws(0), *fit, LIMIT, 12) if fit else None
    if fit and drawn:
        b, c, start = drawn
        reach = [x for x in range(LEAST, LIMIT + 1) if set(completions(kind, x, b, c)) & set(numbers(*fit))]
        assert numbers(*start) == reach


def test_a_wide_range_refuses_no_sum() -> None:
    draw = Stream(Rng(0), "test").draws(0)
    assert all(BACK[kind](draw, LEAST, LIMIT, 1, 0, LIMIT, 12) for kind in BACK)


def test_factors_are_never_held_out() -> None:
    assert [k for k in FACTORS if is_held_out(k)] == []
    assert {8, *range(80, 90)} & set(FACTORS) == set()


@given(st.integers(1, 3000), st.integers(1, 40), st.integers(1, 400))
def test_held_out_numbers_of_a_range_are_found_without_trying(low: int, step: int, count: int) -> None:
    places = range(count)
    held_out, others = (
        [place for start, stop in parts for place in range(start, stop)] for parts in _parts(low, step, count)
    )
    assert held_out == [place for place in places if is_held_out(low + place * step)]
    assert others == [place for place in places if not is_held_out(low + place * step)]


def test_ratios_are_in_lowest_terms() -> None:
    from calculemus.problems.generated.ranges import RATIOS

    assert all(gcd(a, b) == 1 and a != b for a, b in RATIOS)
