"""Dropping at random, rescaled."""

import math
from typing import Any

import numpy as np

from calculemus.merging.dare_linear import DareLinear
from calculemus.merging.task_arithmetic import TaskArithmetic

SEEDS = 200


def test_without_dropping_it_is_task_arithmetic_bit_for_bit(apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(4)
    weights = [0.5, 2.0, -0.3]
    merged = apply(DareLinear(density=1.0, scale=0.7), inputs, base, weights=weights)
    assert merged.tobytes() == apply(TaskArithmetic(scale=0.7), inputs, base, weights=weights).tobytes()


def test_what_is_kept_is_divided_by_the_density(apply: Any, arrays: Any) -> None:
    (tuned,) = arrays(1)
    merged = apply(DareLinear(density=0.25, scale=1.0), [tuned], np.zeros_like(tuned))
    kept = merged != 0
    assert (merged[kept] == 4 * tuned[kept]).all()
    # The number of kept ones is binomial: four standard deviations are enough for a fixed seed.
    deviation = math.sqrt(tuned.size * 0.25 * 0.75)
    assert abs(np.count_nonzero(kept) - 0.25 * tuned.size) < 4 * deviation


def test_the_mean_over_seeds_is_the_task_vector_number_by_number(apply: Any, arrays: Any) -> None:
    base, tuned = arrays(2, (50, 80))
    density = 0.3
    method = DareLinear(density=density, scale=1.0)
    drawn = np.stack([apply(method, [tuned], base, seed=seed) for seed in range(SEEDS)], dtype=np.float64)
    standard = np.abs(tuned - base) * math.sqrt((1 / density - 1) / SEEDS)
    errors = (drawn.mean(axis=0) - tuned) / standard
    # Of 4,000 normal numbers 11 are beyond 3, and none is beyond 5.
    assert np.count_nonzero(np.abs(errors) > 3) < 22
    assert np.abs(errors).max() < 5
    # And the draws vary as much as they must: the variance over seeds is that of independent drops.
    assert 0.98 < np.mean(drawn.var(axis=0) / (SEEDS * standard**2)) < 1.02


def test_models_are_dropped_independently(apply: Any) -> None:
    ones = np.ones(20_000, np.float32)
    both = apply(DareLinear(density=0.5, scale=1.0), [ones, ones], np.zeros_like(ones))
    counts = np.array([np.count_nonzero(both == 2 * kept) for kept in range(3)])
    expected = np.array([0.25, 0.5, 0.25]) * ones.size
    assert ((counts - expected) ** 2 / expected).sum() < 13.8  # chi-square, 2 degrees of freedom, 0.1 %


def test_draws_do_not_hang_on_how_a_tensor_is_cut(apply: Any, arrays: Any) -> None:
    base, tuned = arrays(2, (1000,))
    whole = apply(DareLinear(), [tuned], base)
    assert apply(DareLinear(), [tuned], base, cuts=[1, 3, 256, 999]).tobytes() == whole.tobytes()


def test_mergekits_rescaling_agrees_on_average_only(apply: Any, arrays: Any) -> None:
    (tuned,) = arrays(1)
    merged = apply(DareLinear(density=0.25, scale=1.0), [tuned], np.zeros_like(tuned))
    kept = np.where(merged != 0, tuned, 0).astype(np.float64)
    by_l1 = kept * (np.abs(tuned).sum(dtype=np.float64) / np.abs(kept).sum())
    ratio = np.abs(merged - by_l1).max() / np.abs(by_l1).max()
    assert 1e-4 < ratio < 0.2
