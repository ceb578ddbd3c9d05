"""Paired comparison: against scipy and statsmodels, and coverage computed from the trinomial law."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as reference
from scipy.special import betaincinv, gammaln, xlogy

from calculemus import Rng
from calculemus.errors import StatisticsError
from calculemus.stats import accuracy, compare, mcnemar, tango
from calculemus.stats.paired import effective_problems, effective_tango
from calculemus.stats.samples import read_units
from calculemus.stats.tango import tango_ends

Z = reference.norm.ppf(0.975)


def score_of(only_a: int, only_b: int, n: int, difference: float) -> float:
    """Compute Tango's score from its definition: the likelihood is maximised numerically."""
    neither = n - only_a - only_b

    def unlikelihood(q: float) -> float:
        return -(xlogy(only_b, q + difference) + xlogy(only_a, q) + xlogy(neither, 1 - 2 * q - difference))

    bounds = (max(0, -difference), (1 - difference) / 2)
    q = optimize.minimize_scalar(unlikelihood, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    variance = n * (2 * q + difference - difference**2)
    return (only_b - only_a - n * difference) / math.sqrt(variance)


@pytest.mark.parametrize(
    ("only_a", "only_b", "n"), [(5, 15, 100), (1, 2, 10), (3, 9, 12), (7, 7, 50), (1, 30, 200)]
)
def test_tango_ends_are_where_the_score_reaches_the_quantile(only_a, only_b, n):
    low, high = tango(only_a, only_b, n)
    assert score_of(only_a, only_b, n, low) == pytest.approx(Z, abs=1e-5)
    assert score_of(only_a, only_b, n, high) == pytest.approx(-Z, abs=1e-5)


@pytest.mark.parametrize("n", [1, 10, 1319])
def test_tango_without_disagreement_has_a_closed_form(n):
    # Where no problem differs the score is -n d / sqrt(n d (1 - d)); where all do, sqrt(n (1 - d) / (1 + d)).
    assert tango(0, 0, n) == pytest.approx((-Z * Z / (n + Z * Z), Z * Z / (n + Z * Z)), abs=1e-12)
    assert tango(0, n, n) == pytest.approx(((n - Z * Z) / (n + Z * Z), 1), abs=1e-12)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 40))
def test_tango_mirrors_holds_the_difference_and_decides_like_the_score_test(only_a, only_b, others):
    n = only_a + only_b + others
    low, high = tango(only_a, only_b, n)
    assert -1 <= low <= (only_b - only_a) / n <= high <= 1
    assert tango(only_b, only_a, n) == pytest.approx((-high, -low), abs=1e-9)
    # At a difference of 0 the score is that of McNemar without correction.
    score = (only_b - only_a) / math.sqrt(max(1, only_a + only_b))
    if abs(abs(score) - Z) > 1e-6:
        assert (low > 0 or high < 0) == (abs(score) > Z)


