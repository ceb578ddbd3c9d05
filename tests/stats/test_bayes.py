"""Posteriors: against scipy, and coverage computed from the binomial law."""

import numpy as np
import pytest
from scipy import stats as reference

from calculemus.errors import StatisticsError
from calculemus.stats import beta_posterior, probability_better


@pytest.mark.parametrize(("correct", "n"), [(0, 5), (5, 5), (9, 10), (60, 99), (0, 1)])
def test_the_posterior_agrees_with_scipy(correct, n):
    posterior = reference.beta(correct + 0.5, n - correct + 0.5)
    estimate = beta_posterior(correct, n)
    assert estimate.value == pytest.approx(posterior.mean(), abs=1e-10)
    assert (estimate.low, estimate.high) == pytest.approx(posterior.interval(0.95), abs=1e-10)


def test_the_posterior_interval_covers_its_share_of_shares_drawn_from_the_prior():
    # An exact law of Bayes: over shares from the prior, 95 % intervals hold 95 % of them. Gauss-Jacobi
    # nodes of Jeffreys' prior are the Chebyshev points.
    shares = (1 + np.cos(np.pi * (np.arange(20_000) + 0.5) / 20_000)) / 2
    held = np.zeros_like(shares)
    for correct in range(31):
        estimate = beta_posterior(correct, 30)
        inside = (estimate.low <= shares) & (shares <= estimate.high)
        held += reference.binom.pmf(correct, 30, shares) * inside
    assert held.mean() == pytest.approx(0.95, abs=1e-3)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (5, 15), (3, 0), (40, 41)])
def test_the_probability_of_being_better_agrees_with_scipy(only_a, only_b):
    share = reference.beta(only_b + 0.5, only_a + 0.5)
    assert probability_better(only_a, only_b) == pytest.approx(share.sf(0.5), abs=1e-10)
    assert probability_better(only_a, only_b) + probability_better(only_b, only_a) == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: beta_posterior(6, 5), "6 of 5 problems are correct"),
        (lambda: beta_posterior(0, 0), "the number of problems is 0"),
        (lambda: beta_posterior(1, 5, confidence=2), "the confidence is 2"),
        (lambda: probability_better(-1, 0), "the number that only a solved is -1"),
    ],
)
def test_counts_without_a_posterior_are_refused_by_name(call, message):
    with pytest.raises(StatisticsError) as caught:
        call()
    assert message in str(caught.value)
