"""The executor: the same bytes however the work is cut up, and what is told and left when it fails."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from calculemus.catalog import load, read_catalog
from calculemus.checkpoint import Checkpoint
from calculemus.events import Event, Note, Progress, listening
from calculemus.merging.base import TensorMerge
from calculemus.merging.executor import Executor
from calculemus.merging.linear import Linear
from calculemus.merging.plan import Plan, plan_merge
from calculemus.merging.task_arithmetic import TaskArithmetic
from calculemus.merging.ties import Ties

METHODS: dict[str, Any] = {
    card.id: load(card)
    for card in read_catalog()
    if card.entry and card.interface == "TensorMerge" and "data-free" in card.tags
}


def plan_of(method: TensorMerge, family: Any, **options: Any) -> Plan:
    models = family.tuned[: method.most or 3]
    return plan_merge(method, models, family.base if method.needs_base else None, **options)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def long_family(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Models whose tensors are longer than the shortest runs, and no multiple of them."""

    class Long:
        def __init__(self) -> None:
            torch.manual_seed(0)
            self.base = self.save(
                "base", base := {"layers.0.w": torch.randn(97, 31), "layers.1.w": torch.randn(2999)}
            )
            near = [{k: v + 0.1 * torch.randn_like(v) for k, v in base.items()} for _ in range(3)]
            self.tuned = tuple(self.save(f"tuned{n}", tensors) for n, tensors in enumerate(near))

        def save(self, name: str, tensors: dict[str, torch.Tensor]) -> Checkpoint:
            path = tmp_path_factory.mktemp(name) / "model.safetensors"
            save_file({k: v.bfloat16() for k, v in tensors.items()}, path)
            return Checkpoint.open(path)

    return Long()


@pytest.mark.parametrize("method", [*sorted(METHODS), "ties_model"])
def test_runs_and_threads_change_no_byte(method: str, long_family: Any, tmp_path: Path) -> None:
    made = Ties(scope="model") if method == "ties_model" else METHODS[method]()
    plan = plan_of(made, long_family)
    found = []
    for number, (run, threads) in enumerate([(1 << 20, 1), (256, 1), (256, 8), (777, 2), (1024, 4)]):
        folder = tmp_path / str(number)
        Executor(threads, run).merge(plan, folder)
        found.append(files_of(folder))
    assert all(files == found[0] for files in found)


def test_the_layout_of_the_inputs_changes_no_byte(family: Any, tmp_path: Path) -> None:
    def rewritten(model: Checkpoint, folder: Path) -> Checkpoint:
        """One file in place of several, tensors in another order."""
        folder.mkdir()
        tensors = {
            n: t
            for path in sorted({e.path for e in model.entries.values()})
            for n, t in load_file(path).items()
        }
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        (folder / "config.json").write_bytes((model.folder / "config.json").read_bytes())
        return Checkpoint.open(folder)

    base = rewritten(family.base, tmp_path / "base")
    tuned = [rewritten(model, tmp_path / f"tuned{n}") for n, model in enumerate(family.tuned)]
    Executor().merge(plan_merge(Ties(), family.tuned, family.base), tmp_path / "one")
    Executor().merge(plan_merge(Ties(), tuned, base), tmp_path / "two")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_output_in_several_files_is_the_same_model(family: Any, tmp_path: Path) -> None:
    plan = plan_of(TaskArithmetic(), family)
    Executor().merge(plan, tmp_path / "one")
    Executor(shard_bytes=3000).merge(plan, tmp_path / "many")
    one, many = Checkpoint.open(tmp_path / "one"), Checkpoint.open(tmp_path / "many")
    assert len({entry.path for entry in many.entries.values()}) > 2
    assert one.digest() == many.digest()
    index = json.loads((tmp_path / "many" / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == one.n_bytes
    for path in {entry.path for entry in many.entries.values()} | {tmp_path / "one" / "model.safetensors"}:
        assert set(load_file(path)) <= set(one)


def test_the_numbers_are_those_of_the_formula(family: Any, tmp_path: Path) -> None:
    Executor().merge(
        plan_merge(TaskArithmetic(scale=0.5), family.tuned[:2], family.base, dtype="float32"), tmp_path / "m"
    )
    merged = Checkpoint.open(tmp_path / "m")
    for name, entry in merged.entries.items():
        if entry.dtype.is_float:
            base, one, two = (m.read(name).astype(np.float64) for m in (family.base, *family.tuned[:2]))
            np.testing.assert_allclose(
                merged.read(name), base + 0.5 * (one + two - 2 * base), rtol=1e-6, atol=1e-6
            )
            assert entry.dtype.name == "F32"
        else:
            assert merged.read_bytes(name) == family.base.read_bytes(name)
    assert merged.config["torch_dtype"] == "float32"
    assert merged.is_tied


def test_what_lies_beside_the_weights_comes_along(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"w": torch.ones(3)}, folder / "model.safetensors")
    beside = {"config.json": '{"a": 1}', "tokenizer.json": "{}", "merges.txt": "a b", "optimizer.json": "{}"}
    for name, text in beside.items():
        (folder / name).write_text(text)
    Executor().merge(plan_merge(Linear(), [Checkpoint.open(folder)]), tmp_path / "out")
    found = files_of(tmp_path / "out")
    assert sorted(found) == ["config.json", "merges.txt", "model.safetensors", "tokenizer.json"]
    assert all(found[name] == text.encode() for name, text in beside.items() if name in found)


def one_file(folder: Path, name: str, **tensors: torch.Tensor) -> Checkpoint:
    save_file(tensors, folder / f"{name}.safetensors")
    return Checkpoint.open(folder / f"{name}.safetensors")


def test_whole_numbers_are_the_bases_and_a_note_says_where_models_differ(tmp_path: Path) -> None:
    models = [one_file(tmp_path, str(n), w=torch.ones(2), steps=torch.tensor(n)) for n in range(3)]
    heard: list[Event] = []
    with listening(heard.append):
        Executor().merge(plan_merge(TaskArithmetic(), models[:2], models[2]), tmp_path / "out")
    assert load_file(tmp_path / "out" / "model.safetensors")["steps"] == 2
    (note,) = [event.message for event in heard if isinstance(event, Note)]
    assert "'steps' holds I64 and is not the same in all models" in note
    ends = [event for event in heard if isinstance(event, Progress)]
    assert ends[-1].finished
    with listening(heard.append):
        heard.clear()
        Executor().merge(plan_merge(TaskArithmetic(), [models[2]], models[2]), tmp_path / "same")
    assert not [event for event in heard if isinstance(event, Note)]
