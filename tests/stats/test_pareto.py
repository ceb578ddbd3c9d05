"""The front of accuracy against cost."""

import math

import numpy as np
import pytest

from calculemus import Rng
from calculemus.errors import StatisticsError
from calculemus.stats import accuracy, compare, mean, pareto


def outcomes(*shares: float, n: int = 400) -> list[np.ndarray]:
    """Draw the outcomes of systems of the given accuracies."""
    generator = Rng(1).generator()
    return [(generator.random(n) < share).astype(float) for share in shares]


def test_a_method_is_dominated_only_by_a_separably_better_one_that_costs_no_more():
    good, poor, near = outcomes(0.8, 0.6, 0.82)
    assert near.mean() > good.mean()
    assert not compare(good, near).excludes_zero
    assert compare(poor, good).low > 0
    points = {p.name: p for p in pareto(["good", "poor", "near"], [10.0, 10.0, 5.0], [good, poor, near])}
    assert points["good"].on_front  # "near" costs less and seems better, but no interval shows it
    assert points["near"].on_front
    assert not points["poor"].on_front
    assert points["good"].tied_with == ("near",)
    assert points["near"].tied_with == ("good",)
    assert points["poor"].tied_with == ()


def test_a_separably_better_method_of_equal_cost_dominates():
    points = pareto(["good", "poor"], [10.0, 10.0], outcomes(0.8, 0.6))
    assert [p.on_front for p in points] == [True, False]
    assert [p.front_share for p in points] == [1.0, 0.0]


def test_a_cheap_method_stays_however_poor():
    points = pareto(["dear", "cheap"], [10.0, 9.99], outcomes(0.8, 0.3))
    assert [p.on_front for p in points] == [True, True]
    assert [p.tied_with for p in points] == [(), ()]
    assert [p.front_share for p in points] == [1.0, 1.0]


def test_figures_are_those_of_accuracy_and_mean():
    good, poor = outcomes(0.8, 0.6)
    tokens = Rng(2).generator().lognormal(5, 0.5, 400)
    first, second = pareto(["good", "poor"], [tokens, 12], [good, poor])
    assert first.accuracy == accuracy(good)
    assert first.cost == mean(tokens)
    assert second.cost == 12.0


def test_the_front_share_is_that_of_a_brute_force_bootstrap():
    a, b = outcomes(0.5, 0.52, n=200)
    generator = Rng(3).generator()
    cost_a, cost_b = generator.lognormal(size=(2, 200))
    points = pareto(["a", "b"], [cost_a, cost_b], [a, b])
    stays = np.zeros(2)
    for _ in range(4000):
        rows = generator.integers(200, size=200)
        x, y = a[rows].mean(), b[rows].mean()
        c, d = cost_a[rows].mean(), cost_b[rows].mean()
        stays += [not (y >= x and d <= c), not (x >= y and c <= d)]
    assert [p.front_share for p in points] == pytest.approx(stays / 4000, abs=0.03)


def test_equal_methods_of_equal_cost_are_both_on_the_front():
    a, _ = outcomes(0.7, 0.7)
    tokens = Rng(4).generator().lognormal(size=400)
    points = pareto(["a", "copy"], [tokens, tokens.copy()], [a, a.copy()])
    assert [p.on_front for p in points] == [True, True]
    assert [p.front_share for p in points] == [1.0, 1.0]
    assert points[0].tied_with == ("copy",)


def test_the_order_of_problems_and_methods_is_irrelevant():
    x = outcomes(0.5, 0.55, 0.6)
    costs = list(Rng(5).generator().lognormal(size=(3, 400)))
    order = Rng(6).generator().permutation(400)
    straight = pareto("abc", costs, x, resamples=1000)
    shuffled = pareto("abc", [c[order] for c in costs], [v[order] for v in x], resamples=1000)
    for point, other in zip(straight, shuffled, strict=True):
        assert other.front_share == pytest.approx(point.front_share, abs=1e-9)
        assert (other.on_front, other.tied_with) == (point.on_front, point.tied_with)
    turned = pareto("cba", costs[::-1], x[::-1], resamples=1000)
    assert [p.on_front for p in turned] == [p.on_front for p in reversed(straight)]


def test_several_samples_and_clusters_are_taken():
    generator = Rng(7).generator()
    x = [(generator.random((60, 4)) < share).astype(float) for share in (0.9, 0.3)]
    costs = [generator.lognormal(size=(60, 4)) for _ in range(2)]
    points = pareto(["a", "b"], [costs[0], 100.0], x, clusters=np.arange(60) // 3)
    assert [p.on_front for p in points] == [True, False]
    assert "clusters" in points[0].cost.method


def test_one_method_is_the_front():
    (point,) = pareto(["only"], [1.0], outcomes(0.5))
    assert (point.on_front, point.tied_with, point.front_share) == (True, (), 1.0)


X = outcomes(0.5, 0.6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pareto([], [], []), "0 names, 0 costs and outcomes of 0 methods"),
        (lambda: pareto(["a", "b"], [1.0], X), "2 names, 1 costs and outcomes of 2 methods"),
        (lambda: pareto(["a", "a"], [1.0, 2.0], X), "the names a, a repeat"),
        (lambda: pareto(["a", "b"], [1.0, math.nan], X), "the cost of b is nan"),
        (lambda: pareto(["a", "b"], [1.0, 2.0], [X[0], X[1][:5]]), "a and b: system a has 400 problems"),
        (lambda: pareto(["a", "b"], [1.0, X[1][:5]], X), "the costs of b are of 5 problems"),
        (lambda: pareto(["a", "b"], [1.0, 2.0], [X[0], 2 * X[1]]), "a score is 2"),
    ],
)
def test_methods_without_a_front_are_refused_by_name(call, message):
    with pytest.raises(StatisticsError) as caught:
        call()
    assert message in str(caught.value)
