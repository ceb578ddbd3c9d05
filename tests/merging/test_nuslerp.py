"""Slerp by weights."""

from typing import Any

import numpy as np
import pytest

from calculemus.errors import InvalidParameterError
from calculemus.merging.nuslerp import NuSlerp
from calculemus.merging.slerp import Slerp


@pytest.mark.parametrize("weights", [(1.0, 3.0), (0.5, 0.5), (2.0, 0.0), (1.0, -0.2)])
def test_it_goes_as_far_as_the_weights_say(weights: tuple[float, float], apply: Any, arrays: Any) -> None:
    a, b = (x.astype(np.float64) for x in arrays(2))
    angle = np.arccos(np.vdot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))
    t = weights[1] / sum(weights)
    expected = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
    np.testing.assert_allclose(apply(NuSlerp(), [a, b], weights=weights), expected, atol=1e-6)


def test_it_is_slerp_where_the_arc_is_not_straight(apply: Any, arrays: Any) -> None:
    a, b = arrays(2)
    merged = apply(NuSlerp(), [a, b], weights=[0.75, 0.25])
    assert merged.tobytes() == apply(Slerp(t=0.25), [b], a).tobytes()


def test_weights_that_sum_to_zero_go_half_the_way(apply: Any, arrays: Any) -> None:
    inputs = arrays(2)
    half = apply(NuSlerp(), inputs, weights=[1.0, 1.0])
    assert apply(NuSlerp(), inputs, weights=[1.0, -1.0]).tobytes() == half.tobytes()


def test_of_task_vectors_it_is_the_arc_between_them(apply: Any, arrays: Any) -> None:
    base, a, b = arrays(3)
    merged = apply(NuSlerp(of_task_vectors=True), [a, b], base, weights=[1.0, 3.0])
    between = apply(NuSlerp(), [a - base, b - base], weights=[1.0, 3.0])
    assert merged.tobytes() == (base + between).tobytes()


def test_a_base_is_needed_only_for_task_vectors(family: Any, merge_files: Any) -> None:
    assert not NuSlerp().needs_base
    with pytest.raises(InvalidParameterError, match="no base"):
        merge_files(NuSlerp(of_task_vectors=True), family.tuned[:2])
    merged = merge_files(NuSlerp(of_task_vectors=True), family.tuned[:2], family.base)
    assert set(merged) == set(family.base)


def test_it_joins_two_and_no_other_number(family: Any, merge_files: Any) -> None:
    with pytest.raises(InvalidParameterError, match="3 models; expected 2"):
        merge_files(NuSlerp(), family.tuned)
