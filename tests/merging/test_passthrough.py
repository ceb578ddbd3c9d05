"""Stacking layers, and structure edits in general."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointError, CheckpointMismatchError, InvalidParameterError
from calculemus.merging.executor import Executor
from calculemus.merging.layers import address, in_layer
from calculemus.merging.passthrough import Passthrough
from calculemus.merging.structure import Layout, Source, StructureEdit, plan_edit

Edit = Callable[..., Checkpoint]


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    def run(edit: StructureEdit, models: Sequence[Checkpoint], threads: int = 1) -> Checkpoint:
        folder = tmp_path / f"edited{len(list(tmp_path.iterdir()))}"
        Executor(threads, 256).merge(plan_edit(edit, models), folder)
        return Checkpoint.open(folder)

    return run


@dataclass(frozen=True)
class Table(StructureEdit):
    """An edit whose table is given."""

    table: Any = ()

    def layout(self, models: Sequence[Checkpoint]) -> Layout:
        del models
        return Layout(dict(self.table))


def test_without_slices_the_model_is_copied(family: Any, edit: Edit) -> None:
    copied = edit(Passthrough(), [family.base])
    assert {name: copied.read_bytes(name) for name in copied} == {
        name: family.base.read_bytes(name) for name in family.base
    }
    assert copied.config == family.base.config
    assert copied.is_tied


def test_every_tensor_is_the_one_that_its_slice_names(family: Any, edit: Edit) -> None:
    one, two = family.tuned[:2]
    stacked = edit(Passthrough(("0[0:2]", "1[1:2]", "0[1:2]", "1[0:1]")), [one, two], threads=3)
    origins = [(one, 0), (one, 1), (two, 1), (one, 1), (two, 0)]
    assert stacked.config["num_hidden_layers"] == len(origins)
    for name in stacked:
        at = address(name)
        if at.layer is not None:
            model, layer = origins[at.layer]
            assert stacked.read_bytes(name) == model.read_bytes(in_layer(name, layer))
    assert stacked.read_bytes("model.embed_tokens.weight") == one.read_bytes("model.embed_tokens.weight")
    assert stacked.read_bytes("model.norm.weight") == two.read_bytes("model.norm.weight")


def test_the_head_of_one_model_on_the_embeddings_of_another_is_written_out(family: Any, edit: Edit) -> None:
    one, two = family.tuned[:2]
    stacked = edit(Passthrough(("0[0:1]", "1[1:2]")), [one, two])
    assert not stacked.is_tied
    assert stacked.config["tie_word_embeddings"] is False
    assert stacked.read_bytes("lm_head.weight") == two.read_bytes("model.embed_tokens.weight")
    again = edit(Passthrough(("0[0:1]", "1[1:2]", "0[0:1]")), [one, two])
    assert again.is_tied


def test_a_scale_multiplies_what_layers_add_to_the_stream(family: Any, edit: Edit) -> None:
    stacked = edit(Passthrough(("0[0:2]", "0[1:2]*0.5")), [family.base])
    for name in stacked:
        at = address(name)
        if at.layer != 2 or at.part not in ("o", "down"):
            continue
        source = family.base.read(in_layer(name, 1))
        np.testing.assert_array_equal(stacked.read(name), source * np.float32(0.5))
    up = "model.layers.2.mlp.up_proj.weight"
    assert stacked.read_bytes(up) == family.base.read_bytes(in_layer(up, 1))


def test_kinds_of_layers_go_with_them(family: Any, tmp_path: Path) -> None:
    model = Checkpoint(family.base.name, tmp_path, family.base.entries)
    (tmp_path / "config.json").write_text('{"n_layer": 2, "layer_types": ["full", "sliding"]}')
    layout = Passthrough(("0[1:2]", "0[0:2]")).layout([model])
    assert layout.config == {"n_layer": 3, "layer_types": ["sliding", "full", "sliding"]}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0[0-1]", "cannot be read"),
        ("1[0:1]", "expected one of 1"),
        ("0[1:3]", "with 2 layers"),
        ("0[1:1]", "first < stop"),
    ],
)
def test_a_slice_that_is_not_there_is_named(text: str, found: str, family: Any) -> None:
    with pytest.raises(InvalidParameterError, match="Passthrough: the slice") as raised:
        plan_edit(Passthrough((text,)), [family.base])
    assert found in str(raised.value)


def test_layers_of_other_widths_do_not_stack(family: Any) -> None:
    narrow = Checkpoint(
        "narrow",
        family.base.folder,
        {n: e for n, e in family.base.entries.items() if "k_proj" not in n},
    )
    with pytest.raises(CheckpointMismatchError, match="k_proj"):
        plan_edit(Passthrough(("0[0:1]", "1[0:1]")), [family.base, narrow])


def test_tensors_may_be_added_up(family: Any, edit: Edit) -> None:
    name = "model.layers.0.input_layernorm.weight"
    halves = (Source(0, name, 0.5), Source(1, name, 0.5))
    made = edit(Table((("mean", halves), ("copy", (Source(1, name),)))), family.tuned[:2])
    first, second = (model.read(name) for model in family.tuned[:2])
    np.testing.assert_allclose(made.read("mean"), (first + second) / 2, atol=1e-7)
    assert made.read_bytes("copy") == family.tuned[1].read_bytes(name)
    assert json.loads((made.folder / "config.json").read_text()) == family.tuned[0].config


@pytest.mark.parametrize(
    ("sources", "error", "found"),
    [
        ((Source(0, "model.nom.weight"),), CheckpointError, "model.norm.weight"),
        ((Source(2, "model.norm.weight"),), InvalidParameterError, "model 2"),
        ((Source(0, "model.positions", 0.5),), CheckpointMismatchError, "holds I64"),
        (
            (Source(0, "model.norm.weight"), Source(0, "model.temperature")),
            CheckpointMismatchError,
            "one shape",
        ),
    ],
)
def test_a_table_that_cannot_be_made_is_refused(sources: Any, error: Any, found: str, family: Any) -> None:
    with pytest.raises(error, match=found):
        plan_edit(Table((("out", sources),)), [family.base])


def test_another_table_is_another_plan(family: Any) -> None:
    plans = [
        plan_edit(Table((("out", (Source(0, name, scale),)),)), [family.base])
        for name in ("model.norm.weight", "model.layers.0.input_layernorm.weight")
        for scale in (1.0, 0.5)
    ]
    assert len({plan.digest for plan in plans}) == 4
