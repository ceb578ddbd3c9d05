"""Vectors between twins, added to other models."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as array_of

from calculemus.checkpoint import Checkpoint, save_patch
from calculemus.errors import InvalidParameterError
from calculemus.merging.base import Part
from calculemus.merging.carrying_over import carried_over
from calculemus.merging.executor import Executor
from calculemus.merging.patching import plan_patches
from calculemus.merging.plan import plan_merge
from calculemus.merging.reasoning_vector import ReasoningVector

NUMBERS = array_of(np.float32, 12, elements=st.floats(-100, 100, width=32))


def same_bytes(one: Any, other: Any) -> bool:
    return {n: one.read_bytes(n) for n in one} == {n: other.read_bytes(n) for n in other}


def test_added_to_the_fine_tuned_twin_it_gives_the_reinforced_one(family: Any, merge_files: Any) -> None:
    reinforced, tuned, _ = family.tuned
    assert same_bytes(merge_files(ReasoningVector(), [reinforced, tuned], tuned), reinforced)


def test_adding_and_subtracting_is_the_identity(family: Any, merge_files: Any) -> None:
    reinforced, tuned, _ = family.tuned
    there = merge_files(ReasoningVector(), [reinforced, tuned], tuned)
    assert same_bytes(merge_files(ReasoningVector(scale=-1.0), [reinforced, tuned], there), tuned)


@given(target=NUMBERS, reinforced=NUMBERS, tuned=NUMBERS)
def test_on_any_target_it_comes_back_up_to_float32s_rounding(
    target: Any, reinforced: Any, tuned: Any
) -> None:
    def carried(base: Any, scale: float) -> Any:
        part = Part("w", (12,), 0, base, [reinforced, tuned], (1.0, 1.0), ({}, {}), ())
        return carried_over(part, scale)

    back = carried(carried(target, 1.0), -1.0)
    largest = max(float(np.abs(x).max()) for x in (target, reinforced, tuned))
    assert np.abs(back - target).max() <= 8 * np.finfo(np.float32).eps * largest


def test_it_is_the_papers_formula(apply: Any, arrays: Any) -> None:
    target, reinforced, tuned = arrays(3)
    merged = apply(ReasoningVector(scale=0.7), [reinforced, tuned], target)
    np.testing.assert_allclose(merged, target + 0.7 * (reinforced - tuned), atol=1e-6)


def test_the_operands_are_not_interchangeable(apply: Any, arrays: Any) -> None:
    target, reinforced, tuned = arrays(3)
    there = apply(ReasoningVector(), [reinforced, tuned], target)
    back = apply(ReasoningVector(), [tuned, reinforced], target)
    np.testing.assert_allclose(there + back, 2 * target, atol=1e-5)
    assert not np.allclose(there, back)


def test_a_stored_patch_adds_the_same(family: Any, merge_files: Any, tmp_path: Any) -> None:
    reinforced, tuned, target = family.tuned
    patch = save_patch(tmp_path / "vector.safetensors", reinforced, tuned)
    Executor(1).merge(plan_patches(target, [patch]), tmp_path / "patched")
    found = Checkpoint.open(tmp_path / "patched")
    merged = merge_files(ReasoningVector(), [reinforced, tuned], target)
    for name, entry in target.entries.items():
        if entry.dtype.is_float:
            np.testing.assert_allclose(found.read(name), merged.read(name), rtol=3e-7, atol=1e-7)


def test_the_random_twin_has_the_vectors_norm_and_not_its_direction(apply: Any, arrays: Any) -> None:
    target, reinforced, tuned = arrays(3, (40, 50))
    vector = reinforced - tuned
    random = apply(ReasoningVector(is_random=True), [reinforced, tuned], target) - target
    assert np.linalg.norm(random) == pytest.approx(np.linalg.norm(vector), rel=1e-5)
    cosine = (random * vector).sum() / np.linalg.norm(random) / np.linalg.norm(vector)
    assert abs(cosine) < 5 / np.sqrt(vector.size)


def test_the_random_twin_has_the_norm_of_every_tensor(family: Any, merge_files: Any) -> None:
    reinforced, tuned, target = family.tuned
    merged = merge_files(ReasoningVector(is_random=True), [reinforced, tuned], target, dtype="float32")
    for name, entry in target.entries.items():
        if entry.dtype.is_float:
            wanted = np.linalg.norm(reinforced.read(name) - tuned.read(name))
            assert np.linalg.norm(merged.read(name) - target.read(name)) == pytest.approx(wanted, rel=1e-3)


def test_another_seed_draws_another_random_twin(apply: Any, arrays: Any) -> None:
    target, *twins = arrays(3)
    one, same, other = (
        apply(ReasoningVector(is_random=True), twins, target, seed=seed) for seed in (0, 0, 1)
    )
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()


def test_the_random_twin_is_the_same_wherever_an_array_is_cut(apply: Any, arrays: Any) -> None:
    target, *twins = arrays(3, (16, 64))
    whole = apply(ReasoningVector(is_random=True), twins, target)
    assert apply(ReasoningVector(is_random=True), twins, target, cuts=[100, 517]).tobytes() == whole.tobytes()


def test_one_model_alone_is_refused(family: Any) -> None:
    with pytest.raises(InvalidParameterError, match="there are 1 models; expected 2"):
        plan_merge(ReasoningVector(), [family.tuned[0]], family.base)
