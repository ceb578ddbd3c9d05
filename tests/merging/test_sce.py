"""Select, calculate, erase."""

from typing import Any

import numpy as np
import pytest

from calculemus.merging.sce import Sce


def reference(base: Any, inputs: Any, density: float) -> Any:
    """mergekit's formula, in float64, for tensors that vary everywhere."""
    deltas = np.stack([x.astype(np.float64) - base for x in inputs])
    variance = deltas.var(axis=0)
    if density < 1:
        order = np.argsort(-variance, axis=None)
        mask = np.zeros(variance.size)
        mask[order[: int(density * np.count_nonzero(variance))]] = 1
        deltas = deltas * mask.reshape(variance.shape)
    energies = np.mean(deltas.reshape(len(inputs), -1) ** 2, axis=1)
    weights = (energies / energies.sum()).reshape(-1, *[1] * variance.ndim)
    agrees = np.sign(deltas) == np.where(deltas.sum(axis=0) >= 0, 1, -1)
    total = (weights * agrees).sum(axis=0)
    return base + (deltas * weights * agrees).sum(axis=0) / np.where(total == 0, 1, total)


@pytest.mark.parametrize("density", [0.05, 0.5, 1.0])
def test_it_is_mergekits_formula(density: float, apply: Any, arrays: Any) -> None:
    base, *own = arrays(4)
    inputs = [base + size * x for size, x in zip((0.5, 1.0, 2.0), own, strict=True)]
    inputs = [x.astype(np.float32) for x in inputs]
    merged = apply(Sce(density=density), inputs, base)
    np.testing.assert_allclose(merged, reference(base, inputs, density), atol=1e-6)


def test_it_changes_only_what_was_selected(apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(4, (20, 50))
    merged = apply(Sce(density=0.1), inputs, base)
    variance = np.var([x - base for x in inputs], axis=0)
    largest = np.argsort(-variance, axis=None)[:100]
    assert set(np.flatnonzero(merged != base)) <= set(largest)


def test_one_model_is_selected_whole(apply: Any, arrays: Any) -> None:
    base, tuned = arrays(2)
    np.testing.assert_allclose(apply(Sce(), [tuned], base), tuned, atol=1e-6)


def test_copies_of_one_model_give_it(apply: Any, arrays: Any) -> None:
    base, tuned = arrays(2)
    np.testing.assert_allclose(apply(Sce(), [tuned] * 3, base), tuned, atol=1e-6)


def test_a_model_with_more_energy_counts_more(apply: Any) -> None:
    base = np.zeros(2, np.float32)
    strong, weak = np.array([3, 3], np.float32), np.array([1, 1], np.float32)
    np.testing.assert_allclose(apply(Sce(density=1.0), [strong, weak], base), [2.8, 2.8], rtol=1e-6)
