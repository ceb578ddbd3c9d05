"""Adapters from models: the theorem of Eckart and Young, the format of PEFT, and what is said of the loss."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from calculemus.checkpoint import Checkpoint, with_adapter
from calculemus.errors import CheckpointMismatchError, InvalidParameterError, OutputError
from calculemus.merging.lora_extract import EXACT, extract_lora, factorise
from calculemus.rng import Rng

Q, DOWN = "model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.down_proj.weight"
EMBED, NORM, BIAS = "model.embed_tokens.weight", "model.norm.weight", "model.layers.0.self_attn.q_proj.bias"
SHAPES = {Q: (12, 8), DOWN: (5, 20), EMBED: (7, 8), NORM: (8,), BIAS: (12,)}


def write(folder: Path, tensors: dict[str, np.ndarray], **config: Any) -> Checkpoint:
    folder.mkdir()
    save_file(
        {name: array.astype(np.float32) for name, array in tensors.items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    return Checkpoint.open(folder)


def random(seed: int, names: tuple[str, ...] = tuple(SHAPES)) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=SHAPES[name]) for name in names}


@pytest.fixture
def base(tmp_path: Path) -> Checkpoint:
    return write(tmp_path / "base", random(1))


def tuned_by(base: Checkpoint, changes: dict[str, np.ndarray], folder: Path) -> Checkpoint:
    changed = {name: base.read(name) + changes.get(name, 0) for name in base}
    return write(folder, changed, **base.config)


def test_an_adapter_of_full_rank_gives_the_model_again(base: Checkpoint, tmp_path: Path) -> None:
    tuned = tuned_by(base, random(2, (Q, DOWN)), tmp_path / "tuned")
    found = extract_lora(tuned, base, 8, tmp_path / "lora")
    adapted = with_adapter(base, tmp_path / "lora")
    for name in base:
        np.testing.assert_allclose(adapted.read(name), tuned.read(name), atol=1e-5)
    assert [layer.kept for layer in found.layers] == pytest.approx([1, 1])
    assert found.kept == pytest.approx(1)
    assert found.left_out == ()


def test_a_change_of_the_rank_is_found_exactly(base: Checkpoint, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    change = rng.normal(size=(12, 2)) @ rng.normal(size=(2, 8))
    tuned = tuned_by(base, {Q: change}, tmp_path / "tuned")
    found = extract_lora(tuned, base, 2, tmp_path / "lora")
    np.testing.assert_allclose(with_adapter(base, tmp_path / "lora").read(Q), tuned.read(Q), atol=1e-5)
    still = next(layer for layer in found.layers if layer.name == DOWN)
    assert (still.norm, still.error, still.kept) == (0, 0, 1)


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_what_is_lost_are_the_singular_values_behind_the_rank(
    rank: int, base: Checkpoint, tmp_path: Path
) -> None:
    tuned = tuned_by(base, random(4), tmp_path / "tuned")
    found = extract_lora(tuned, base, rank, tmp_path / "lora")
    adapted = with_adapter(base, tmp_path / "lora")
    for layer in found.layers:
        delta = tuned.read(layer.name).astype(np.float64) - base.read(layer.name)
        values = np.linalg.svd(delta, compute_uv=False)
        assert layer.error == pytest.approx(np.sqrt(np.sum(values[rank:] ** 2)), rel=1e-5, abs=1e-5)
        left = np.linalg.norm(adapted.read(layer.name) - tuned.read(layer.name).astype(np.float64))
        assert left == pytest.approx(layer.error, rel=1e-4, abs=1e-5)
        assert layer.kept == pytest.approx(np.sum(values[:rank] ** 2) / np.sum(values**2), rel=1e-5)
        assert layer.best == pytest.approx(layer.kept)


def test_what_is_no_linear_layer_is_left_out_and_counted(base: Checkpoint, tmp_path: Path) -> None:
    changes = random(5)
    tuned = tuned_by(base, changes, tmp_path / "tuned")
    found = extract_lora(tuned, base, 20, tmp_path / "lora")
    energies = {name: np.sum((tuned.read(name) - base.read(name)) ** 2) for name in changes}
    assert set(found.left_out) == {EMBED, NORM, BIAS}
    outside = sum(energies[name] for name in found.left_out)
    assert found.left_out_energy == pytest.approx(outside / sum(energies.values()), rel=1e-5)
    assert found.kept == pytest.approx(1 - found.left_out_energy, rel=1e-5)


def test_weights_with_columns_for_rows_are_turned(tmp_path: Path) -> None:
    name = "transformer.h.0.attn.c_attn.weight"
    rng = np.random.default_rng(6)
    base = write(tmp_path / "base", {name: rng.normal(size=(6, 18))}, model_type="gpt2")
    tuned = tuned_by(base, {name: rng.normal(size=(6, 18))}, tmp_path / "tuned")
    extract_lora(tuned, base, 6, tmp_path / "lora")
    factors = load_file(tmp_path / "lora" / "adapter_model.safetensors")
    assert {key.rsplit("lora_", 1)[1]: array.shape for key, array in factors.items()} == {
        "A.weight": (6, 6),
        "B.weight": (18, 6),
    }
    np.testing.assert_allclose(with_adapter(base, tmp_path / "lora").read(name), tuned.read(name), atol=1e-5)


def test_the_folder_is_in_the_format_of_peft(base: Checkpoint, tmp_path: Path) -> None:
    tuned = tuned_by(base, random(7), tmp_path / "tuned")
    extract_lora(tuned, base, 3, tmp_path / "lora", "BF16")
    config = json.loads((tmp_path / "lora" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 3, 3)
    modules = [name.removesuffix(".weight") for name in (Q, DOWN)]
    assert sorted(config["target_modules"]) == sorted(modules)
    adapter = Checkpoint.open(tmp_path / "lora")
    expected = {f"base_model.model.{module}.lora_{side}.weight" for module in modules for side in "AB"}
    assert set(adapter) == expected
    assert {entry.dtype.name for entry in adapter.entries.values()} == {"BF16"}


def test_a_sketch_keeps_nearly_as_much_as_can_be_kept_and_says_how_much_more_there_may_be() -> None:
    rng = np.random.default_rng(8)
    rows, columns, rank = EXACT + 76, EXACT + 1, 8
    sizes = 1 / np.arange(1, 41)
    left, right = (np.linalg.qr(rng.normal(size=(n, 40)))[0] for n in (rows, columns))
    matrix = ((left * sizes) @ right.T).astype(np.float32)
    found = factorise(matrix, rank, Rng(0, ("test",)))
    best = np.sum(sizes[:rank] ** 2)
    assert found.kept == pytest.approx(best, rel=1e-5)
    assert best <= (found.kept + found.most_missed) * (1 + 1e-6)
    assert 0 < found.most_missed < np.sum(sizes[rank:] ** 2)
    lost = np.sum((matrix.astype(np.float64) - found.b.astype(np.float64) @ found.a) ** 2)
    assert lost == pytest.approx(found.energy - found.kept, rel=1e-4)
    again = factorise(matrix, rank, Rng(0, ("test",)))
    np.testing.assert_array_equal(again.a, found.a)


def test_what_cannot_be_extracted_is_named(base: Checkpoint, tmp_path: Path) -> None:
    tuned = tuned_by(base, random(9), tmp_path / "tuned")
    with pytest.raises(InvalidParameterError, match="the rank is 0"):
        extract_lora(tuned, base, 0, tmp_path / "lora")
    extract_lora(tuned, base, 1, tmp_path / "lora")
    with pytest.raises(OutputError, match=r"holds adapter_model\.safetensors"):
        extract_lora(tuned, base, 1, tmp_path / "lora")
    flat = write(tmp_path / "flat", {NORM: np.ones(8)})
    with pytest.raises(CheckpointMismatchError, match="no tensor is named like a linear layer"):
        extract_lora(flat, flat, 1, tmp_path / "other")
    other = write(tmp_path / "wide", {**random(1), Q: np.ones((12, 9))})
    with pytest.raises(CheckpointMismatchError, match=r"has the shape \(12, 9\) and \(12, 8\)"):
        extract_lora(other, base, 1, tmp_path / "other")
    assert not (tmp_path / "other").exists()
