"""Patches that are carried over to a newer base."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calculemus.checkpoint import Checkpoint, with_adapter
from calculemus.errors import CheckpointError, CheckpointMismatchError
from calculemus.events import Note, listening
from calculemus.merging.executor import Executor
from calculemus.merging.plan import plan_merge
from calculemus.merging.portability import FAR, Moving, portability
from calculemus.merging.portllm import PortLLM
from calculemus.rng import Rng

Q = "model.layers.0.self_attn.q_proj"


def write_adapter(folder: Path, rank: int = 2, **config: Any) -> Path:
    from safetensors.numpy import save_file

    folder.mkdir()
    draws = Rng(0, ("adapter",)).generator()
    sides = {"A": (rank, 24), "B": (24, rank)}
    tensors = {
        f"base_model.model.{Q}.lora_{side}.weight": draws.normal(0, 0.1, shape).astype(np.float32)
        for side, shape in sides.items()
    }
    save_file(tensors, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": rank, "lora_alpha": 4, **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def same_bytes(one: Checkpoint, other: Checkpoint) -> bool:
    return {n: one.read_bytes(n) for n in one} == {n: other.read_bytes(n) for n in other}


def test_on_the_old_base_it_is_the_lora_model_to_the_bit(
    family: Any, merge_files: Any, tmp_path: Path
) -> None:
    tuned = with_adapter(family.base, write_adapter(tmp_path / "adapter"))
    assert not np.array_equal(tuned.read(f"{Q}.weight"), family.base.read(f"{Q}.weight"))
    assert same_bytes(merge_files(PortLLM(), [tuned, family.base], family.base), tuned)


def test_the_new_base_gets_the_adapters_product(family: Any, merge_files: Any, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    new = family.tuned[0]
    merged = merge_files(PortLLM(), [with_adapter(family.base, adapter), family.base], new, dtype="float32")
    expected = with_adapter(new, adapter)
    np.testing.assert_allclose(merged.read(f"{Q}.weight"), expected.read(f"{Q}.weight"), atol=1e-6)
    other = "model.layers.0.self_attn.k_proj.weight"
    assert np.array_equal(merged.read(other), new.read(other))


def test_a_patch_that_is_taken_away_again_leaves_the_base(family: Any, merge_files: Any) -> None:
    base, tuned = family.base, family.tuned[0]
    patched = merge_files(PortLLM(), [tuned, base], base)
    assert same_bytes(merge_files(PortLLM(scale=-1.0), [tuned, base], patched), base)


def test_a_tied_head_is_patched_once(family: Any, merge_files: Any) -> None:
    merged = merge_files(PortLLM(), [family.tuned[0], family.base], family.tuned[1])
    assert merged.is_tied
    name = "model.embed_tokens.weight"
    expected = (
        family.tuned[1].read(name).astype(np.float64) + family.tuned[0].read(name) - family.base.read(name)
    )
    np.testing.assert_allclose(merged.read(name), expected, rtol=2**-8)


def test_a_patch_of_other_shapes_is_refused_by_name(family: Any) -> None:
    first = family.base.entries["model.norm.weight"]
    entries = {**family.base.entries, "model.embed_tokens.weight": first}
    other = Checkpoint("other", family.base.folder, entries)
    with pytest.raises(CheckpointMismatchError, match="embed_tokens"):
        plan_merge(PortLLM(), [other, other], family.base)


def test_an_adapter_of_another_kind_is_refused(family: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="DoRA"):
        with_adapter(family.base, write_adapter(tmp_path / "adapter", use_dora=True))


def test_an_adapter_of_rank_0_is_refused(family: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="rank"):
        with_adapter(family.base, write_adapter(tmp_path / "adapter", rank=0))


def flat(model: Checkpoint) -> np.ndarray:
    names = sorted(name for name, entry in model.entries.items() if entry.dtype.is_float)
    return np.concatenate([model.read(name).ravel() for name in names]).astype(np.float64)


def test_the_report_is_that_of_flat_vectors(family: Any) -> None:
    old, tuned, new = (flat(model) for model in (family.base, family.tuned[0], family.tuned[1]))
    found = portability(family.tuned[1], family.tuned[0], family.base)
    way, patch = new - old, tuned - old
    assert found.drift == pytest.approx(np.linalg.norm(way) / np.linalg.norm(old))
    assert found.size == pytest.approx(np.linalg.norm(patch) / np.linalg.norm(old))
    assert found.cosine == pytest.approx(way @ patch / np.linalg.norm(way) / np.linalg.norm(patch), abs=1e-6)
    assert found.correction == pytest.approx(found.drift * found.size)


def notes_of_moving(new: np.ndarray, tuned: np.ndarray, old: np.ndarray) -> list[str]:
    heard: list[Any] = []
    moving = Moving()
    moving.add(new - old, tuned - old, old)
    with listening(heard.append):
        assert moving.is_complete()
    return [event.message for event in heard if isinstance(event, Note)]


def test_it_warns_where_the_base_has_moved_far_and_not_before() -> None:
    old = np.ones(100, np.float32)
    tuned = old + np.float32(0.1)
    assert notes_of_moving(old * np.float32(1 + 0.9 * FAR), tuned, old) == []
    (warning,) = notes_of_moving(old * np.float32(1 + 1.1 * FAR), tuned, old)
    assert "away" in warning


def test_it_warns_of_a_patch_that_changes_nothing() -> None:
    old = np.ones(100, np.float32)
    (warning,) = notes_of_moving(old, old, old)
    assert "changes nothing" in warning


def test_a_merge_onto_a_far_base_warns(family: Any, tmp_path: Path) -> None:
    heard: list[Any] = []
    far = merged_twice(family, tmp_path)
    with listening(heard.append):
        Executor(1).merge(plan_merge(PortLLM(), [family.tuned[0], family.base], far), tmp_path / "out")
    assert any("away" in event.message for event in heard if isinstance(event, Note))


def merged_twice(family: Any, tmp_path: Path) -> Checkpoint:
    """A base that went ten times as far as training took it."""
    plan = plan_merge(PortLLM(scale=10.0), [family.tuned[1], family.base], family.base)
    Executor(1).merge(plan, tmp_path / "far")
    return Checkpoint.open(tmp_path / "far")
