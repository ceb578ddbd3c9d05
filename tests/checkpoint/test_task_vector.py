"""Task vectors: their algebra against arrays, in pieces; and patch files."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from calculemus.checkpoint import Checkpoint
from calculemus.checkpoint.fingerprint import fingerprint
from calculemus.checkpoint.patch import Patch, save_patch
from calculemus.checkpoint.task_vector import TaskVector, packed_mask, sign_conflicts
from calculemus.errors import CheckpointError, CheckpointMismatchError, InvalidParameterError
from calculemus.merging.executor import Executor
from calculemus.merging.patching import plan_patches

SHAPES = {"a.w": (7, 9), "b.w": (300_001,), "c.scale": (), "d.nothing": (0, 3)}


def save(folder: Path, name: str, tensors: dict[str, torch.Tensor]) -> Checkpoint:
    save_file(tensors, folder / f"{name}.safetensors")
    return Checkpoint.open(folder / f"{name}.safetensors")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Checkpoint]:
    """A base and three models near it, in bfloat16, with a tensor of whole numbers each."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    base = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    found = []
    for number in range(4):
        near = {
            name: (tensor + 0.1 * number * torch.randn_like(tensor)).bfloat16()
            for name, tensor in base.items()
        }
        found.append(save(folder, f"m{number}", {**near, "steps": torch.tensor([number])}))
    return found


def flat(vector: TaskVector) -> NDArray[np.float64]:
    return np.concatenate([vector.read(name).ravel() for name in vector.names]).astype(np.float64)


def delta(tuned: Checkpoint, base: Checkpoint) -> NDArray[np.float32]:
    return np.concatenate([(tuned.read(name) - base.read(name)).ravel() for name in sorted(SHAPES)])


def test_the_algebra_is_that_of_arrays(models: list[Checkpoint]) -> None:
    base, one, two, _ = models
    first, second = TaskVector.between(one, base), TaskVector.between(two, base)
    x, y = delta(one, base), delta(two, base)
    four = np.float32(0.4)
    assert first.names == tuple(sorted(SHAPES))
    assert (flat(first) == x).all()
    assert (flat(first * 0.4) == x * four).all()
    assert (flat(0.4 * first) == x * four).all()
    assert (flat(-first) == -x).all()
    assert (flat(first + second) == x + y).all()
    assert (flat(first * 0.4 - second) == x * four - y).all()
    assert (flat((first + second) * 0.4) == x * four + y * four).all()
    assert first.read("a.w").shape == (7, 9)
    assert first.read("d.nothing").shape == (0, 3)


def test_a_mask_keeps_the_numbers_that_it_names(models: list[Checkpoint]) -> None:
    base, one, two, _ = models
    first, second = TaskVector.between(one, base), TaskVector.between(two, base)
    x, y = delta(one, base), delta(two, base)
    large = first @ (lambda name, start, numbers: np.abs(numbers) > 0.1)
    assert (flat(large) == np.where(np.abs(x) > 0.1, x, 0)).all()
    rng = np.random.default_rng(0)
    keep = {name: rng.random(math.prod(SHAPES[name])) < 0.3 for name in ("a.w", "b.w")}
    packed = packed_mask({name: np.packbits(bits) for name, bits in keep.items()})
    bits = np.concatenate([keep.get(name, np.ones(math.prod(SHAPES[name]), bool)) for name in sorted(SHAPES)])
    assert (flat(first @ packed + second) == np.where(bits, x, 0) + y).all()
    assert (flat((first + second) @ packed) == np.where(bits, x + y, 0)).all()


def test_norms_and_cosines_are_those_of_arrays(models: list[Checkpoint]) -> None:
    base, one, two, three = models
    first, second = TaskVector.between(one, base), TaskVector.between(two, base)
    x, y = delta(one, base).astype(np.float64), delta(two, base).astype(np.float64)
    assert first.norm() == pytest.approx(np.linalg.norm(x), rel=1e-12)
    assert first.norms()["a.w"] == pytest.approx(
        np.linalg.norm(first.read("a.w").astype(np.float64)), rel=1e-12
    )
    assert first.dot(second) == pytest.approx(x @ y, rel=1e-9)
    assert first.cosine(second) == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y), rel=1e-9)
    assert first.cosine(first * -2) == pytest.approx(-1, abs=1e-12)
    assert math.isnan(first.cosine(TaskVector.between(three, three)))


