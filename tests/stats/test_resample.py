"""The bootstrap: its draws, its ends, its limits in time and memory."""

import math
import time
import tracemalloc

import numpy as np
import pytest
from scipy import stats as reference

from calculemus import Rng
from calculemus.errors import StatisticsError
from calculemus.stats import compare, mean
from calculemus.stats.resample import bootstrap_weights, pooled, studentised_means
from calculemus.stats.samples import read_units


def test_every_resample_draws_as_many_units_as_there_are():
    weights = np.vstack(list(bootstrap_weights(700, 3000, Rng(1))))
    assert weights.shape == (3000, 700)
    assert (weights.sum(axis=1) == 700).all()
    # Each unit is drawn once on average, with the variance 1 - 1/n of a multinomial count.
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.1)
    assert weights.var() == pytest.approx(1 - 1 / 700, abs=0.01)


def test_pools_keep_sums_and_sizes_whatever_the_order():
    generator = Rng(2).generator()
    rows = np.column_stack([np.ones(5001), generator.lognormal(size=5001)])
    pools = pooled(rows, Rng(3))
    assert len(pools) == 2000
    assert pools.sum(axis=0) == pytest.approx(rows.sum(axis=0), rel=1e-12)
    assert set(pools[:, 0]) == {2.0, 3.0}
    assert np.array_equal(pools, pooled(rows[generator.permutation(5001)], Rng(3)))


@pytest.mark.parametrize("clusters", [None, [i // 3 for i in range(40)]])
def test_studentised_means_are_those_of_each_resample_by_itself(clusters):
    values = Rng(12).generator().lognormal(size=40)
    units = read_units(clusters, 40, "test")
    totals, sizes = units.sums(values), units.sizes
    order = np.lexsort([totals, sizes])
    expected = []
    for counts in np.vstack(list(bootstrap_weights(units.n, 100, Rng(13)))).astype(int):
        drawn = np.repeat(order, counts)
        center = totals[drawn].sum() / sizes[drawn].sum()
        squares = ((totals[drawn] - center * sizes[drawn]) ** 2).sum() * units.n / (units.n - 1)
        expected.append((center - values.mean()) / (math.sqrt(squares) / sizes[drawn].sum()))
    assert studentised_means(totals, sizes, Rng(13), 100) == pytest.approx(np.array(expected), rel=1e-9)


def test_the_interval_of_a_bell_shaped_quantity_is_students():
    x = Rng(4).generator().normal(100, 15, 400)
    estimate = mean(x)
    interval = reference.ttest_1samp(x, 0).confidence_interval()
    assert estimate.value == pytest.approx(x.mean())
    assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high), abs=0.1)
    assert estimate.method == "bootstrap-t"


def test_the_interval_of_a_skewed_quantity_leans_like_that_of_scipy():
    generator = Rng(5).generator()
    x = generator.exponential(size=400)
    theirs = reference.bootstrap(
        (x,), np.mean, method="BCa", rng=generator, vectorized=True
    ).confidence_interval
    estimate = mean(x)
    width = estimate.high - estimate.low
    assert (estimate.low, estimate.high) == pytest.approx((theirs.low, theirs.high), abs=0.1 * width)
    assert estimate.high - estimate.value > 1.05 * (estimate.value - estimate.low)


def test_pooled_units_give_the_interval_of_the_units():
    x = Rng(6).generator().exponential(size=20_000)
    interval = reference.ttest_1samp(x, 0).confidence_interval()
    estimate = mean(x)
    width = estimate.high - estimate.low
    assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high), abs=0.05 * width)


def test_a_difference_of_tokens_agrees_with_the_paired_bootstrap_of_scipy():
    generator = Rng(7).generator()
    a = generator.lognormal(5, 0.5, 300)
    b = a * generator.lognormal(0.05, 0.3, 300)
    theirs = reference.bootstrap(
        (b - a,), np.mean, method="BCa", rng=generator, vectorized=True
    ).confidence_interval
    estimate = compare(a, b)
    width = estimate.high - estimate.low
    assert (estimate.low, estimate.high) == pytest.approx((theirs.low, theirs.high), abs=0.1 * width)
    assert estimate.delta - estimate.low == pytest.approx(estimate.high - estimate.delta)
    assert estimate.method == "paired bootstrap-t"


