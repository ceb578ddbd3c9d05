"""What samples of numbers say of a base and its models, and what a merge of them costs."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from calculemus.checkpoint import Checkpoint
from calculemus.merging import preflight_costs, preflight_samples
from calculemus.merging.preflight import Report, preflight
from calculemus.merging.preflight_costs import Speed

SHAPES = {
    "model.embed_tokens.weight": (8, 4),
    "model.layers.0.mlp.up_proj.weight": (40, 20),
    "model.norm.weight": (4,),
}


def write(folder: Path, seed: int, near: Path | None = None) -> Path:
    """Tensors without anything beside them; random, or near those of another model."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    found = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    if near is not None:
        origin = load_file(near / "model.safetensors")
        found = {name: origin[name] + 0.1 * array for name, array in found.items()}
    save(folder, found)
    return folder


def save(folder: Path, found: dict[str, np.ndarray], dtype: Any = np.float32) -> None:
    save_file({name: array.astype(dtype) for name, array in found.items()}, folder / "model.safetensors")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    base = write(tmp_path / "base", 1)
    return base, write(tmp_path / "one", 2, base), write(tmp_path / "two", 3, base)


def look(base: Path | None, *models: Path, **options: Any) -> Report:
    opened = [Checkpoint.open(folder) for folder in models]
    return preflight(
        opened, Checkpoint.open(base) if base is not None else None, speed=Speed(1e6, 2e6), **options
    )


def test_a_base_that_is_none_is_doubted(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, one, two = folders
    stranger = write(tmp_path / "stranger", 9)
    found = look(stranger, one, two).warnings
    assert sum("looks like the wrong base" in str(finding) for finding in found) == 2
    assert any("looks like" in str(f) for f in look(stranger, one).warnings)
    apart = look(None, one, stranger).warnings
    assert any("norms apart" in finding.found for finding in apart)


def test_two_models_of_a_later_one_point_to_it(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, one, _ = folders
    tuned = []
    for n in range(2):
        folder = tmp_path / f"later{n}"
        shutil.copytree(one, folder)
        rng = np.random.default_rng(n)
        later = load_file(one / "model.safetensors")
        save(folder, {name: array + 0.005 * rng.normal(size=array.shape) for name, array in later.items()})
        tuned.append(folder)
    (finding,) = look(base, *tuned).warnings
    assert "have a cosine of 0.99" in finding.found
    assert finding.fix == f"Both seem to be made from a later model than {base}: name that one as --base"


def test_a_model_that_is_there_twice_or_is_the_base_is_noted(folders: tuple[Path, Path, Path]) -> None:
    base, one, _ = folders
    assert "are the same model" in look(base, one, one).findings[0].found
    assert "is the base itself" in look(base, base, one).findings[0].found
    assert "is the same model as" in look(None, one, one).findings[0].found


def test_sums_of_samples_come_near_those_of_all_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    shape = (300, 400)
    values = {"base": rng.normal(size=shape)}
    values["tuned"] = values["base"] + 0.8 * rng.normal(size=shape)
    for name, array in values.items():
        (tmp_path / name).mkdir()
        save(tmp_path / name, {"w": array})
    (finding,) = look(tmp_path / "base", tmp_path / "tuned").warnings
    ratio = np.linalg.norm(values["tuned"] - values["base"]) / np.linalg.norm(values["base"])
    said = float(finding.found.split(" lies ")[1].split()[0])
    assert said == pytest.approx(ratio, rel=0.05)
    entry = Checkpoint.open(tmp_path / "base").entry("w")
    flat = values["base"].astype(np.float32).ravel()
    sample = preflight_samples.sample(entry)
    starts = [(flat.size - 512) * i // 7 for i in range(8)]
    np.testing.assert_array_equal(sample, np.concatenate([flat[start : start + 512] for start in starts]))


def test_damage_is_found_in_a_tensor_of_another_shape(folders: tuple[Path, Path, Path]) -> None:
    base, one, two = folders
    save(one, {**load_file(one / "model.safetensors"), "model.norm.weight": np.array([1, np.nan])})
    assert {finding.topic for finding in look(base, one, two).errors} == {"shapes", "numbers"}


def test_costs_are_bytes_by_the_speed_of_disks(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, one, two = folders
    n = 4 * sum(int(np.prod(shape)) for shape in SHAPES.values())
    costs = look(base, one, two, out=tmp_path / "deep" / "out", dtype="bfloat16").costs
    assert (costs.bytes_read, costs.bytes_written) == (3 * n, n // 2)
    assert costs.seconds == pytest.approx(3 * n / 1e6 + n / 2 / 2e6)
    assert costs.bytes_free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.5)
    save(two, load_file(two / "model.safetensors"), np.float16)
    assert look(None, two, one).costs.bytes_written == n, "without a base the widest format is written"


def test_a_disk_without_room_is_an_error(
    folders: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, one, _ = folders
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(preflight_costs.shutil, "disk_usage", lambda _: usage)
    (finding,) = look(base, one, out=tmp_path / "out").errors
    assert finding.topic == "disk"
    assert "or name a folder on another disk" in finding.fix


def test_the_speed_is_measured_and_nothing_is_left(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, one, _ = folders
    before = sorted(tmp_path.rglob("*"))
    report = preflight([Checkpoint.open(one)], Checkpoint.open(base), out=tmp_path / "out")
    assert report.costs.seconds is not None
    assert 0 < report.costs.seconds < 60
    assert sorted(tmp_path.rglob("*")) == before