def test_the_rate_of_sign_conflicts_is_that_of_arrays(models: list[Checkpoint]) -> None:
    base, *tuned = models
    vectors = [TaskVector.between(model, base) for model in tuned]
    deltas = np.stack([delta(model, base) for model in tuned])
    conflicts = (deltas > 0).any(axis=0) & (deltas < 0).any(axis=0)
    assert sign_conflicts(vectors) == conflicts.sum() / (deltas != 0).any(axis=0).sum()
    assert sign_conflicts(vectors[:1]) == 0
    assert sign_conflicts([vectors[0], -vectors[0]]) == 1
    assert sign_conflicts([]) == sign_conflicts([TaskVector.between(base, base)]) == 0


def test_models_of_another_make_are_refused(models: list[Checkpoint], tmp_path: Path) -> None:
    base = models[0]
    other = save(tmp_path, "other", {"a.w": torch.ones(7, 9)})
    shaped = save(tmp_path, "shaped", {name: torch.ones((2, *shape)) for name, shape in SHAPES.items()})
    with pytest.raises(CheckpointMismatchError, match=r"lacks 'b\.w' and 2 more"):
        TaskVector.between(base, other)
    with pytest.raises(CheckpointMismatchError, match=r"'a\.w' has the shape \(7, 9\) and \(2, 7, 9\)"):
        TaskVector.between(base, shaped)
    with pytest.raises(CheckpointMismatchError, match="joining two task vectors"):
        _ = TaskVector.between(base, base) + TaskVector.between(other, other)


def test_a_patch_leads_from_one_model_to_the_other_and_back(models: list[Checkpoint], tmp_path: Path) -> None:
    base, tuned, *_ = models
    patch = save_patch(tmp_path / "patch.safetensors", tuned, base)
    assert (patch.base, patch.tuned) == (fingerprint(base), fingerprint(tuned))
    assert Patch.open(tmp_path / "patch.safetensors") == patch
    assert (flat(patch.vector) == delta(tuned, base)).all()
    Executor().merge(plan_patches(base, [patch]), tmp_path / "there")
    there = Checkpoint.open(tmp_path / "there")
    Executor().merge(plan_patches(there, [patch], [-1]), tmp_path / "back")
    back = Checkpoint.open(tmp_path / "back")
    for name in SHAPES:
        assert there.read_bytes(name) == tuned.read_bytes(name)
        assert back.read_bytes(name) == base.read_bytes(name)
    assert there.read_bytes("steps") == base.read_bytes("steps")


def test_patches_add_up_whatever_their_order(models: list[Checkpoint], tmp_path: Path) -> None:
    base, one, two, target = models
    first, second = (
        save_patch(tmp_path / f"{i}.safetensors", m, base, "BF16") for i, m in enumerate((one, two))
    )
    Executor().merge(plan_patches(target, [first, second], [0.5, -2]), tmp_path / "one")
    Executor().merge(plan_patches(target, [second, first], [-2, 0.5]), tmp_path / "two")
    merged = Checkpoint.open(tmp_path / "one")
    assert merged.digest() == Checkpoint.open(tmp_path / "two").digest()
    for name in SHAPES:
        expected = target.read(name) + 0.5 * first.vector.read(name) - 2 * second.vector.read(name)
        np.testing.assert_allclose(merged.read(name), expected, rtol=2**-8, atol=1e-6)


def test_what_is_no_patch_or_does_not_fit_is_refused(models: list[Checkpoint], tmp_path: Path) -> None:
    base, tuned, *_ = models
    with pytest.raises(CheckpointError, match="does not say between which models it lies"):
        Patch.open(next(iter(base.entries.values())).path)
    patch = save_patch(tmp_path / "p.safetensors", tuned, base)
    other = save(tmp_path, "other", {"a.w": torch.ones(7, 8)})
    with pytest.raises(
        CheckpointMismatchError, match=r"changes 'a\.w' of shape \(7, 9\), which has the shape \(7, 8\)"
    ):
        plan_patches(other, [patch])
    for patches, scales in (([], None), ([patch], [1, 2]), ([patch], [math.nan])):
        with pytest.raises(InvalidParameterError):
            plan_patches(base, patches, scales)


def test_a_patch_that_cannot_be_saved_leaves_no_file(tmp_path: Path) -> None:
    base = save(tmp_path, "base", {"w": torch.tensor([0.0, 1])})
    for number in (math.inf, math.nan, 1e6):
        tuned = save(tmp_path, "tuned", {"w": torch.tensor([number, 1])})
        with pytest.raises(
            CheckpointError, match=r"'w' has a difference of (inf|nan|1000000\.0); expected finite"
        ):
            save_patch(tmp_path / "p.safetensors", tuned, base, "F16")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.safetensors", "tuned.safetensors"]
