"""Power: the published table, inverses, and the power computed from the law of the counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from calculemus import Rng
from calculemus.errors import StatisticsError
from calculemus.stats import (
    mcnemar,
    problems_needed,
    problems_needed_unpaired,
    visible_gain,
    visible_gain_unpaired,
)

# (gain, discordance): problems, as published for 80 % power at a two-sided level of 5 %.
TABLE = {
    (0.02, 0.05): 979,
    (0.02, 0.10): 1960,
    (0.02, 0.20): 3923,
    (0.02, 0.30): 5885,
    (0.05, 0.10): 312,
    (0.05, 0.20): 626,
    (0.05, 0.30): 940,
    (0.10, 0.20): 155,
    (0.10, 0.30): 234,
    (0.01, 0.05): 3923,
    (0.01, 0.10): 7847,
}


@pytest.mark.parametrize(("gain", "discordance"), TABLE)
def test_problems_needed_are_the_published_ones(gain, discordance):
    assert problems_needed(gain, discordance) == TABLE[gain, discordance]


@pytest.mark.parametrize(("gain", "problems"), [(0.02, 8080), (0.05, 1251), (0.10, 294)])
def test_unpaired_problems_needed_at_a_base_of_70_percent_are_the_published_ones(gain, problems):
    assert problems_needed_unpaired(gain, 0.7) == problems


def test_gsm8k_shows_a_gain_of_2_4_points():
    assert visible_gain(1319, 0.1) == pytest.approx(0.024, abs=0.0005)


def decisions(n: int, gain: float, discordance: float) -> tuple[float, float]:
    """Add up, over all likely counts, the power of the score test and that of the exact test."""
    by_score = by_exact = 0.0
    for differing in range(n + 1):
        chance = reference.binom.pmf(differing, n, discordance)
        if chance < 1e-7:
            continue
        only_b = np.arange(differing + 1)
        weights = chance * reference.binom.pmf(only_b, differing, (1 + gain / discordance) / 2)
        # The interval excludes 0 just where McNemar's score without correction passes the quantile.
        by_score += weights[(2 * only_b - differing) ** 2 > reference.norm.ppf(0.975) ** 2 * differing].sum()
        largest = max((k for k in range(differing // 2 + 1) if mcnemar(k, differing - k) <= 0.05), default=-1)
        by_exact += weights[np.minimum(only_b, differing - only_b) <= largest].sum()
    return by_score, by_exact


@pytest.mark.slow
@pytest.mark.parametrize(("gain", "discordance"), TABLE)
def test_the_power_at_the_problems_needed_is_80_percent(gain, discordance):
    by_score, by_exact = decisions(TABLE[gain, discordance], gain, discordance)
    assert by_score == pytest.approx(0.8, abs=0.03)
    assert 0.76 <= by_exact <= 0.8  # the exact test is cautious where few problems differ


@pytest.mark.parametrize(("gain", "problems"), [(0.05, 1251), (0.10, 294)])
def test_the_unpaired_power_at_the_problems_needed_is_80_percent(gain, problems):
    generator = Rng(1).child(repr(gain)).generator()
    weak, strong = generator.binomial(problems, [[0.7], [0.7 + gain]], (2, 20_000)) / problems
    pooled = (weak + strong) / 2
    score = (strong - weak) / np.sqrt(pooled * (1 - pooled) * 2 / problems)
    assert np.mean(np.abs(score) > reference.norm.ppf(0.975)) == pytest.approx(0.8, abs=0.03)


shares = st.floats(0.01, 0.99)


@given(st.floats(0.001, 1), st.floats(0.01, 1), st.floats(0.55, 0.99), st.floats(0.001, 0.3))
def test_problems_needed_and_visible_gain_are_inverse(gain, discordance, power, alpha):
    if gain > discordance:
        gain, discordance = discordance, gain
    n = problems_needed(gain, discordance, power, alpha)
    visible = visible_gain(n, discordance, power, alpha)
    # n is rounded up, so the visible gain is the same or a little less, and one problem less shows less.
    assert visible <= gain * (1 + 1e-9)
    if n > 20:
        assert visible_gain(n - 1, discordance, power, alpha) >= gain * (1 - 1e-9)


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_more_problems_and_less_discordance_show_smaller_gains(n, discordance):
    gain = visible_gain(n, discordance)
    assert 0 < gain <= 1
    assert visible_gain(n + 1, discordance) <= gain
    assert visible_gain(n, discordance / 2) <= gain


def test_a_gain_is_visible_without_known_discordance_only_from_its_own():
    gain = visible_gain(1000, 0.0)
    assert problems_needed(gain, discordance=gain) in (1000, 1001)
    assert visible_gain(3, 0.5) == 1.0


@given(st.floats(0.005, 0.5), st.floats(0.05, 0.45))
def test_the_unpaired_inverse_holds(gain, base):
    n = problems_needed_unpaired(gain, base)
    assert visible_gain_unpaired(n, base) <= gain * (1 + 1e-9)
    if n > 20:
        assert visible_gain_unpaired(n - 1, base) >= gain * (1 - 1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: problems_needed(0, 0.1), "the gain is 0; expected more than 0"),
        (lambda: problems_needed(0.2, 0.1), "the discordance is 0.1 and the gain 0.2"),
        (lambda: problems_needed(0.2, 1.5), "the discordance is 1.5"),
        (lambda: problems_needed(0.02, 0.1, power=80), "the power is 80"),
        (lambda: problems_needed(0.02, 0.1, alpha=0), "alpha is 0"),
        (lambda: visible_gain(0, 0.1), "the number of problems is 0"),
        (lambda: visible_gain(10, -0.1), "the discordance is -0.1"),
        (lambda: problems_needed_unpaired(0.5, 0.7), "base 0.7 and gain 0.5 exceed"),
        (lambda: problems_needed_unpaired(0.1, 0), "the base accuracy is 0"),
        (lambda: visible_gain_unpaired(10, 1), "the base accuracy is 1"),
    ],
)
def test_figures_without_power_are_refused_by_name(call, message):
    with pytest.raises(StatisticsError) as caught:
        call()
    assert message in str(caught.value)
