"""Laws that every merge keeps to, on arrays and on checkpoints."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from calculemus.catalog import load, read_catalog
from calculemus.checkpoint import Checkpoint
from calculemus.errors import InvalidParameterError
from calculemus.merging.base import TensorMerge

METHODS: dict[str, Any] = {
    card.id: load(card)
    for card in read_catalog()
    if card.entry and card.interface == "TensorMerge" and "data-free" in card.tags
}


def needed(method: TensorMerge, models: Any) -> list[Any]:
    """Return as many models as a method takes, at most all."""
    return list(models)[: method.most or len(models)]


def contents(checkpoint: Checkpoint) -> dict[str, bytes]:
    return {name: checkpoint.read_bytes(name) for name in checkpoint}


@pytest.fixture(params=sorted(METHODS))
def method(request: pytest.FixtureRequest) -> TensorMerge:
    return METHODS[request.param]()


def test_there_are_methods_to_check() -> None:
    assert {"linear", "task_arithmetic", "ties", "slerp", "dare_ties", "model_stock"} <= set(METHODS)


def test_copies_of_one_model_which_is_the_base_too_give_it(
    method: TensorMerge, family: Any, merge_files: Any, unlike: Any
) -> None:
    assert unlike(merge_files(method, needed(method, [family.base] * 3), family.base), family.base) == []


def test_zero_task_vectors_give_the_base_whatever_the_weights(
    method: TensorMerge, apply: Any, arrays: Any
) -> None:
    if not method.needs_base:
        pytest.skip("it has no base")
    (base,) = arrays(1)
    copies = needed(method, [base] * 3)
    merged = apply(method, copies, base, weights=[0.3, 2.0, 1.0][: len(copies)])
    np.testing.assert_allclose(merged, base, rtol=3e-7)


def test_the_order_of_models_changes_nothing(method: TensorMerge, family: Any, merge_files: Any) -> None:
    if method.is_ordered:
        pytest.skip("its operands have names")
    models = needed(method, family.tuned)
    weights = [0.5, 1.5, 1.0][: len(models)] if method.takes_weights else [1.0] * len(models)
    expected = contents(merge_files(method, models, family.base, weights=weights))
    for order in permutations(range(len(models))):
        merged = merge_files(
            method, [models[i] for i in order], family.base, weights=[weights[i] for i in order]
        )
        assert contents(merged) == expected


def test_weights_that_it_does_not_take_are_refused(
    method: TensorMerge, family: Any, merge_files: Any
) -> None:
    models = needed(method, family.tuned)
    if method.takes_weights:
        pytest.skip("it takes weights")
    with pytest.raises(InvalidParameterError, match="expected none"):
        merge_files(method, models, family.base, weights=[1.0] * (len(models) - 1) + [2.0])


def test_it_is_the_same_tensor_by_tensor_and_in_any_runs(
    method: TensorMerge, family: Any, merge_files: Any
) -> None:
    models = needed(method, family.tuned)
    whole = contents(merge_files(method, models, family.base))
    assert contents(merge_files(method, models, family.base, run=256, threads=3)) == whole


def test_it_is_the_same_wherever_an_array_is_cut(method: TensorMerge, apply: Any, arrays: Any) -> None:
    base, *tuned = arrays(4, (16, 64))
    inputs = needed(method, tuned)
    whole = apply(method, inputs, base)
    cut = apply(method, inputs, base, cuts=[256, 768])
    assert cut.tobytes() == whole.tobytes()


def test_names_dtypes_and_shapes_are_kept(method: TensorMerge, family: Any, merge_files: Any) -> None:
    merged = merge_files(method, needed(method, family.tuned), family.base)
    assert {name: (entry.dtype, entry.shape) for name, entry in merged.entries.items()} == {
        name: (entry.dtype, entry.shape) for name, entry in family.base.entries.items()
    }
    assert merged.read_bytes("model.positions") == family.base.read_bytes("model.positions")
    assert merged.is_tied


def test_it_does_not_change_what_it_is_given(method: TensorMerge, apply: Any, arrays: Any) -> None:
    base, *tuned = arrays(4)
    inputs = needed(method, tuned)
    before = [array.tobytes() for array in (base, *inputs)]
    apply(method, inputs, base)
    assert [array.tobytes() for array in (base, *inputs)] == before


def test_it_is_more_than_the_base(method: TensorMerge, apply: Any, arrays: Any) -> None:
    base, *tuned = arrays(4)
    merged = apply(method, needed(method, tuned), base)
    assert (merged != base).mean() > 0.05
    assert merged.dtype == np.float32
    assert np.isfinite(merged).all()


def test_a_seed_matters_to_those_that_draw_and_to_no_other(
    method: TensorMerge, apply: Any, arrays: Any
) -> None:
    base, *tuned = arrays(4)
    inputs = needed(method, tuned)
    one, other = (apply(method, inputs, base, seed=seed) for seed in (1, 2))
    card = next(c for c in read_catalog() if c.entry and load(c) is type(method))
    assert (one.tobytes() != other.tobytes()) == ("stochastic" in card.tags)
    assert apply(method, inputs, base, seed=1).tobytes() == one.tobytes()


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_setting_of_the_recipe_takes_the_place_of_the_methods(name: str, apply: Any, arrays: Any) -> None:
    # Scale and shape of a merge are its own; what a recipe may give tensor by tensor is a share.
    base, *tuned = arrays(4)
    method = METHODS[name]()
    inputs = needed(method, tuned)
    for setting in ("density", "gamma", "epsilon", "t"):
        if setting not in method.params():
            continue
        other = {"density": 0.55, "gamma": 0.2, "epsilon": 0.21, "t": 0.21}[setting]
        given = apply(method, inputs, base, values=[{setting: other}] * len(inputs))
        assert given.tobytes() == apply(replace(method, **{setting: other}), inputs, base).tobytes()
        assert given.tobytes() != apply(method, inputs, base).tobytes()


@pytest.mark.parametrize("shape", [(), (1,), (7,), (1, 9), (9, 1), (2, 3, 4)])
def test_it_takes_tensors_of_any_shape(
    method: TensorMerge, apply: Any, arrays: Any, shape: tuple[int, ...]
) -> None:
    base, *tuned = arrays(4, shape)
    merged = apply(method, needed(method, tuned), base)
    assert merged.shape == shape
    assert np.isfinite(merged).all()
