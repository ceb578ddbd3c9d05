"""Neither the largest nor the smallest."""

from typing import Any

import numpy as np
import pytest

from calculemus.merging.breadcrumbs import Breadcrumbs
from calculemus.merging.task_arithmetic import TaskArithmetic
from calculemus.merging.ties import Ties


def crumbs(delta: Any, density: float, gamma: float) -> Any:
    """mergekit's mask: of the sorted magnitudes so many, below so many outliers."""
    n_kept, n_outliers = int(density * delta.size), int(gamma * delta.size)
    n_small = max(0, delta.size - n_kept - n_outliers)
    order = np.argsort(np.abs(delta), axis=None, kind="stable")
    mask = np.zeros(delta.size)
    mask[order[n_small : n_small + n_kept]] = 1
    return delta * mask.reshape(delta.shape)


@pytest.mark.parametrize(
    ("density", "gamma"), [(0.9, 0.01), (0.1, 0.01), (0.5, 0.3), (0.9, 0.5), (0.3, 0.0), (1 / 3, 1 / 7)]
)
def test_it_is_mergekits_formula(density: float, gamma: float, apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(4)
    weights = [0.5, 2.0, -0.3]
    deltas = [crumbs(x.astype(np.float64) - base, density, gamma) for x in inputs]
    expected = base + 0.8 * sum(w * d for w, d in zip(weights, deltas, strict=True))
    merged = apply(Breadcrumbs(density=density, gamma=gamma, scale=0.8), inputs, base, weights=weights)
    np.testing.assert_allclose(merged, expected, atol=1e-6)


def test_with_all_it_is_task_arithmetic_bit_for_bit(apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(3)
    merged = apply(Breadcrumbs(density=1.0, gamma=0.0, scale=0.7), inputs, base)
    assert merged.tobytes() == apply(TaskArithmetic(scale=0.7), inputs, base).tobytes()


def test_without_outliers_it_trims_as_ties_does(apply: Any, arrays: Any) -> None:
    base, tuned = arrays(2)
    merged = apply(Breadcrumbs(density=0.2, gamma=0.0, scale=1.0), [tuned], base)
    assert merged.tobytes() == apply(Ties(density=0.2), [tuned], base).tobytes()


def test_the_outliers_go_first(apply: Any) -> None:
    tuned = np.arange(1, 101, dtype=np.float32)
    merged = apply(Breadcrumbs(density=0.5, gamma=0.1, scale=1.0), [tuned], np.zeros_like(tuned))
    assert merged.tolist() == [x if 40 < x <= 90 else 0 for x in range(1, 101)]


def test_equal_magnitudes_all_stay(apply: Any) -> None:
    tuned = np.tile(np.array([0.5, -0.5], np.float32), 50)
    merged = apply(Breadcrumbs(scale=1.0), [tuned], np.zeros_like(tuned))
    assert merged.tolist() == tuned.tolist()


def test_a_single_number_is_kept(apply: Any) -> None:
    tuned = np.array(3, np.float32)
    assert apply(Breadcrumbs(scale=1.0), [tuned], np.zeros_like(tuned)).tolist() == 3
