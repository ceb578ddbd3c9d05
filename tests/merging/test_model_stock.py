"""Towards the mean, as far as the angle says."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from calculemus.errors import InvalidParameterError
from calculemus.merging.model_stock import ModelStock, interpolation_ratio


def reference(base: Any, inputs: Any) -> Any:
    """mergekit's formula without ``filter_wise``, in float64."""
    base = base.astype(np.float64)
    offsets = [(x - base).ravel() for x in inputs]
    cosines = [
        np.clip(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-6), -1, 1)
        for a, b in combinations(offsets, 2)
    ]
    n, cosine = len(inputs), np.mean(cosines)
    t = n * cosine / (1 + (n - 1) * cosine)
    return t * np.mean(inputs, axis=0, dtype=np.float64) + (1 - t) * base


@pytest.mark.parametrize("n", [2, 3, 5])
def test_it_is_mergekits_formula(n: int, apply: Any, arrays: Any) -> None:
    base, shared, *own = arrays(n + 2)
    inputs = [base + shared + x for x in own]
    np.testing.assert_allclose(apply(ModelStock(), inputs, base), reference(base, inputs), atol=1e-6)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_copies_of_one_model_give_it(n: int, family: Any, merge_files: Any, unlike: Any) -> None:
    model = family.tuned[0]
    assert unlike(merge_files(ModelStock(), [model] * n, family.base), model) == []


def test_orthogonal_task_vectors_leave_the_base(apply: Any) -> None:
    base = np.array([1, 2, 3], np.float32)
    steps = np.eye(3, dtype=np.float32)
    assert apply(ModelStock(), [base + steps[0], base + steps[1]], base).tolist() == base.tolist()


def test_two_at_a_right_angle_to_the_merge_meet_at_the_foot(apply: Any) -> None:
    # The paper's picture: the merge is where the line to the mean is nearest to the thin shell's centre.
    base = np.zeros(2, np.float32)
    merged = apply(ModelStock(), [np.array([1, 1]), np.array([1, -1]) * 1.0], base)
    assert merged.tolist() == [0, 0]
    merged = apply(ModelStock(), [np.array([2, 1]), np.array([2, -1])], base)
    cosine = 3 / 5
    np.testing.assert_allclose(merged, [2 * 2 * cosine / (1 + cosine), 0], rtol=1e-6)


def test_opposite_task_vectors_have_no_ratio_and_leave_the_base() -> None:
    assert interpolation_ratio(np.array([[1.0, -1.0], [-1.0, 1.0]])) == 0


def test_a_task_vector_of_zeros_agrees_with_nothing() -> None:
    assert interpolation_ratio(np.array([[1.0, 0.0], [0.0, 0.0]])) == 0


def test_one_model_has_no_angle(family: Any, merge_files: Any) -> None:
    with pytest.raises(InvalidParameterError, match="1 models; expected"):
        merge_files(ModelStock(), family.tuned[:1], family.base)
