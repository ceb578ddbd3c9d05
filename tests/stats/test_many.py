"""Many comparisons: against statsmodels and scipy, and groups against all maximal cliques."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from calculemus import Rng
from calculemus.errors import StatisticsError
from calculemus.stats import benjamini_hochberg, holm, separable_groups

p_lists = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.05, 1.0])), min_size=1, max_size=20
)


@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_corrections_agree_with_statsmodels(n):
    p_values = np.round(Rng(n).generator().beta(0.3, 2, n), 2).tolist()  # rounded, so that some are equal
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-10)
    assert benjamini_hochberg(p_values) == pytest.approx(
        multipletests(p_values, method="fdr_bh")[1], abs=1e-10
    )


@given(p_lists)
def test_benjamini_hochberg_agrees_with_scipy(p_values):
    assert benjamini_hochberg(p_values) == pytest.approx(false_discovery_control(p_values), abs=1e-10)


@given(p_lists)
def test_holm_is_the_level_at_which_stepping_down_rejects(p_values):
    # p is rejected at level alpha if, from the smallest on, each p_j (n - j) up to it stays within alpha.
    ordered = sorted(p_values)
    steps = [p * (len(ordered) - j) for j, p in enumerate(ordered)]
    expected = [min(1.0, max(steps[: ordered.index(p) + 1])) for p in p_values]
    assert holm(p_values) == pytest.approx(expected, abs=1e-12)


def test_no_comparisons_need_no_correction():
    assert holm([]) == []
    assert benjamini_hochberg([]) == []


NAMES = "abcdef"


@given(st.lists(st.sampled_from([0.0001, 0.9]), min_size=15, max_size=15), st.permutations(range(6)))
def test_groups_are_the_largest_sets_without_a_separable_pair(p_values, values):
    by_pair = dict(zip(combinations(NAMES, 2), p_values, strict=True))
    separable = {pair for pair, p_value in by_pair.items() if p_value < 0.01}
    loose = [
        set(names)
        for size in range(1, 7)
        for names in combinations(NAMES, size)
        if not separable & set(combinations(names, 2))
    ]
    largest = [group for group in loose if not any(group < other for other in loose)]
    groups = separable_groups(NAMES, values, by_pair)
    assert sorted(map(sorted, groups)) == sorted(map(sorted, largest))
    place = dict(zip(NAMES, values, strict=True))
    for group in groups:
        assert list(group) == sorted(group, key=place.__getitem__, reverse=True)


def test_the_pairs_are_corrected_together():
    # Each p-value is below 0.05, but of three only the smallest passes 0.05 / 3, and then none 0.05 / 2.
    p_values = {("a", "b"): 0.001, ("b", "c"): 0.03, ("c", "a"): 0.04}
    assert separable_groups("abc", [3, 1, 2], p_values) == [("a", "c"), ("c", "b")]
    assert separable_groups("abc", [3, 1, 2], p_values, alpha=0.1) == [("a",), ("c",), ("b",)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: holm([0.5, 1.5]), "holm: a p-value is 1.5"),
        (lambda: benjamini_hochberg([math.nan]), "benjamini_hochberg: a p-value is nan"),
        (lambda: separable_groups("ab", [1, 2], {}), "the pair ('a', 'b') has no p-value"),
        (lambda: separable_groups("aa", [1, 2], {}), "2 names, 1 of them different"),
        (lambda: separable_groups("ab", [1], {}), "and 1 figures"),
        (lambda: separable_groups("ab", [1, 2], {("a", "b"): 0.5}, alpha=0), "alpha is 0"),
    ],
)
def test_comparisons_that_cannot_be_corrected_are_refused_by_name(call, message):
    with pytest.raises(StatisticsError) as caught:
        call()
    assert message in str(caught.value)
