"""Merges in memory, and what a plan may carry beside the models: order, further tensors, changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from calculemus.catalog import load, read_catalog
from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError, NotConformingError
from calculemus.merging.base import Numbers, Part, TensorMerge
from calculemus.merging.executor import Executor
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.linear import Linear
from calculemus.merging.passthrough import Passthrough
from calculemus.merging.plan import Change, Plan, plan_merge
from calculemus.merging.structure import Layout, Source, StructureEdit, plan_edit
from calculemus.merging.ties import Ties

METHODS: dict[str, Any] = {
    card.id: load(card)
    for card in read_catalog()
    if card.entry and card.interface == "TensorMerge" and "data-free" in card.tags
}


def in_files(plan: Plan, folder: Path) -> Checkpoint:
    Executor(threads=2, run=300).merge(plan, folder)
    return Checkpoint.open(folder)


def require_same(plan: Plan, folder: Path) -> None:
    """See that memory and files hold the same numbers."""
    made, merged = in_files(plan, folder), merge_in_memory(plan, threads=2)
    assert set(merged) == {name for name, entry in made.entries.items() if entry.dtype.is_float}
    for name, numbers in merged.items():
        np.testing.assert_array_equal(numbers, made.read(name))


@pytest.mark.parametrize("name", sorted(METHODS))
def test_memory_has_the_numbers_of_the_files(name: str, family: Any, tmp_path: Path) -> None:
    method = METHODS[name]()
    base = family.base if method.needs_base else None
    require_same(plan_merge(method, family.tuned[: method.most or 3], base), tmp_path / "out")


def test_memory_has_what_an_edit_copies(family: Any, tmp_path: Path) -> None:
    require_same(plan_edit(Passthrough(slices=("0[0:1]", "1[1:2]*0.5")), family.tuned[:2]), tmp_path / "out")


def test_memory_has_the_merge_by_a_whole_model(family: Any, tmp_path: Path) -> None:
    require_same(plan_merge(Ties(scope="model"), family.tuned, family.base), tmp_path / "out")


@dataclass(frozen=True)
class First(TensorMerge):
    """Takes the first model."""

    is_ordered: ClassVar[bool] = True

    def merge(self, part: Part, found: Any) -> Numbers:
        return part.inputs[0].copy()


def test_an_ordered_merge_sees_models_in_the_users_order(family: Any) -> None:
    name = "model.embed_tokens.weight"
    for order in ([0, 1, 2], [2, 0, 1]):
        models = [family.tuned[i] for i in order]
        merged = merge_in_memory(plan_merge(First(), models))
        np.testing.assert_array_equal(merged[name], models[0].read(name))


@dataclass(frozen=True)
class Beside(TensorMerge):
    """Adds what lies beside the first model, or the sum of it where its size is another."""

    def merge(self, part: Part, found: Any) -> Numbers:
        total = part.inputs[0].copy()
        for extra in part.extras:
            if extra is not None:
                total = total + (extra if len(extra) == len(total) else extra.sum())
        return total


def test_further_tensors_are_read_beside_the_models(family: Any, write: Any, tmp_path: Path) -> None:
    name, norm = "model.layers.0.self_attn.q_proj.weight", "model.norm.weight"
    given = {name: np.arange(24 * 24).reshape(24, 24) / 64, norm: np.array([1.0, 2.0, 4.0])}
    extra = write(tmp_path / "extra", given)
    plan = plan_merge(Beside(), [family.base], extras=[extra], dtype="float32")
    for run in (100, 1 << 16):
        folder = tmp_path / f"out{run}"
        Executor(2, run).merge(plan, folder)
        made = Checkpoint.open(folder)
        np.testing.assert_array_equal(
            made.read(name), family.base.read(name) + given[name].astype(np.float32)
        )
        np.testing.assert_array_equal(made.read(norm), family.base.read(norm) + 7)
        other = "model.layers.1.self_attn.q_proj.weight"
        np.testing.assert_array_equal(made.read(other), family.base.read(other))
    assert plan.digest != replace(plan, read=("other",)).digest
    assert plan.read


@pytest.fixture
def write() -> Any:
    from safetensors.numpy import save_file

    def write(folder: Path, tensors: dict[str, Any]) -> Checkpoint:
        folder.mkdir()
        save_file(
            {name: value.astype(np.float32) for name, value in tensors.items()}, folder / "model.safetensors"
        )
        return Checkpoint.open(folder)

    return write


@dataclass(frozen=True)
class Edited(StructureEdit):
    """Writes one tensor, from sources that are changed."""

    sources: tuple[Any, ...] = ()

    def layout(self, models: Sequence[Checkpoint]) -> Layout:
        return Layout({"w": self.sources})


def turned(shape: tuple[int, int]) -> Change:
    return Change("turned", shape[::-1], lambda numbers: numbers.T)


NAME = "model.layers.0.mlp.up_proj.weight"
OTHER = "model.layers.0.mlp.down_proj.weight"


def test_a_changed_tensor_is_summed_with_others_of_its_new_shape(family: Any, tmp_path: Path) -> None:
    edit = Edited(sources=(Source(0, NAME, 0.5, turned((50, 24))), Source(1, OTHER, 2.0)))
    plan = plan_edit(edit, family.tuned[:2])
    first, second = family.tuned[0].read(NAME), family.tuned[1].read(OTHER)
    expected = (first.T * np.float32(0.5) + second * np.float32(2)).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(in_files(plan, tmp_path / "out").read("w"), expected)
    require_same(plan, tmp_path / "again")


def test_what_is_done_to_a_tensor_names_the_plan(family: Any) -> None:
    plans = [
        plan_edit(
            Edited(sources=(Source(0, NAME, 1.0, Change(key, (50, 24), lambda x: x)),)), family.tuned[:1]
        )
        for key in ("one", "other")
    ]
    assert plans[0].digest != plans[1].digest


def test_shapes_are_compared_after_the_change(family: Any) -> None:
    with pytest.raises(CheckpointMismatchError, match=r"\(24, 50\).*\(50, 24\)"):
        plan_edit(Edited(sources=(Source(0, NAME, 1.0, turned((50, 24))), Source(1, NAME))), family.tuned[:2])


def test_a_change_that_gives_another_shape_than_it_says_is_named(family: Any, tmp_path: Path) -> None:
    wrong = Change("wrong", (24, 50), lambda numbers: numbers)
    plan = plan_edit(Edited(sources=(Source(0, NAME, 1.0, wrong),)), family.tuned[:1])
    with pytest.raises(NotConformingError, match=r"\(50, 24\) came out; expected \(24, 50\)"):
        Executor().merge(plan, tmp_path / "out")


def test_a_merge_in_memory_writes_nothing(family: Any, tmp_path: Path) -> None:
    merge_in_memory(plan_merge(Linear(), family.tuned))
    assert list(tmp_path.iterdir()) == []
