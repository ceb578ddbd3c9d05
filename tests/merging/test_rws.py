"""Robust weight signatures: what is projected out, where the patch goes, and how it comes off."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus.checkpoint import Checkpoint
from calculemus.errors import InvalidParameterError
from calculemus.events import listening
from calculemus.merging.base import Part
from calculemus.merging.executor import Executor
from calculemus.merging.patching import plan_patches
from calculemus.merging.rws import RobustWeightSignatures

EVERYTHING = RobustWeightSignatures(keep_num=10)
ANY = RobustWeightSignatures(shallow=".")


def dot(a: Any, b: Any) -> float:
    return float(np.vdot(a.astype(np.float64), b.astype(np.float64)))


def test_a_signature_has_no_part_along_clean_fine_tuning(apply: Any, arrays: Any) -> None:
    base, clean, own = arrays(3)
    robust = base + 0.7 * (clean - base) + 0.3 * own
    patch = apply(ANY, [clean, robust], base) - clean
    along = dot(patch, clean - base)
    assert abs(along) < 1e-6 * np.linalg.norm(patch) * np.linalg.norm(clean - base)
    assert np.linalg.norm(patch) > 1


@settings(max_examples=30)
@given(st.floats(-3, 3), st.floats(0.1, 2), st.integers(0, 1000))
def test_it_is_the_plain_projection_in_float64(scale: float, alpha: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    base, clean, own = (rng.normal(0, 1, 50).astype(np.float32) for _ in range(3))
    robust = (base + scale * (clean - base) + own).astype(np.float32)
    method = RobustWeightSignatures(shallow=".", alpha=alpha)
    part = Part("w", (50,), 0, base, [clean, robust], (1.0, 1.0), ({}, {}), ())
    found = method.gather()
    found.take(part)
    assert found.is_complete()
    a, d = (x.astype(np.float64) - base for x in (clean, robust))
    expected = clean + method.alpha * (d - dot(a, d) / dot(a, a) * a)
    np.testing.assert_allclose(method.merge(part, found), expected, atol=2e-6)


def test_a_robust_model_that_is_the_clean_one_changes_nothing(apply: Any, arrays: Any) -> None:
    base, clean = arrays(2)
    np.testing.assert_allclose(apply(ANY, [clean, clean], base), clean, atol=1e-6)


def test_several_corruptions_share_the_strength(apply: Any, arrays: Any) -> None:
    base, clean, *robust = arrays(4)
    alone = [apply(ANY, [clean, model], base) - clean for model in robust]
    both = apply(ANY, [clean, *robust], base) - clean
    np.testing.assert_allclose(both, (alone[0] + alone[1]) / 2, atol=1e-6)


def test_a_recipe_may_give_each_corruption_its_strength(apply: Any, arrays: Any) -> None:
    base, clean, *robust = arrays(4)
    given_ = apply(ANY, [clean, *robust], base, values=[{}, {"alpha": 2.0}, {"alpha": 0.0}])
    np.testing.assert_allclose(given_, apply(ANY, [clean, robust[0]], base), atol=1e-6)


def test_it_matters_which_model_is_the_clean_one(family: Any, merge_files: Any) -> None:
    a, b, _ = family.tuned
    one = merge_files(EVERYTHING, [a, b], family.base)
    other = merge_files(EVERYTHING, [b, a], family.base)
    assert one.digest() != other.digest()


def test_deep_layers_and_what_is_behind_them_stay_the_clean_models(family: Any, merge_files: Any) -> None:
    clean, *robust = family.tuned
    merged = merge_files(RobustWeightSignatures(keep_num=1), [clean, *robust], family.base)
    same = {name for name in clean if merged.read_bytes(name) == clean.read_bytes(name)}
    changed = {name for name in clean if name not in same}
    assert changed == {
        "model.embed_tokens.weight",
        *(name for name in clean if name.startswith("model.layers.0.")),
    }


def test_norms_become_the_mean_of_the_robust_models(family: Any, merge_files: Any) -> None:
    clean, *robust = family.tuned
    name = "model.layers.1.input_layernorm.weight"
    merged = merge_files(EVERYTHING, [clean, *robust], family.base)
    mean = (robust[0].read(name) + robust[1].read(name)) / 2
    np.testing.assert_allclose(merged.read(name), mean, atol=1e-6)


def test_no_strength_is_the_clean_model(family: Any, merge_files: Any) -> None:
    clean, *robust = family.tuned
    merged = merge_files(RobustWeightSignatures(alpha=0.0), [clean, *robust], family.base)
    assert {n: merged.read_bytes(n) for n in clean} == {n: clean.read_bytes(n) for n in clean}


def _add(target: Checkpoint, patch: Any, scale: float, folder: Path) -> Checkpoint:
    Executor().merge(plan_patches(target, [patch], [scale]), folder)
    return Checkpoint.open(folder)


def test_a_patch_is_as_large_as_the_shallow_layers_and_comes_off_again(
    family: Any, merge_files: Any, tmp_path: Path
) -> None:
    clean, robust, _ = family.tuned
    method = RobustWeightSignatures(keep_num=1)
    # In float32 the patched model has room for the numbers of 16 bits and for what was added.
    patched = merge_files(method, [clean, robust], family.base, dtype="float32")
    patch = method.save(tmp_path / "signature.safetensors", patched, clean)
    assert set(patch.deltas) == {n for n in clean if method.is_shallow(n) and clean.entry(n).dtype.is_float}
    assert patch.deltas.n_parameters < 0.6 * clean.n_parameters
    restored = _add(patched, patch, -1.0, tmp_path / "restored")
    for name, entry in clean.entries.items():
        if entry.dtype.name in ("BF16", "F16"):
            found = restored.read(name).astype(np.float16 if entry.dtype.name == "F16" else np.float32)
            assert (found.astype(np.float32) == clean.read(name)).all(), name
        elif entry.dtype.is_float:
            np.testing.assert_allclose(restored.read(name), clean.read(name), rtol=0, atol=1e-6)


def test_in_16_bits_a_patch_comes_off_up_to_the_rounding(
    family: Any, merge_files: Any, tmp_path: Path
) -> None:
    clean, robust, _ = family.tuned
    method = RobustWeightSignatures(keep_num=1)
    patch = method.save(
        tmp_path / "signature.safetensors",
        merge_files(method, [clean, robust], family.base, dtype="float32"),
        clean,
    )
    patched = _add(clean, patch, 1.0, tmp_path / "patched")
    restored = _add(patched, patch, -1.0, tmp_path / "restored")
    name = "model.layers.0.mlp.down_proj.weight"
    half_a_step = 2.0**-8  # relative, of bfloat16, once each way
    allowed = half_a_step * (np.abs(patched.read(name)) + np.abs(clean.read(name))) + 1e-6
    assert (np.abs(restored.read(name) - clean.read(name)) <= allowed).all()


def test_a_clean_model_that_learned_nothing_is_said_and_nothing_is_projected_out(
    apply: Any, arrays: Any
) -> None:
    base, robust = arrays(2)
    heard: list[Any] = []
    with listening(heard.append):
        patched = apply(ANY, [base, robust], base)
    np.testing.assert_allclose(patched, robust, atol=1e-6)
    assert "nothing is projected out" in heard[0].message


@pytest.mark.parametrize("alpha", [-0.1, 2.5])
def test_a_strength_outside_its_range_is_refused(alpha: float) -> None:
    with pytest.raises(InvalidParameterError, match="alpha"):
        RobustWeightSignatures(alpha=alpha)


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="regular expression"):
        RobustWeightSignatures(shallow="(")


def test_weights_are_refused(family: Any, merge_files: Any) -> None:
    with pytest.raises(InvalidParameterError, match="expected none"):
        merge_files(EVERYTHING, family.tuned, family.base, weights=[1.0, 2.0, 1.0])
