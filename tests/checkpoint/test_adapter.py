"""Adapters as checkpoints: the formula of PEFT, whichever way a tensor is cut, and what is refused."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from calculemus.checkpoint import Checkpoint, with_adapter
from calculemus.checkpoint.fingerprint import fingerprint
from calculemus.errors import CheckpointError, CheckpointMismatchError
from calculemus.merging.executor import Executor
from calculemus.merging.linear import Linear
from calculemus.merging.plan import plan_merge
from calculemus.merging.task_arithmetic import TaskArithmetic

BASE = {
    "model.embed.weight": torch.randn(10, 6, generator=torch.Generator().manual_seed(1)),
    "model.q_proj.weight": torch.randn(6, 5, generator=torch.Generator().manual_seed(2)),
    "model.v_proj.weight": torch.randn(300, 5, generator=torch.Generator().manual_seed(3)).bfloat16(),
    "model.norm.weight": torch.ones(6),
}
RANK = 3


@pytest.fixture
def base(tmp_path: Path) -> Checkpoint:
    folder = tmp_path / "base"
    folder.mkdir()
    save_file(BASE, folder / "model.safetensors")
    return Checkpoint.open(folder)


def pair(rows: int, columns: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return torch.randn(RANK, columns), torch.randn(rows, RANK)


def save_adapter(folder: Path, tensors: dict[str, torch.Tensor], **config: Any) -> Path:
    folder.mkdir()
    named = {f"base_model.model.{name}": tensor.contiguous() for name, tensor in tensors.items()}
    save_file(named, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": RANK, "lora_alpha": 6, **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


A, B = pair(6, 5)
LORA = {"model.q_proj.lora_A.weight": A, "model.q_proj.lora_B.weight": B}


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 6 / RANK),
        ({"use_rslora": True}, 6 / math.sqrt(RANK)),
        ({"alpha_pattern": {"q_proj": 12}}, 12 / RANK),
        ({"alpha_pattern": {"other": 12, r".*\.q_proj": 3}}, 3 / RANK),
    ],
)
def test_an_adapted_tensor_is_the_weight_and_the_scaled_product(
    config: dict[str, Any], scale: float, base: Checkpoint, tmp_path: Path
) -> None:
    adapted = with_adapter(base, save_adapter(tmp_path / "lora", LORA, **config))
    expected = BASE["model.q_proj.weight"] + scale * B @ A
    np.testing.assert_allclose(adapted.read("model.q_proj.weight"), expected.numpy(), rtol=1e-5, atol=1e-5)
    assert adapted.read_bytes("model.norm.weight") == base.read_bytes("model.norm.weight")
    assert sorted(adapted) == sorted(base)


def test_turned_weights_and_embeddings_are_changed_by_the_turned_product(
    base: Checkpoint, tmp_path: Path
) -> None:
    a, b = pair(5, 6)
    turned = {"model.q_proj.lora_A.weight": a, "model.q_proj.lora_B.weight": b}
    adapted = with_adapter(base, save_adapter(tmp_path / "turned", turned, fan_in_fan_out=True))
    expected = BASE["model.q_proj.weight"] + 2 * (b @ a).T
    np.testing.assert_allclose(adapted.read("model.q_proj.weight"), expected.numpy(), rtol=1e-5, atol=1e-5)
    a, b = pair(6, 10)
    embedding = {"model.embed.lora_embedding_A": a, "model.embed.lora_embedding_B": b}
    adapted = with_adapter(base, save_adapter(tmp_path / "embedding", embedding))
    expected = BASE["model.embed.weight"] + 2 * (b @ a).T
    np.testing.assert_allclose(adapted.read("model.embed.weight"), expected.numpy(), rtol=1e-5, atol=1e-5)


def test_a_tensor_that_was_trained_whole_takes_the_place_of_the_bases(
    base: Checkpoint, tmp_path: Path
) -> None:
    adapted = with_adapter(
        base, save_adapter(tmp_path / "l", {**LORA, "model.norm.weight": torch.full((6,), 7.0)})
    )
    assert adapted.read("model.norm.weight").tolist() == [7] * 6


def test_a_merge_of_adapted_models_is_the_same_for_every_cut_and_is_rounded_once(
    base: Checkpoint, tmp_path: Path
) -> None:
    a, b = pair(300, 5)
    folder = save_adapter(tmp_path / "l", {"model.v_proj.lora_A.weight": a, "model.v_proj.lora_B.weight": b})
    adapted = with_adapter(base, folder)
    for number, run in enumerate((1 << 16, 256, 257)):
        Executor(run=run).merge(plan_merge(Linear(), [adapted]), tmp_path / f"out{number}")
        merged = Checkpoint.open(tmp_path / f"out{number}")
        for name in base:
            assert merged.read_bytes(name) == adapted.read_bytes(name)
    exact = BASE["model.v_proj.weight"].double() + 2 * (b.double() @ a.double())
    rounded = torch.from_numpy(adapted.read("model.v_proj.weight"))
    torch.testing.assert_close(rounded.double(), exact, rtol=1e-5, atol=1e-5)
    half = plan_merge(TaskArithmetic(scale=0.5), [adapted], base, dtype="float32")
    Executor().merge(half, tmp_path / "half")
    found = Checkpoint.open(tmp_path / "half").read("model.v_proj.weight")
    expected = BASE["model.v_proj.weight"].double() + b.double() @ a.double()
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)


def test_an_adapter_changes_what_names_a_model(base: Checkpoint, tmp_path: Path) -> None:
    one = with_adapter(base, save_adapter(tmp_path / "one", LORA))
    two = with_adapter(base, save_adapter(tmp_path / "two", LORA, lora_alpha=7))
    three = with_adapter(
        base, save_adapter(tmp_path / "three", {**LORA, "model.q_proj.lora_A.weight": A + 1})
    )
    assert len({fingerprint(model) for model in (base, one, two, three)}) == 4
    assert len({model.digest() for model in (base, one, two, three)}) == 4
    assert fingerprint(with_adapter(base, tmp_path / "one")) == fingerprint(one)


REFUSED: dict[str, tuple[dict[str, torch.Tensor], dict[str, Any], type[Exception], str]] = {
    "another kind": (LORA, {"peft_type": "IA3"}, CheckpointError, "of type IA3; expected LORA"),
    "DoRA": (LORA, {"use_dora": True}, CheckpointError, "of type DoRA; expected LORA"),
    "half a pair": ({"model.q_proj.lora_A.weight": A}, {}, CheckpointError, "has one of lora_A and lora_B"),
    "no pair": ({"model.norm.weight": torch.ones(6)}, {}, CheckpointError, "there is no lora_A"),
    "another module": (
        {"model.k.lora_A.weight": A, "model.k.lora_B.weight": B},
        {},
        CheckpointMismatchError,
        r"changes 'model\.k\.weight', which .* lacks",
    ),
    "another rank": (
        {"model.q_proj.lora_A.weight": A, "model.q_proj.lora_B.weight": torch.ones(6, 2)},
        {},
        CheckpointError,
        "two matrices that can be multiplied",
    ),
    "another shape": (
        {"model.q_proj.lora_A.weight": A, "model.q_proj.lora_B.weight": torch.ones(7, RANK)},
        {},
        CheckpointMismatchError,
        r"has the shape \(7, 5\), the weight has \(6, 5\)",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_adapter_that_does_not_fit_is_refused(what: str, base: Checkpoint, tmp_path: Path) -> None:
    tensors, config, error, message = REFUSED[what]
    folder = save_adapter(tmp_path / "adapter", tensors, **config)
    with pytest.raises(error, match=message):
        with_adapter(base, folder)
