"""Merges in float64: the formulas in numpy's float64, rounded once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from calculemus.catalog import load, read_catalog
from calculemus.checkpoint import DTYPES, Checkpoint
from calculemus.merging.base import TensorMerge
from calculemus.merging.breadcrumbs import Breadcrumbs
from calculemus.merging.executor import Executor
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.kernels import narrow_long
from calculemus.merging.linear import Linear
from calculemus.merging.plan import plan_merge
from calculemus.merging.task_arithmetic import TaskArithmetic
from calculemus.merging.ties import Ties

Array = NDArray[np.float64]
SHAPE = (37, 29)


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A base and three models of float64 numbers that float32 cannot hold."""
    rng = np.random.default_rng(5)
    base = rng.normal(0, 1, SHAPE)
    arrays = [base, *(base + rng.normal(0, 1e-9, SHAPE) for _ in range(3))]
    found = []
    for number, array in enumerate(arrays):
        folder = tmp_path_factory.mktemp(f"model{number}")
        save_file({"w": array}, folder / "model.safetensors")
        found.append(Checkpoint.open(folder))
    return arrays, found


def merged(method: TensorMerge, found: list[Checkpoint], folder: Path, run: int = 1 << 16) -> Array:
    plan = plan_merge(method, found[1:], found[0] if method.needs_base else None, precision="float64")
    Executor(2, run).merge(plan, folder)
    path = folder / "model.safetensors"
    head = int.from_bytes(path.read_bytes()[:8], "little")
    return np.frombuffer(path.read_bytes()[8 + head :], np.float64).reshape(SHAPE)


def test_a_sum_of_task_vectors_is_that_of_float64(family: Any, tmp_path: Path) -> None:
    (base, *tuned), found = family
    expected = base + 0.3 * sum(array - base for array in tuned)
    np.testing.assert_allclose(
        merged(TaskArithmetic(0.3), found, tmp_path / "o"), expected, rtol=0, atol=1e-15
    )
    assert np.abs(expected - base).max() > 1e-10, "float32 would not see the difference"


def test_a_mean_is_that_of_float64(family: Any, tmp_path: Path) -> None:
    _, *tuned = family[0]
    np.testing.assert_allclose(
        merged(Linear(), family[1], tmp_path / "o"), sum(tuned) / 3, rtol=0, atol=1e-15
    )


@pytest.mark.parametrize("run", [256, 1 << 16])
@pytest.mark.parametrize("density", [0.05, 0.3, 0.77])
def test_ties_keeps_exactly_the_largest_of_float64(
    family: Any, tmp_path: Path, density: float, run: int
) -> None:
    (base, *tuned), found = family
    deltas = np.stack([array - base for array in tuned])
    n_kept = max(1, int(density * base.size))
    limits = np.sort(np.abs(deltas).reshape(3, -1), axis=1)[:, -n_kept]
    kept = np.where(np.abs(deltas) >= limits[:, None, None], deltas, 0)
    sign = np.sign(kept.sum(axis=0))
    agrees = (np.sign(kept) == sign) & (kept != 0)
    expected = base + np.where(agrees, kept, 0).sum(axis=0) / np.maximum(1, agrees.sum(axis=0))
    found_numbers = merged(Ties(density=density), found, tmp_path / "o", run)
    np.testing.assert_allclose(found_numbers, expected, rtol=0, atol=1e-15)


def test_breadcrumbs_keeps_its_share_of_float64(family: Any, tmp_path: Path) -> None:
    (base, one, *_), found = family
    delta = one - base
    sizes = np.sort(np.abs(delta), axis=None)
    n = base.size
    n_outliers, n_kept = int(0.1 * n), int(0.5 * n)
    low, high = sizes[n - n_outliers - n_kept], sizes[n - n_outliers - 1]
    kept = np.where((np.abs(delta) >= low) & (np.abs(delta) <= high), delta, 0)
    method = Breadcrumbs(density=0.5, gamma=0.1, scale=1.0)
    assert merged(method, found[:2], tmp_path / "o") == pytest.approx(base + kept, abs=1e-15)


METHODS = {
    card.id: load(card)
    for card in read_catalog()
    if card.entry and card.interface == "TensorMerge" and "data-free" in card.tags
}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_merge_in_float64_is_near_the_one_in_float32(name: str, family: Any, tmp_path: Path) -> None:
    method, rng = METHODS[name](), np.random.default_rng(1)
    base = rng.normal(0, 1, SHAPE).astype(np.float32)
    models = []
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        near = base if number == 0 else base + rng.normal(0, 0.1, SHAPE).astype(np.float32)
        save_file({"model.layers.0.mlp.up_proj.weight": near}, folder / "model.safetensors")
        models.append(Checkpoint.open(folder))
    at_base = models[0] if method.needs_base else None
    plans = [
        plan_merge(method, models[1 : 1 + min(3, method.most or 3)], at_base, precision=precision)
        for precision in ("float32", "float64")
    ]
    assert plans[0].digest != plans[1].digest
    single, double = (next(iter(merge_in_memory(plan).values())) for plan in plans)
    np.testing.assert_allclose(single, double, rtol=2e-5, atol=2e-5)


def test_float64_is_rounded_to_bfloat16_once() -> None:
    # Just above and below the middle of two bfloat16 numbers: by float32 they would be the middle itself.
    middle = 1 + 2.0**-8
    near = np.array([middle, middle + 2.0**-40, middle - 2.0**-40, -middle - 2.0**-40, 3e38, 1e300, np.nan])
    raw = np.empty(len(near), np.uint16)
    assert narrow_long(near, raw) is False
    found = (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)
    up = 1 + 2.0**-7
    np.testing.assert_array_equal(found[:4], [1, up, 1, -up])
    assert found[4] == pytest.approx(3e38, rel=0.01)
    assert np.isinf(found[5])
    assert np.isnan(found[6])


def test_numbers_too_large_for_the_dtype_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    save_file({"w": np.array([1e300])}, folder / "model.safetensors")
    plan = plan_merge(Linear(), [Checkpoint.open(folder)], dtype="float32", precision="float64")
    with pytest.raises(Exception, match=r"'w'.*1e\+300.*F32"):
        Executor().merge(plan, tmp_path / "out")
    assert DTYPES["F64"].n_bytes == 8
