"""Targets of temporal differences: their sum, their recursion, and their ends."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import InvalidParameterError
from calculemus.solving.attempting import Attempt
from calculemus.solving.td_targets import at_ends, td_targets
from calculemus.solving.verifiers import td_row

VALUES = st.lists(st.floats(-1, 1), min_size=1, max_size=8)
SHARES = st.floats(0, 1)
OUTCOMES = st.sampled_from([-1.0, 1.0])


@given(VALUES, OUTCOMES, SHARES, SHARES)
def test_a_target_is_the_value_and_the_discounted_sum_of_its_errors(
    values: list[float], outcome: float, gamma: float, lam: float
) -> None:
    n = len(values)
    rewards = [0.0] * (n - 1) + [outcome]
    following = [*values[1:], 0.0]
    deltas = [rewards[t] + gamma * following[t] - values[t] for t in range(n)]
    expected = [values[t] + sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, n)) for t in range(n)]
    assert td_targets(values, outcome, gamma=gamma, lam=lam) == pytest.approx(expected, abs=1e-12)


@given(VALUES, OUTCOMES, SHARES, SHARES)
def test_targets_keep_their_recursion(values: list[float], outcome: float, gamma: float, lam: float) -> None:
    targets = td_targets(values, outcome, gamma=gamma, lam=lam)
    for t in range(len(values) - 1):
        mixed = (1 - lam) * values[t + 1] + lam * targets[t + 1]
        assert targets[t] == pytest.approx(gamma * mixed, abs=1e-12)
    assert targets[-1] == outcome


@given(VALUES, OUTCOMES)
def test_lambda_of_one_gives_the_outcome_and_of_zero_the_next_value(
    values: list[float], outcome: float
) -> None:
    assert td_targets(values, outcome, lam=1.0) == (outcome,) * len(values)
    assert td_targets(values, outcome, lam=0.0) == (*values[1:], outcome)


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=8), OUTCOMES, SHARES)
def test_values_outside_the_range_are_clipped(values: list[float], outcome: float, lam: float) -> None:
    clipped = [min(1.0, max(-1.0, value)) for value in values]
    targets = td_targets(values, outcome, lam=lam)
    assert targets == td_targets(clipped, outcome, lam=lam)
    assert all(-1 <= target <= 1 for target in targets)


def test_no_steps_have_no_targets() -> None:
    assert td_targets([], 1.0) == ()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lam": 1.5}, "parameter 'lam' is 1.5; expected 0 to 1"),
        ({"gamma": -0.1}, "parameter 'gamma' is -0.1"),
        ({"low": 0.0}, "parameter 'outcome' is -1.0; expected 0.0 to 1.0"),
    ],
)
def test_settings_outside_their_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        td_targets([0.0], -1.0, **settings)


def test_targets_stand_at_the_last_token_of_each_step_alone() -> None:
    labels = at_ends(5, [1, 4], [0.25, -1.0])
    assert [label for label in labels if not math.isnan(label)] == [0.25, -1.0]
    assert labels[1] == 0.25
    assert labels[4] == -1.0


def test_a_row_goes_from_its_outcome_to_its_targets() -> None:
    solution = Attempt((7, 7, 1, 2, 3, 4), 2, "text", False)
    row = td_row(solution, [0.9, 0.5, 0.1, 0.0], [0, 2], lam=0.5)
    assert row.later is not None
    assert (row.labels[0], row.labels[2]) == (-1.0, -1.0)
    assert (row.later[0], row.later[2]) == td_targets([0.9, 0.1], -1.0, lam=0.5)
    assert math.isnan(row.labels[1])
    assert math.isnan(row.later[3])
