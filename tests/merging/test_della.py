"""Dropping by magnitude."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from calculemus.merging.dare_ties import DareTies
from calculemus.merging.della import Della, keep_chances
from calculemus.merging.ties import Ties

SEEDS = 200


def test_chances_rise_with_the_rank_in_the_row(arrays: Any) -> None:
    (rows,) = arrays(1)
    chances = keep_chances(rows, 0.7, 0.1)
    ranks = rankdata(np.abs(rows), axis=1) - 1
    np.testing.assert_allclose(chances, 0.6 + 0.2 * ranks / (rows.shape[1] - 1), atol=1e-6)


@pytest.mark.parametrize(("density", "epsilon"), [(0.7, 0.5), (0.1, 0.3), (1.0, 0.2), (0.5, 0.5)])
def test_a_window_that_would_leave_0_to_1_is_narrower(density: float, epsilon: float, arrays: Any) -> None:
    chances = keep_chances(arrays(1)[0], density, epsilon)
    assert chances.min() >= 0
    assert chances.max() <= 1
    assert chances.mean() == pytest.approx(density, abs=1e-5)


def test_a_row_of_one_has_the_mean_chance() -> None:
    assert keep_chances(np.ones((3, 1), np.float32), 0.7, 0.1).ravel().tolist() == [np.float32(0.7)] * 3


def test_equal_magnitudes_are_ranked_by_their_place() -> None:
    chances = keep_chances(np.array([[1, -1, 1, 0]], np.float32), 0.5, 0.3)
    assert np.argsort(chances[0]).tolist() == [3, 0, 1, 2]


def test_without_a_window_it_is_dare_ties_bit_for_bit(apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(4)
    merged = apply(Della(density=0.25, epsilon=0.0, scale=0.7), inputs, base)
    assert merged.tobytes() == apply(DareTies(density=0.25, scale=0.7), inputs, base).tobytes()


def test_without_dropping_it_is_ties_without_trimming_bit_for_bit(apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(4)
    merged = apply(Della(density=1.0, scale=0.7), inputs, base)
    assert merged.tobytes() == apply(Ties(density=1.0, scale=0.7), inputs, base).tobytes()


def test_the_mean_over_seeds_is_the_task_vector_number_by_number(apply: Any, arrays: Any) -> None:
    base, tuned = arrays(2, (50, 80))
    method = Della(density=0.5, epsilon=0.3, scale=1.0)
    drawn = [apply(method, [tuned], base, seed=seed) for seed in range(SEEDS)]
    chances = keep_chances(tuned - base, 0.5, 0.3)
    standard = np.abs(tuned - base) * np.sqrt((1 / chances - 1) / SEEDS)
    errors = (np.mean(drawn, axis=0, dtype=np.float64) - tuned) / standard
    # Of 4,000 normal numbers 11 are beyond 3, and none is beyond 5.
    assert np.count_nonzero(np.abs(errors) > 3) < 22
    assert np.abs(errors).max() < 5


def test_large_numbers_are_kept_more_often(apply: Any, arrays: Any) -> None:
    (tuned,) = arrays(1, (50, 400))
    merged = apply(Della(density=0.5, epsilon=0.4, scale=1.0), [tuned], np.zeros_like(tuned))
    order = np.argsort(np.abs(tuned), axis=1)
    kept = np.take_along_axis(merged != 0, order, axis=1)
    halves = kept[:, :200].mean(), kept[:, 200:].mean()
    # The chances run from 0.1 to 0.9, so that the halves' means are 0.3 and 0.7.
    deviation = math.sqrt(0.25 / kept[:, :200].size)
    assert np.allclose(halves, (0.3, 0.7), atol=4 * deviation)


def test_rows_stay_whole_in_small_runs(family: Any, merge_files: Any) -> None:
    small, large = (
        merge_files(Della(), family.tuned, family.base, run=run, threads=2) for run in (256, 1 << 16)
    )
    assert all(small.read_bytes(name) == large.read_bytes(name) for name in small)