def trinomial(n: int, share_a: float, share_b: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List the likely tables (only a, only b) of n problems with their probabilities."""
    only_a, only_b = np.meshgrid(np.arange(n + 1), np.arange(n + 1))
    possible = only_a + only_b <= n
    only_a, only_b = only_a[possible], only_b[possible]
    both = n - only_a - only_b
    logs = gammaln(n + 1) - gammaln(only_a + 1) - gammaln(only_b + 1) - gammaln(both + 1)
    logs += xlogy(only_a, share_a) + xlogy(only_b, share_b) + xlogy(both, 1 - share_a - share_b)
    likely = logs > -30
    return only_a[likely], only_b[likely], np.exp(logs[likely])


# Pairs of (gain, discordance): independent systems at accuracies of .1 and .9 differ on .18 of the problems,
# at .5 on .5; related ones on less.
CELLS = [(0.0, 0.18), (0.0, 0.5), (0.0, 0.1), (0.05, 0.3), (0.1, 0.2), (0.1, 0.5)]


@pytest.mark.parametrize("n", [30, 200, 1000])
@pytest.mark.parametrize(("gain", "discordance"), CELLS)
def test_tango_covers_95_percent(n, gain, discordance):
    only_a, only_b, weights = trinomial(n, (discordance - gain) / 2, (discordance + gain) / 2)
    low, high = tango_ends(only_a, only_b, n, Z)
    assert 0.93 <= weights[(low <= gain + 1e-9) & (gain - 1e-9 <= high)].sum() <= 0.97


@pytest.mark.parametrize("n", [30, 200, 1000])
@pytest.mark.parametrize("discordance", [0.02, 0.05, 0.1, 0.2, 0.5])
def test_two_runs_of_one_system_are_told_apart_in_at_most_6_percent(n, discordance):
    only_a, only_b, weights = trinomial(n, discordance / 2, discordance / 2)
    low, high = tango_ends(only_a, only_b, n, Z)
    assert weights[(low > 0) | (high < 0)].sum() <= 0.06
    different = np.unique(np.stack([np.minimum(only_a, only_b), np.maximum(only_a, only_b)]), axis=1).T
    rejected = {(a, b) for a, b in different.tolist() if mcnemar(a, b) <= 0.05}
    false = [tuple(sorted(pair)) in rejected for pair in zip(only_a.tolist(), only_b.tolist(), strict=True)]
    assert weights[false].sum() <= 0.05


def random_table(seed: int, n: int, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    generator = Rng(seed).generator()
    chances = generator.beta(0.6, 0.4, (n, 1))
    a = generator.random((n, k)) < chances
    return a.astype(float), (generator.random((n, k)) < chances).astype(float)


def test_single_samples_give_tango_and_mcnemar():
    a, b = random_table(1, 200)
    estimate = compare(a, b)
    only_a, only_b = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    assert (estimate.only_a, estimate.only_b, estimate.n) == (only_a, only_b, 200)
    assert (estimate.low, estimate.high) == tango(only_a, only_b, 200)
    assert estimate.p_value == mcnemar(only_a, only_b)
    assert estimate.delta == pytest.approx(accuracy(b).value - accuracy(a).value, abs=1e-12)
    assert (estimate.method, estimate.p_method) == ("Tango", "exact McNemar")


def test_a_difference_prints_with_its_sign_and_its_methods():
    a, b = np.repeat([1, 0, 0], [5, 15, 80]), np.repeat([0, 1, 0], [5, 15, 80])
    low, high = tango(5, 15, 100)
    assert str(compare(a, b)) == f"+0.1 [{low:+.4g}, {high:+.4g}], p=0.041 (n=100, Tango, exact McNemar)"


def test_clusters_that_all_differ_are_no_clusters():
    a, b = random_table(2, 50)
    assert compare(a, b, clusters=list(range(50))) == compare(a, b)


def test_the_effective_number_of_single_samples_is_their_number():
    a, b = random_table(3, 70)
    units = read_units(None, 70, "test")
    assert effective_problems((b - a)[:, 0], units, 70) == pytest.approx(70)


def test_the_effective_number_is_at_most_that_of_samples():
    differences = np.array([0.5] * 29 + [1.0])
    assert effective_problems(differences, read_units(None, 30, "test"), 60) == 60
    assert effective_problems(np.full(30, 0.5), read_units(None, 30, "test"), 60) == 30


@pytest.mark.parametrize(("copies", "k"), [(1, 1), (3, 1), (1, 4)])
def test_the_effective_number_gives_the_variance_of_the_mean_of_statsmodels(copies, k):
    a, b = random_table(4, 40, k)
    differences = np.tile((b - a).mean(axis=1), copies)
    codes = list(range(40)) * copies
    number = effective_problems(differences, read_units(codes, 40 * copies, "test"), 10**6)
    fit = sm.OLS(differences, np.ones_like(differences)).fit(
        cov_type="cluster", cov_kwds={"groups": np.array(codes)}, use_t=True
    )
    single = np.abs(differences).mean() - differences.mean() ** 2
    assert single / number == pytest.approx(fit.bse[0] ** 2 * 39 / 40, rel=1e-10)


def test_copies_of_every_problem_in_clusters_tell_no_more():
    a, b = random_table(4, 100)
    once = compare(a, b)
    copied = compare(np.tile(a, (3, 1)), np.tile(b, (3, 1)), clusters=list(range(100)) * 3)
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=1e-9)
    assert copied.only_a == 3 * once.only_a
    assert copied.method == "Tango, effective n, 100 clusters"
    # The test by drawn swaps comes as near to the exact one as its 10,000 draws allow.
    assert copied.p_value == pytest.approx(once.p_value, abs=0.02)


@pytest.mark.parametrize("n", [10, 40])
def test_systems_that_agree_on_every_problem_still_have_an_interval(n):
    a = np.repeat([[1.0], [0.0]], n // 2, axis=0) * np.ones((1, 4))
    estimate = compare(a, a)
    assert (estimate.delta, estimate.p_value) == (0, 1)
    quantile = reference.t.ppf(0.975, n - 1) if n < 30 else Z
    reach = quantile**2 / (n + quantile**2)
    assert (estimate.low, estimate.high) == pytest.approx((-reach, reach), abs=1e-12)
    assert ("t with 9 df" in estimate.method) == (n == 10)


@pytest.mark.parametrize("kind", ["single", "several", "tokens", "clusters"])
def test_swapping_the_systems_mirrors_everything(kind):
    a, b = random_table(5, 60, k=3 if kind == "several" else 1)
    if kind == "tokens":
        a, b = a + Rng(6).generator().lognormal(size=a.shape), b * 2
    clusters = [i // 5 for i in range(60)] if kind == "clusters" else None
    forward, back = compare(a, b, clusters), compare(b, a, clusters)
    assert (back.delta, back.low, back.high) == pytest.approx(
        (-forward.delta, -forward.high, -forward.low), abs=1e-9
    )
    assert (back.p_value, back.method) == (forward.p_value, forward.method)
    assert (back.only_a, back.only_b) == (forward.only_b, forward.only_a)


@pytest.mark.parametrize("kind", ["single", "several", "tokens", "clusters", "pools"])
def test_the_order_of_problems_is_irrelevant(kind):
    n = 2500 if kind == "pools" else 60
    a, b = random_table(7, n, k=3 if kind in ("several", "pools") else 1)
    if kind in ("tokens", "pools"):
        a = a + Rng(8).generator().lognormal(size=a.shape)
    clusters = np.arange(n) // 5 if kind == "clusters" else np.arange(n)
    order = Rng(9).generator().permutation(n)
    straight, shuffled = (
        compare(x, y, groups, resamples=1000)
        for x, y, groups in ((a, b, clusters), (a[order], b[order], clusters[order]))
    )
    assert (shuffled.delta, shuffled.low, shuffled.high) == pytest.approx(
        (straight.delta, straight.low, straight.high), rel=1e-9
    )
    assert shuffled.p_value == straight.p_value


@pytest.mark.slow
@pytest.mark.parametrize(("share", "gain"), [(0.1, 0.0), (0.5, 0.0), (0.9, 0.0), (0.9, 0.05), (0.5, 0.1)])
@pytest.mark.parametrize("n", [30, 200, 1000])
def test_several_samples_cover_95_percent(n, share, gain):
    generator = Rng(12).child(n, repr((share, gain))).generator()
    # Two systems that find mostly the same problems hard.
    common, own_a, own_b = generator.normal(size=(3, 600 if n == 1000 else 1500, n))
    hard_a, hard_b = (reference.norm.cdf(0.9 * common + math.sqrt(0.19) * own) for own in (own_a, own_b))
    chances = [betaincinv(2 * s, 2 - 2 * s, h) for s, h in ((share, hard_a), (share + gain, hard_b))]
    differences = (generator.binomial(8, chances[1]) - generator.binomial(8, chances[0])) / 8
    units = read_units(None, n, "test")
    numbers = np.array([effective_problems(row, units, 8 * n) for row in differences])
    only_a, only_b = (np.maximum(sign * differences, 0).mean(axis=1) for sign in (-1, 1))
    low, high = tango_ends(only_a * numbers, only_b * numbers, numbers, Z)
    first = effective_tango(differences[0], units, 8 * n, 0.95)[0]
    assert first == pytest.approx((low[0], high[0]), abs=1e-12)
    assert 0.93 <= ((low <= gain) & (gain <= high)).mean() <= 0.97


@pytest.mark.slow
def test_two_runs_with_several_samples_are_told_apart_in_at_most_6_percent():
    by_interval = by_test = 0
    for seed in range(800):
        a, b = random_table(seed, 60, k=4)
        estimate = compare(a, b, resamples=500)
        by_interval += estimate.excludes_zero
        by_test += estimate.p_value <= 0.05
    assert by_interval / 800 <= 0.06
    assert by_test / 800 <= 0.06


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare([1, 0, 1], [1, 0]), "system a has 3 problems and system b 2"),
        (lambda: compare([1], [0]), "system a: there are 1 problems"),
        (lambda: compare([1, 0], [math.nan, 1]), "system b: problem 0 has no sample"),
        (lambda: compare([1, 0], [0, 1], clusters=["a", "a"]), "all 2 problems are in the cluster 'a'"),
        (lambda: compare([1, 0], [0, 1], confidence=1), "the confidence is 1"),
        (
            lambda: compare([1, 0], [0, 1], resamples=10),
            "the number of resamples is 10; expected at least 100",
        ),
        (lambda: tango(2, 3, 4), "2 problems only for a and 3 only for b exceed the 4 problems"),
        (lambda: tango(0, 0, 0), "the number of problems is 0"),
    ],
)
def test_pairs_that_cannot_be_compared_are_refused_by_name(call, message):
    with pytest.raises(StatisticsError) as caught:
        call()
    assert message in str(caught.value)
