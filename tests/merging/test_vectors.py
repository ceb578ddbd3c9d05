"""What is said of stored task vectors, against the whole arrays."""

import math
from pathlib import Path

import numpy as np
import pytest

from calculemus.checkpoint import Checkpoint, Patch, TaskVector, save_patch
from calculemus.merging.executor import Executor
from calculemus.merging.layers import address
from calculemus.merging.patching import plan_patches
from calculemus.merging.vectors import compare, describe, match, measure_return


@pytest.fixture
def patches(family, tmp_path: Path) -> list[Patch]:
    return [
        save_patch(tmp_path / f"{n}.safetensors", tuned, family.base) for n, tuned in enumerate(family.tuned)
    ]


def flat(vector: TaskVector) -> np.ndarray:
    return np.concatenate([vector.read(name).ravel() for name in vector.names]).astype(np.float64)


def test_norms_by_layer_and_by_part_add_up_to_that_of_all(patches: list[Patch]) -> None:
    facts = describe(patches[0])
    assert facts.norm == pytest.approx(np.linalg.norm(flat(patches[0].vector)))
    assert math.hypot(*facts.by_layer.values()) == pytest.approx(facts.norm)
    assert math.hypot(*facts.by_part.values()) == pytest.approx(facts.norm)
    assert list(facts.by_layer) == [None, 0, 1]
    vector = patches[0].vector
    expected = [np.linalg.norm(vector.read(name)) for name in vector.names if address(name).part == "down"]
    assert facts.by_part["down"] == pytest.approx(math.hypot(*expected))
    assert facts.n_parameters == flat(vector).size


def test_cosines_and_sign_conflicts_are_those_of_the_whole_arrays(patches: list[Patch]) -> None:
    arrays = [flat(patch.vector) for patch in patches]
    found = compare([p.vector for p in patches], [float(np.linalg.norm(a)) for a in arrays])
    for i, one in enumerate(arrays):
        for j, two in enumerate(arrays):
            cosine = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
            assert found.cosines[i][j] == pytest.approx(cosine, abs=1e-9)
            differ = np.count_nonzero(one * two < 0) / np.count_nonzero((one != 0) | (two != 0))
            assert found.conflicts[i][j] == pytest.approx(differ)
    rises, falls = (np.stack(arrays) > 0).any(0), (np.stack(arrays) < 0).any(0)
    assert found.together == pytest.approx(np.mean((rises & falls)[rises | falls]))


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
def test_the_way_back_is_measured_as_the_executor_goes_it(dtype: str, family, tmp_path: Path) -> None:
    tuned = family.tuned[0]
    patch = save_patch(tmp_path / "v.safetensors", tuned, family.base, dtype)
    Executor(threads=1).merge(plan_patches(family.base, [patch]), tmp_path / "again")
    again = Checkpoint.open(tmp_path / "again")
    found = measure_return(patch, tuned, family.base)
    names = patch.vector.names
    assert found.n_other == sum(np.count_nonzero(again.read(n) != tuned.read(n)) for n in names)
    errors = [np.max(np.abs(again.read(n) - tuned.read(n)), initial=0) for n in names]
    assert found.largest_error == max(errors)
    assert found.n_numbers == sum(family.base.entry(name).n_elements for name in names)
    # In 16 bits numbers of 16 bits come back; those of float32 may not, by one rounding.
    wide = {name for name in names if tuned.entry(name).dtype.name == "F32"}
    if dtype == "F32":
        assert all(again.read_bytes(name) == tuned.read_bytes(name) for name in names if name not in wide)
    else:
        assert found.n_other > 0


def test_a_model_is_told_from_its_patch(patches: list[Patch], family, tmp_path: Path) -> None:
    assert match(patches[0], family.base) == "base"
    assert match(patches[0], family.tuned[0]) == "tuned"
    assert match(patches[0], family.tuned[1]) == "make"
    assert match(patches[0], Checkpoint("less", tmp_path, {})) == "no"
