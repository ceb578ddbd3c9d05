"""Sums of task vectors."""

from typing import Any

import numpy as np

from calculemus.merging.linear import Linear
from calculemus.merging.task_arithmetic import TaskArithmetic


def reference(base: Any, inputs: Any, weights: Any, scale: float) -> Any:
    """The formula of the paper and of mergekit without ``normalize``, in float64."""
    base = base.astype(np.float64)
    return base + scale * sum(w * (x - base) for w, x in zip(weights, inputs, strict=True))


def test_one_model_at_full_scale_is_itself(family: Any, merge_files: Any, unlike: Any) -> None:
    assert (
        unlike(merge_files(TaskArithmetic(scale=1.0), family.tuned[:1], family.base), family.tuned[0]) == []
    )


def test_it_is_the_papers_formula(apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(4)
    weights = [0.5, 2.0, -0.3]
    merged = apply(TaskArithmetic(scale=0.7), inputs, base, weights=weights)
    np.testing.assert_allclose(merged, reference(base, inputs, weights, 0.7), atol=1e-6)


def test_mergekits_normalize_is_a_scale_of_one_over_the_weights(apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(4)
    weights = [0.5, 2.0, 1.5]
    merged = apply(TaskArithmetic(scale=1 / sum(weights)), inputs, base, weights=weights)
    np.testing.assert_allclose(merged, apply(Linear(), inputs, weights=weights), atol=1e-6)


def test_what_is_added_can_be_taken_away_again(apply: Any, arrays: Any) -> None:
    base, tuned = arrays(2)
    method = TaskArithmetic(scale=1.0)
    vector = tuned - base
    moved = apply(method, [base + vector], base)
    back = apply(method, [moved + vector], moved, weights=[-1.0])
    np.testing.assert_allclose(back, base, atol=2e-6)


def test_scale_and_weights_are_interchangeable(apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(3)
    by_scale = apply(TaskArithmetic(scale=0.5), inputs, base)
    by_weight = apply(TaskArithmetic(scale=1.0), inputs, base, weights=[0.5, 0.5])
    assert by_scale.tobytes() == by_weight.tobytes()  # a power of two is exact on either side
