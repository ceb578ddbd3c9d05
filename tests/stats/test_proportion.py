"""Shares: against scipy and statsmodels, and coverage computed from the binomial law."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference
from statsmodels.stats.proportion import proportion_confint

from calculemus import Rng
from calculemus.errors import StatisticsError
from calculemus.stats import accuracy, proportion

COUNTS = [(0, 1), (1, 1), (0, 20), (20, 20), (7, 30), (921, 1319), (1, 1000), (199_999, 200_000)]


@pytest.mark.parametrize(("correct", "n"), COUNTS)
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
@pytest.mark.parametrize(
    ("ours", "theirs", "other"), [("wilson", "wilson", "wilson"), ("exact", "exact", "beta")]
)
def test_intervals_agree_with_scipy_and_statsmodels(correct, n, confidence, ours, theirs, other):
    estimate = proportion(correct, n, ours, confidence)
    interval = reference.binomtest(correct, n).proportion_ci(confidence, theirs)
    assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high), abs=1e-10)
    low, high = proportion_confint(correct, n, 1 - confidence, other)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-10)
    assert estimate.value == correct / n


def test_printed_intervals_are_the_published_ones():
    assert str(proportion(921, 1319)) == "69.8% [67.3, 72.2] (n=1319, Wilson)"
    assert str(proportion(20, 20)) == "100.0% [83.9, 100.0] (n=20, Wilson)"
    assert str(proportion(742, 1319)) == "56.3% [53.6, 58.9] (n=1319, Wilson)"
    assert str(proportion(0, 20, "exact")) == "0.0% [0.0, 16.8] (n=20, Clopper-Pearson)"


def binomial_coverage(n: int, share: float, method: str) -> float:
    """Add the probabilities of all counts whose interval holds the share."""
    counts = np.arange(n + 1)
    weights = reference.binom.pmf(counts, n, share)
    likely = counts[weights > 1e-13]
    held = [
        k for k in likely if proportion(int(k), n, method).low <= share <= proportion(int(k), n, method).high
    ]
    return float(weights[held].sum())


# At 30 problems and a share of .1 or .9 a single count (0 or 30 wrong by chance) carries 4 %: no interval of
# these counts covers more than 93.2 and less than 97.4 %. Over shares nearby it evens out: next test.
GRID = [(n, share) for n in (30, 200, 1000) for share in (0.1, 0.5, 0.9)]


@pytest.mark.parametrize(("n", "share"), GRID)
def test_wilson_covers_95_percent(n, share):
    highest = 0.975 if n == 30 else 0.97
    assert 0.93 <= binomial_coverage(n, share, "wilson") <= highest


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_wilson_covers_95_percent_of_shares_nearby_for_30_problems(share):
    nearby = np.linspace(share - 0.05, share + 0.05, 41)
    assert 0.94 <= np.mean([binomial_coverage(30, s, "wilson") for s in nearby]) <= 0.96


@pytest.mark.parametrize(("n", "share"), GRID)
def test_the_exact_interval_never_covers_less_than_95_percent(n, share):
    assert binomial_coverage(n, share, "exact") >= 0.95


def test_one_sample_a_problem_gives_wilson():
    assert accuracy([1, 0, 1, 1]) == proportion(3, 4)
    assert accuracy(np.array([[1.0], [0.0], [1.0], [1.0]])) == proportion(3, 4)
    assert accuracy([[math.nan, 1], [0, math.nan], [1, math.nan], [math.nan, 1]]) == proportion(3, 4)


def test_partial_credit_is_a_mean_not_a_count():
    estimate = accuracy([0.5, 0.5, 0.75, 1.0])
    assert estimate.value == 0.6875
    assert "3 df" in estimate.method


def test_clusters_that_all_differ_are_no_clusters():
    assert accuracy([1, 0, 1, 1], clusters=["a", "b", "c", "d"]) == proportion(3, 4)


def implied_error(estimate, freedom: int) -> float:
    """Recover the standard error from an interval that is symmetric in the log-odds."""
    half = reference.logistic.ppf(estimate.high) - reference.logistic.ppf(estimate.value)
    return half * estimate.value * (1 - estimate.value) / reference.t.ppf(0.975, freedom)


def cluster_error(rows: np.ndarray, groups: np.ndarray) -> float:
    """Ask statsmodels for the cluster-robust standard error of the mean of ``rows``."""
    model = sm.OLS(rows, np.ones_like(rows))
    return model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True).bse[0]


def test_several_samples_have_the_cluster_error_of_statsmodels():
    generator = Rng(1).generator()
    x = (generator.random((60, 8)) < generator.beta(0.6, 0.4, (60, 1))).astype(float)
    estimate = accuracy(x)
    # Problems are the clusters of their samples. statsmodels adds a factor (N-1)/(N-1) = 1 for one column.
    error = cluster_error(x.ravel(), np.repeat(np.arange(60), 8))
    assert implied_error(estimate, 59) == pytest.approx(error, rel=1e-10)
    assert estimate.value == pytest.approx(x.mean())
    assert (estimate.n_problems, estimate.n_samples) == (60, 480)
    assert "59 df" in estimate.method


def test_groups_of_problems_have_the_cluster_error_of_statsmodels():
    generator = Rng(2).generator()
    groups = generator.integers(0, 12, 100)
    x = (generator.random(100) < 0.6).astype(float)
    estimate = accuracy(x, clusters=[f"seed {g}" for g in groups])
    assert implied_error(estimate, 11) == pytest.approx(cluster_error(x, groups), rel=1e-10)
    assert "11 df" in estimate.method


def test_missing_samples_leave_each_problem_the_same_weight():
    x = [[1, 1, 1, 1], [0, math.nan, math.nan, math.nan], [1, 0, math.nan, math.nan]]
    estimate = accuracy(x)
    assert estimate.value == pytest.approx((1 + 0 + 0.5) / 3)
    assert (estimate.n_problems, estimate.n_samples) == (3, 7)


@pytest.mark.parametrize("share", [0, 1])
def test_problems_that_all_agree_fall_back_to_wilson_on_problems(share):
    estimate = accuracy(np.full((30, 8), share))
    single = proportion(30 * share, 30)
    assert (estimate.low, estimate.high) == (single.low, single.high)
    assert (estimate.n_problems, estimate.n_samples, estimate.method) == (30, 240, "Wilson")


def test_clusters_that_all_agree_fall_back_to_wilson_on_clusters():
    estimate = accuracy(np.ones(30), clusters=[i // 3 for i in range(30)])
    assert estimate.low == proportion(10, 10).low
    assert estimate.method == "Wilson, 10 clusters"


def test_equal_halves_still_have_an_interval():
    estimate = accuracy([[1, 0], [0, 1], [1, 0]])
    assert estimate.low < 0.3
    assert estimate.high > 0.7


tables = st.lists(
    st.lists(st.sampled_from([0.0, 1.0, math.nan]), min_size=3, max_size=3), min_size=2, max_size=12
)


@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_problems_and_samples_is_irrelevant_and_ends_stay_shares(rows, random):
    rows = [[1.0, *row] for row in rows]
    estimate = accuracy(rows)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    shuffled = [random.sample(row, len(row)) for row in random.sample(rows, len(rows))]
    again = accuracy(shuffled)
    ends = (estimate.value, estimate.low, estimate.high)
    assert (again.value, again.low, again.high) == pytest.approx(ends, abs=1e-12)


@given(tables)
def test_turning_right_and_wrong_round_mirrors_the_interval(rows):
    x = np.array([[1.0, *row] for row in rows])
    estimate, mirrored = accuracy(x), accuracy(1 - x)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((estimate.low, estimate.high), abs=1e-12)


def coverage_of_accuracy(n: int, k: int, share: float, spread: float, runs: int, width: float = 0.0) -> float:
    """Simulate problems of Beta difficulty around ``share``; the share itself varies by ``width``."""
    generator = Rng(3).child("coverage", n, k, repr((share, spread))).generator()
    truths = generator.uniform(share - width, share + width, (runs, 1))
    chances = generator.beta(truths * spread, (1 - truths) * spread, (runs, n))
    right = generator.binomial(k, chances)
    held = 0
    for truth, counts in zip(truths[:, 0], right, strict=True):
        estimate = accuracy(np.arange(k) < counts[:, np.newaxis])
        held += estimate.low <= truth <= estimate.high
    return held / runs


def test_samples_of_one_problem_are_not_independent():
    generator = Rng(4).generator()
    chances = generator.beta(0.6, 0.4, (1000, 200))
    right = generator.binomial(8, chances)
    naive = clustered = 0
    for counts in right:
        single = proportion(int(counts.sum()), 1600)
        naive += single.low <= 0.6 <= single.high
        estimate = accuracy(np.arange(8) < counts[:, np.newaxis])
        clustered += estimate.low <= 0.6 <= estimate.high
    assert naive / 1000 == pytest.approx(0.645, abs=0.05)  # as published: 64.5 %
    assert 0.93 <= clustered / 1000 <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 8])
@pytest.mark.parametrize(("n", "share"), GRID)
def test_several_samples_cover_95_percent(n, share, k):
    # Few distinct counts at 30 problems of two samples: averaged over shares nearby, as for Wilson above.
    width = 0.05 if (n, k) == (30, 2) else 0.0
    assert 0.93 <= coverage_of_accuracy(n, k, share, spread=1.0, runs=2000, width=width) <= 0.97


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: proportion(3, 2), "3 of 2 problems are correct"),
        (lambda: proportion(-1, 2), "the number of correct problems is -1; expected at least 0"),
        (lambda: proportion(0, 0), "the number of problems is 0; expected at least 1"),
        (lambda: proportion(1.5, 2), "is 1.5; expected a whole number"),
        (lambda: proportion(1, 2, "normal"), "the method is 'normal'; expected 'wilson' or 'exact'"),
        (lambda: proportion(1, 2, confidence=95), "the confidence is 95"),
        (lambda: accuracy([1]), "there are 1 problems; expected at least 2"),
        (lambda: accuracy([]), "there are 0 problems"),
        (lambda: accuracy([1, 2]), "a score is 2; expected scores from 0 to 1"),
        (lambda: accuracy([1, -0.5]), "a score is -0.5"),
        (lambda: accuracy([[1, 0], [math.nan, math.nan]]), "problem 1 has no sample"),
        (lambda: accuracy([1, math.inf]), "problem 1 has an infinite sample"),
        (lambda: accuracy([[1, 0], [1]]), "no table of numbers"),
        (lambda: accuracy(["right", "wrong"]), "no table of numbers"),
        (lambda: accuracy(np.zeros((2, 2, 2))), "3 axes; expected two"),
        (lambda: accuracy([1, 0], clusters=["a"]), "2 problems and 1 cluster ids"),
        (lambda: accuracy([1, 0], clusters=["a", ""]), "problem 1 has the empty cluster id ''"),
        (lambda: accuracy([1, 0], clusters=["a", None]), "problem 1 has the empty cluster id None"),
        (lambda: accuracy([1, 0], clusters=[1.0, math.nan]), "problem 1 has the empty cluster id nan"),
        (lambda: accuracy([1, 0, 1], clusters=["a", "a", "a"]), "all 3 problems are in the cluster 'a'"),
    ],
)
def test_figures_that_have_no_share_are_refused_by_name(call, message):
    with pytest.raises(StatisticsError) as caught:
        call()
    assert message in str(caught.value)
