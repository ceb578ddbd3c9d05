"""The weighted mean."""

from typing import Any

import numpy as np
import pytest

from calculemus.errors import InvalidParameterError
from calculemus.merging.linear import Linear


def test_one_model_is_itself_bit_for_bit(family: Any, merge_files: Any) -> None:
    (model, *_) = family.tuned
    merged = merge_files(Linear(), [model])
    assert {name: merged.read_bytes(name) for name in model} == {n: model.read_bytes(n) for n in model}


def test_it_is_the_mean_of_numpy_in_float64(apply: Any, arrays: Any) -> None:
    inputs, weights = arrays(3), [0.5, 2.0, -0.3]
    expected = np.average(np.stack(inputs).astype(np.float64), axis=0, weights=weights)
    np.testing.assert_allclose(apply(Linear(), inputs, weights=weights), expected, atol=1e-6)


def test_without_normalising_it_is_the_weighted_sum(apply: Any, arrays: Any) -> None:
    inputs, weights = arrays(3), [0.5, 2.0, -0.3]
    expected = sum(w * x.astype(np.float64) for w, x in zip(weights, inputs, strict=True))
    merged = apply(Linear(normalize=False), inputs, weights=weights)
    np.testing.assert_allclose(merged, expected, atol=1e-6)


def test_a_multiple_of_all_weights_changes_nothing(apply: Any, arrays: Any) -> None:
    inputs = arrays(3)
    one, eight = (apply(Linear(), inputs, weights=[w, 2 * w, 3 * w]) for w in (1.0, 8.0))
    assert one.tobytes() == eight.tobytes()


def test_weights_that_sum_to_zero_have_no_mean(family: Any, merge_files: Any) -> None:
    models = family.tuned[:2]
    with pytest.raises(InvalidParameterError, match="sum to 0"):
        merge_files(Linear(), models, weights=[1.0, -1.0])
    merged = merge_files(Linear(normalize=False), models, weights=[1.0, -1.0])
    first, second = (model.read("model.norm.weight") for model in models)
    assert (np.abs(merged.read("model.norm.weight")) == np.abs(first - second)).all()
