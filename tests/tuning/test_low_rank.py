"""Adapters of low rank: what is trained, what is written, and what stays."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calculemus.checkpoint import Checkpoint, with_adapter
from calculemus.errors import InvalidParameterError
from calculemus.rng import Rng
from calculemus.tiny.arith_family import ArithRecipe, fresh, mixed, skill, tokenizer
from calculemus.tiny.save import save
from calculemus.tuning.fitting import Fit, fit_through
from calculemus.tuning.low_rank import LowRank, adapting
from calculemus.tuning.weights import read_weights, weights_of

SHAPE = LowRank(rank=2, alpha=8.0)


@pytest.fixture(scope="module")
def model() -> Any:
    return fresh(ArithRecipe(d_model=16, n_layers=1))


def train(model: Any, folder: Path | None = None) -> dict[str, torch.Tensor]:
    """Train an adapter on a model; return the weights that it makes."""
    rows = mixed({"copy": 1.0}, Rng(0), 16)
    with adapting(model, SHAPE, Rng(1)) as adapter:
        fit_through(model, rows, skill("copy").loss, Fit(3, optimizer="adamw", lr=1e-2), only=adapter.has)
        if folder is not None:
            adapter.save(folder)
        return {
            f"{name}.weight": module.weight.detach().clone()
            for name, module in model.named_modules()
            if name in adapter.changes
        }


def test_a_fresh_adapter_changes_nothing(model: Any) -> None:
    ids = torch.arange(5)[None]
    before = model(input_ids=ids).logits
    with adapting(model, SHAPE, Rng(1)):
        assert torch.equal(model(input_ids=ids).logits, before)


def test_the_models_own_weights_come_back(model: Any) -> None:
    before = weights_of(model)
    changed = train(model)
    after = weights_of(model)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert any(not torch.equal(changed[name], before[name]) for name in changed)


def test_they_come_back_after_an_error(model: Any) -> None:
    before = set(weights_of(model))
    with pytest.raises(ZeroDivisionError), adapting(model, SHAPE, Rng(1)):
        raise ZeroDivisionError
    assert set(weights_of(model)) == before


def test_a_change_has_the_rank_that_was_asked_for(model: Any) -> None:
    before = weights_of(model)
    for name, weight in train(model).items():
        assert np.linalg.matrix_rank((weight - before[name]).double().numpy(), tol=1e-6) <= SHAPE.rank


def test_what_is_written_is_read_as_the_adapted_model(model: Any, tmp_path: Path) -> None:
    save(copy.deepcopy(model), tokenizer(), tmp_path / "base")
    changed = train(model, tmp_path / "adapter")
    found = read_weights(with_adapter(Checkpoint.open(tmp_path / "base"), tmp_path / "adapter"))
    for name, weight in changed.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")  # peft asks for it
def test_peft_reads_it_and_computes_the_same(model: Any, tmp_path: Path) -> None:
    from peft import PeftModel

    changed = train(model, tmp_path)
    merged = PeftModel.from_pretrained(copy.deepcopy(model), str(tmp_path)).merge_and_unload()
    found = merged.state_dict()
    for name, weight in changed.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-6)


def test_a_model_without_such_layers_is_refused() -> None:
    with (
        pytest.raises(InvalidParameterError, match="no linear layer called"),
        adapting(torch.nn.Linear(2, 2), SHAPE, Rng(0)),
    ):
        pass
