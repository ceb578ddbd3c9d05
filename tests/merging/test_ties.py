"""Trim, elect, merge."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.merging.consensus import disjoint_merge
from calculemus.merging.task_arithmetic import TaskArithmetic
from calculemus.merging.ties import Ties, trim


def sparsified(delta: Any, density: float) -> Any:
    """The largest magnitudes of an array, by sorting: max(1, floor(density * n)) of them."""
    kept = np.argsort(-np.abs(delta), axis=None, kind="stable")[: max(1, int(density * delta.size))]
    mask = np.zeros(delta.size)
    mask[kept] = 1
    return delta * mask.reshape(delta.shape)


def consensus(deltas: Any, weights: Any, normalize: bool) -> Any:
    """mergekit's election and mean: of weighted deltas, by the signed weights of those that agree."""
    weights = np.reshape(weights, (-1, *[1] * (deltas.ndim - 1)))
    weighted = deltas * weights
    agrees = np.sign(weighted) == np.where(weighted.sum(axis=0) >= 0, 1, -1)
    divisor = (weights * agrees).sum(axis=0)
    mixed = (weighted * agrees).sum(axis=0)
    return mixed / np.where(divisor == 0, 1, divisor) if normalize else mixed


def reference(base: Any, inputs: Any, weights: Any, density: float, scale: float) -> Any:
    """mergekit's order: trim each, weigh, elect, mean of those that agree, scale."""
    deltas = np.stack([sparsified(x.astype(np.float64) - base, density) for x in inputs])
    return base + scale * consensus(deltas, weights, normalize=True)


@pytest.mark.parametrize("density", [0.01, 0.2, 0.5, 1.0])
def test_it_is_mergekits_formula_at_positive_weights(density: float, apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(4)
    weights = [0.5, 2.0, 1.5]
    merged = apply(Ties(density=density, scale=0.8), inputs, base, weights=weights)
    np.testing.assert_allclose(merged, reference(base, inputs, weights, density, 0.8), atol=1e-6)


def test_all_of_one_model_is_task_arithmetic_bit_for_bit(apply: Any, arrays: Any) -> None:
    base, tuned = arrays(2)
    merged = apply(Ties(density=1.0, scale=0.7), [tuned], base)
    assert merged.tobytes() == apply(TaskArithmetic(scale=0.7), [tuned], base).tobytes()


def test_trimming_keeps_as_many_as_the_density_says(apply: Any, arrays: Any) -> None:
    base, tuned = arrays(2, (40, 50))
    merged = apply(Ties(density=0.2), [tuned], base)
    assert np.count_nonzero(merged != base) == 400


def test_trimming_keeps_ties_at_the_threshold() -> None:
    vector = np.array([3, -2, 2, 1, -2, 0], np.float32)
    assert trim(vector, np.float32(2)).tolist() == [3, -2, 2, 0, -2, 0]


def test_at_least_one_number_is_kept(apply: Any) -> None:
    base, tuned = np.zeros(5, np.float32), np.array([1, -5, 2, 3, 4], np.float32)
    assert apply(Ties(density=0.01), [tuned], base).tolist() == [0, -5, 0, 0, 0]


def test_the_whole_model_shares_one_threshold(family: Any, merge_files: Any) -> None:
    merged = merge_files(Ties(density=0.1, scope="model"), family.tuned[:1], family.base)
    names = [name for name, entry in merged.entries.items() if entry.dtype.is_float]
    vectors = {name: family.tuned[0].read(name) - family.base.read(name) for name in names}
    together = np.sort(np.abs(np.concatenate([v.ravel() for v in vectors.values()])))
    limit = together[-int(0.1 * together.size)]
    for name, vector in vectors.items():
        changed = merged.read(name) != family.base.read(name)
        assert (changed == (np.abs(vector) >= limit)).all()


@given(st.lists(st.lists(st.integers(-3, 3), min_size=4, max_size=4), min_size=1, max_size=5))
def test_the_disjoint_mean_is_the_mean_of_those_with_the_elected_sign(rows: list[list[int]]) -> None:
    vectors = [np.array(row, np.float32) for row in rows]
    merged = disjoint_merge(vectors, [1.0] * len(rows), np.sum(vectors, axis=0))
    for place, column in enumerate(zip(*rows, strict=True)):
        agreeing = [x for x in column if x * sum(column) > 0]
        assert merged[place] == np.float32(sum(agreeing)) / np.float32(max(1, len(agreeing)))


def test_task_vectors_that_cancel_out_leave_the_base(apply: Any) -> None:
    base = np.ones(3, np.float32)
    step = np.array([1, 2, 3], np.float32)
    assert apply(Ties(density=1.0), [base + step, base - step], base).tolist() == [1, 1, 1]


def test_a_negative_weight_turns_its_task_vector_round(apply: Any) -> None:
    base, tuned = np.zeros(3, np.float32), np.array([1, -2, 3], np.float32)
    assert apply(Ties(density=1.0), [tuned], base, weights=[-0.5]).tolist() == [-1, 2, -3]


def test_copies_of_one_model_weigh_as_much_as_one(apply: Any, arrays: Any) -> None:
    base, tuned = arrays(2)
    one, four = (apply(Ties(), [tuned] * n, base) for n in (1, 4))
    assert one.tobytes() == four.tobytes()
