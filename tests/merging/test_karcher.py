"""The mean on the sphere."""

from typing import Any

import numpy as np
import pytest

from calculemus.errors import InvalidParameterError
from calculemus.merging.karcher import Karcher, mean_factors
from calculemus.merging.slerp import Slerp


def unit(array: Any) -> Any:
    return array.astype(np.float64) / np.linalg.norm(array.astype(np.float64))


def to_each(mean: Any, units: Any) -> Any:
    """The log maps: from the mean along the sphere to each vector."""
    cosines = [np.vdot(mean, u) for u in units]
    return [np.arccos(c) / np.sqrt(1 - c * c) * (u - c * mean) for c, u in zip(cosines, units, strict=True)]


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.5, 2.0, 0.1)])
def test_the_ways_from_the_mean_balance_out(weights: Any, apply: Any, arrays: Any) -> None:
    shared, *own = arrays(4)
    inputs = [shared + x for x in own]
    mean = unit(apply(Karcher(), inputs, weights=weights))
    pull = sum(w * way for w, way in zip(weights, to_each(mean, [unit(x) for x in inputs]), strict=True))
    assert np.linalg.norm(pull) < 1e-6
    straight = unit(apply(Karcher(max_steps=0), inputs, weights=weights))
    before = sum(
        w * way for w, way in zip(weights, to_each(straight, [unit(x) for x in inputs]), strict=True)
    )
    assert np.linalg.norm(before) > 10 * np.linalg.norm(pull)


def test_its_length_is_the_mean_of_the_lengths(apply: Any, arrays: Any) -> None:
    inputs = [3 * arrays(1, seed=1)[0], arrays(1, seed=2)[0]]
    lengths = [np.linalg.norm(x.astype(np.float64)) for x in inputs]
    merged = apply(Karcher(), inputs, weights=[1.0, 3.0])
    assert np.linalg.norm(merged) == pytest.approx(np.average(lengths, weights=[1, 3]), rel=1e-6)


@pytest.mark.parametrize("t", [0.2, 0.5, 0.9])
def test_of_two_of_one_length_it_is_slerp(t: float, apply: Any, arrays: Any) -> None:
    a, b = (unit(x).astype(np.float32) for x in arrays(2))
    merged = apply(Karcher(), [a, b], weights=[1 - t, t])
    np.testing.assert_allclose(merged, apply(Slerp(t=t), [b], a), atol=1e-7)


def test_without_steps_it_is_mergekits_multislerp(apply: Any, arrays: Any) -> None:
    shared, *own = arrays(4)
    inputs, weights = [shared + x for x in own], np.array([0.5, 2.0, 1.5]) / 4
    # mergekit's formula: into the tangent space at the mean of unit vectors, there the mean, and back.
    norms = [np.linalg.norm(x.astype(np.float64)) for x in inputs]
    units = [unit(x) for x in inputs]
    mean = unit(sum(w * u for w, u in zip(weights, units, strict=True)))
    tangent = sum(w * (u - np.vdot(u, mean) * mean) for w, u in zip(weights, units, strict=True))
    length = np.linalg.norm(tangent)
    assert length < 1e-12  # the step is nothing, wherever the models are
    result = (mean * np.cos(length) + tangent * np.sinc(length / np.pi)) * np.dot(norms, weights)
    np.testing.assert_allclose(
        apply(Karcher(max_steps=0), inputs, weights=weights.tolist()), result, atol=1e-6
    )


def test_one_model_is_itself_bit_for_bit(apply: Any, arrays: Any) -> None:
    (model,) = arrays(1)
    assert apply(Karcher(), [model]).tobytes() == model.tobytes()


def test_directions_that_balance_out_leave_the_weighted_sum(apply: Any, arrays: Any) -> None:
    (model,) = arrays(1)
    np.testing.assert_allclose(apply(Karcher(), [model, -2 * model]), -0.5 * model, rtol=1e-6)


def test_a_vector_of_zeros_has_no_say_in_the_direction() -> None:
    products = np.array([[4.0, 0.0], [0.0, 0.0]])
    assert mean_factors(products, np.array([0.5, 0.5]), 100).tolist() == [0.5, 0.0]


def test_weights_that_sum_to_zero_have_no_mean(family: Any, merge_files: Any) -> None:
    with pytest.raises(InvalidParameterError, match="sum to 0"):
        merge_files(Karcher(), family.tuned[:2], weights=[1.0, -1.0])