def test_copies_of_every_problem_in_clusters_tell_no_more():
    x = Rng(8).generator().lognormal(size=80)
    once, copied = mean(x), mean(np.tile(x, 4), clusters=list(range(80)) * 4)
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high), rel=1e-9)
    assert copied.method == "bootstrap-t, 80 clusters"


def test_a_constant_has_no_spread_and_two_problems_fall_back_to_student():
    constant = mean([3.0, 3.0, 3.0])
    assert (constant.low, constant.high, constant.method) == (3, 3, "no spread")
    two = mean([1.0, 2.0])
    interval = reference.ttest_1samp([1.0, 2.0], 0).confidence_interval()
    assert (two.low, two.high) == pytest.approx((interval.low, interval.high), rel=1e-10)
    assert two.method == "Student's t"
    one_differs = mean([0.0] * 29 + [5.0])
    assert one_differs.method == "Student's t"
    assert math.isfinite(one_differs.high)


@pytest.mark.parametrize("n", [2, 4, 7])
def test_under_eight_units_a_difference_has_students_interval(n):
    a, b = Rng(14).generator().normal(size=(2, n))
    estimate = compare(a, b)
    interval = reference.ttest_rel(b, a).confidence_interval()
    assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high), rel=1e-10)
    assert estimate.method == "paired Student's t"
    clustered = compare(np.repeat(a, 3), np.repeat(b, 3), clusters=np.repeat(np.arange(n), 3))
    assert (clustered.low, clustered.high) == pytest.approx((interval.low, interval.high), rel=1e-10)
    assert clustered.method == f"paired Student's t, {n} clusters"


def test_from_eight_units_on_there_are_resamples():
    x = Rng(15).generator().normal(size=8)
    assert compare(np.zeros(8), x).method == "paired bootstrap-t"
    assert mean(x).method == "bootstrap-t"
    assert mean(x[:7]).method == "Student's t"


def test_four_normal_units_are_covered_at_95_percent():
    draws = Rng(16).generator().normal(size=(4000, 4))
    held = [found.low <= 0 <= found.high for found in (compare(np.zeros(4), row) for row in draws)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.014)  # four standard errors


def test_few_units_that_are_alike_have_no_spread_and_one_cluster_is_refused():
    alike = compare([0.0, 1.0, 2.0, 3.0], [0.5, 1.5, 2.5, 3.5])
    assert (alike.low, alike.high, alike.method) == (0.5, 0.5, "paired no spread")
    with pytest.raises(StatisticsError, match="all 4 problems are in the cluster 'a'"):
        compare([0.0, 1.0, 2.0, 3.0], [0.5, 1.0, 2.5, 3.0], clusters=["a"] * 4)


def test_a_quantity_prints_as_it_is():
    assert str(mean([3.0, 3.0, 3.0])) == "3 [3, 3] (n=3, no spread)"


def test_the_seed_decides_the_draws():
    x = Rng(9).generator().lognormal(size=50)
    assert mean(x) == mean(x)
    assert mean(x).low != mean(x, rng=Rng(1)).low


@pytest.mark.slow
@pytest.mark.parametrize("name", ["normal", "exponential"])
@pytest.mark.parametrize("n", [30, 200])
def test_the_mean_covers_95_percent(name, n):
    generator = Rng(10).child(name, n).generator()
    truth = 1.0 if name == "exponential" else 0.0
    held = 0
    for run in range(1000):
        # Other draws in each run: the same ones would shift all intervals alike.
        estimate = mean(getattr(generator, f"standard_{name}")(n), rng=Rng(run), resamples=500)
        held += estimate.low <= truth <= estimate.high
    assert 0.93 <= held / 1000 <= 0.97


def test_200_000_problems_take_seconds_and_bounded_memory():
    generator = Rng(11).generator()
    a, b = generator.lognormal(size=(2, 200_000))
    started = time.process_time()
    tracemalloc.start()
    compare(a, b)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - started < 2  # of processor time; it takes 0.2
    assert peak < 100e6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean([1.0]), "there are 1 problems; expected at least 2"),
        (lambda: mean([1.0, math.inf]), "problem 1 has an infinite sample"),
        (lambda: mean([[1.0], [math.nan]]), "problem 1 has no sample"),
        (lambda: mean([1.0, 2.0], resamples=5), "the number of resamples is 5"),
        (lambda: mean([1.0, 2.0], confidence=0), "the confidence is 0"),
    ],
)
def test_quantities_without_a_mean_are_refused_by_name(call, message):
    with pytest.raises(StatisticsError) as caught:
        call()
    assert message in str(caught.value)
