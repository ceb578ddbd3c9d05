"""The tests of a paired difference: against scipy, statsmodels and enumeration."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from calculemus import Rng
from calculemus.errors import StatisticsError
from calculemus.stats import mcnemar, permutation_test

TABLES = [(0, 0), (0, 1), (5, 15), (15, 5), (30, 30), (0, 25), (123, 456), (20_000, 20_400)]


@pytest.mark.parametrize(("only_a", "only_b"), TABLES)
def test_mcnemar_agrees_with_scipy_and_statsmodels(only_a, only_b):
    table = [[100, only_a], [only_b, 50]]
    assert mcnemar(only_a, only_b) == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue, abs=1e-10)
    if only_a + only_b:
        exact = reference.binomtest(min(only_a, only_b), only_a + only_b).pvalue
        assert mcnemar(only_a, only_b) == pytest.approx(exact, rel=1e-10)


def test_mcnemar_of_5_and_15_is_the_published_figure():
    assert round(mcnemar(5, 15), 4) == 0.0414


@given(st.lists(st.floats(-10, 10).map(lambda v: round(v, 3)), min_size=2, max_size=12))
@settings(max_examples=40)
def test_the_sign_swap_test_agrees_with_scipy_where_all_swaps_are_counted(differences):
    b = np.array(differences)
    theirs = reference.permutation_test(
        (b, np.zeros_like(b)), lambda x, y: np.mean(x - y), permutation_type="samples", vectorized=False,
        n_resamples=np.inf,
    )  # fmt: skip
    assert permutation_test(np.zeros_like(b), b) == pytest.approx(theirs.pvalue, abs=1e-10)


def test_the_sign_swap_test_of_single_samples_is_mcnemars():
    a, b = np.zeros(12), np.array([1] * 9 + [0] * 3)
    a[9:11] = 1
    assert permutation_test(a, b) == pytest.approx(mcnemar(2, 9), abs=1e-12)


def test_clusters_are_swapped_as_a_whole():
    a, b = np.zeros(6), np.array([1.0, 2.0, 3.0, -1.0, 0.5, 0.5])
    sums = [3.0, 2.0, 1.0]
    ways = [
        abs(sum(s * v for s, v in zip(signs, sums, strict=True)))
        for signs in itertools.product((1, -1), repeat=3)
    ]
    expected = sum(way >= 6.0 for way in ways) / 8
    assert permutation_test(a, b, clusters=["x", "x", "y", "y", "z", "z"]) == expected


def test_drawn_swaps_give_the_normal_p_value_of_many_problems():
    generator = Rng(10).generator()
    differences = generator.normal(0.03, 1, 3000)
    score = differences.sum() / math.sqrt((differences**2).sum())
    p_value = permutation_test(np.zeros(3000), differences)
    assert p_value == pytest.approx(2 * reference.norm.sf(abs(score)), abs=0.005)
    assert permutation_test(np.zeros(3000), differences, rng=Rng(11)) != p_value
    assert permutation_test(np.zeros(3000), np.ones(3000)) == 1 / 10_001


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: permutation_test([1, 0], [0]), "there are 1 problems"),
        (lambda: permutation_test([1, 0, 1], [0, 1]), "system a has 3 problems and system b 2"),
        (lambda: permutation_test([1, 0], [0, 1], resamples=3), "the number of resamples is 3"),
        (lambda: mcnemar(-1, 3), "the number that only a solved is -1"),
        (lambda: mcnemar(1, 0.5), "the number that only b solved is 0.5"),
    ],
)
def test_tests_without_figures_are_refused_by_name(call, message):
    with pytest.raises(StatisticsError) as caught:
        call()
    assert message in str(caught.value)
