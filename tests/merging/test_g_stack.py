"""Growing models: where layers come from, what stays the same, and when to grow."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedConfig, Qwen2Config, Qwen3Config

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging.executor import Executor
from calculemus.merging.g_stack import GStack, growth_tokens
from calculemus.merging.layers import address, in_layer
from calculemus.merging.structure import plan_edit
from calculemus.merging.widening import shares
from calculemus.rng import Rng
from calculemus.tiny.model import create
from calculemus.tuning.growing import Mask, masked

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
CONFIGS: dict[str, PreTrainedConfig] = {
    "tied": LlamaConfig(**SIZES, tie_word_embeddings=True),
    "untied": LlamaConfig(**SIZES, tie_word_embeddings=False),
    "biases": Qwen2Config(**SIZES, tie_word_embeddings=True),
    "norms inside heads": Qwen3Config(**SIZES, head_dim=8, tie_word_embeddings=False),
}


@pytest.fixture(params=CONFIGS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Checkpoint:
    """A model whose weights, biases and norms are all drawn, so that nothing is at rest."""
    made = create(CONFIGS[request.param], Rng(3))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=generator))
    made.save_pretrained(tmp_path / "model")
    return Checkpoint.open(tmp_path / "model")


def grow(model: Checkpoint, **settings: Any) -> Checkpoint:
    folder = model.folder.parent / f"grown{len(list(model.folder.parent.iterdir()))}"
    Executor().merge(plan_edit(GStack(**settings), [model]), folder)
    return Checkpoint.open(folder)


def load(model: Checkpoint) -> Any:
    return AutoModelForCausalLM.from_pretrained(model.folder, dtype=torch.float32).eval()


def logits(model: Checkpoint) -> torch.Tensor:
    with torch.no_grad():
        return load(model)(input_ids=torch.arange(36).reshape(2, 18) % 47 + 2).logits


@pytest.mark.parametrize("operator", ["stack", "interleave", "zero", "random", "width"])
def test_a_factor_of_one_changes_nothing(model: Checkpoint, operator: str) -> None:
    grown = grow(model, factor=1, operator=operator)
    assert set(grown) == set(model)
    for name in model:
        np.testing.assert_array_equal(grown.read(name), model.read(name))
    assert grown.config == model.config


@pytest.mark.parametrize("operator", ["stack", "interleave"])
def test_each_layer_is_the_one_that_the_operator_names(model: Checkpoint, operator: str) -> None:
    grown = grow(model, factor=3, operator=operator)
    assert grown.config["num_hidden_layers"] == 9
    assert len(load(grown).model.layers) == 9
    for name in grown:
        layer = address(name).layer
        origin = name
        if layer is not None:
            origin = in_layer(name, layer % 3 if operator == "stack" else layer // 3)
        assert grown.read_bytes(name) == model.read_bytes(origin)


def test_stacked_and_interleaved_layers_compute_different_things(model: Checkpoint) -> None:
    stacked, interleaved = (logits(grow(model, factor=2, operator=o)) for o in ("stack", "interleave"))
    assert float((stacked - interleaved).abs().max()) > 1e-2


def test_zero_growth_keeps_logits_to_the_bit_and_can_learn(model: Checkpoint) -> None:
    grown = grow(model, factor=2, operator="zero")
    assert torch.equal(logits(grown), logits(model))
    module = load(grown)
    module(input_ids=torch.arange(18).reshape(1, 18)).logits.square().mean().backward()
    new = module.model.layers[4]
    assert float(new.mlp.down_proj.weight.grad.abs().max()) > 0
    assert float(new.self_attn.o_proj.weight.grad.abs().max()) > 0


@pytest.mark.parametrize("factor", [2, 3])
def test_a_wider_model_computes_the_same(model: Checkpoint, factor: int) -> None:
    grown = grow(model, factor=factor, operator="width")
    before, after = logits(model), logits(grown)
    assert float((after - before).abs().max() / before.abs().max()) < 1e-5
    module = load(grown)
    assert module.config.hidden_size == 24 * factor
    assert module.config.num_attention_heads == 4 * factor
    assert grown.n_parameters > (factor**2 - 1) * model.n_parameters * 0.5
    assert grown.is_tied == model.is_tied


def test_copies_in_a_wider_model_learn_different_things(model: Checkpoint) -> None:
    module = load(grow(model, factor=2, operator="width"))
    module(input_ids=torch.arange(18).reshape(1, 18)).logits[..., :7].square().mean().backward()
    gradient = module.model.layers[1].mlp.up_proj.weight.grad
    first, second = gradient[:40], gradient[40:]
    assert float((first - second).norm() / first.norm()) > 0.1


@given(st.integers(1, 20))
def test_shares_fall_and_sum_up_to_one(factor: int) -> None:
    found = shares(factor)
    assert math.isclose(found.sum(), 1)
    assert (np.diff(found) < 0).all()


def test_random_growth_keeps_the_old_layers_and_draws_new_ones(model: Checkpoint) -> None:
    grown, again, other = (grow(model, factor=2, operator="random", seed=seed) for seed in (0, 0, 1))
    for name in grown:
        at = address(name)
        if at.layer is None or at.layer < 3:
            assert grown.read_bytes(name) == model.read_bytes(name)
            continue
        numbers = grown.read(name)
        assert again.read_bytes(name) == grown.read_bytes(name)
        if numbers.ndim == 1:
            assert (numbers == float(at.part == "norm")).all()
            continue
        assert other.read_bytes(name) != grown.read_bytes(name)
        assert abs(numbers.std() / 0.02 - 1) < 5 / math.sqrt(2 * numbers.size)


def test_masked_layers_come_in_from_nothing_to_all(model: Checkpoint) -> None:
    grown = grow(model, factor=2, operator="random")
    module, ids = load(grown), torch.arange(18).reshape(1, 18)
    new = [m for layer in module.model.layers[3:] for m in (layer.self_attn.o_proj, layer.mlp.down_proj)]
    with torch.no_grad():
        full, old = module(input_ids=ids).logits, load(model)(input_ids=ids).logits
        with masked(new, Mask()) as mask:
            assert torch.equal(module(input_ids=ids).logits, old)
            mask.value = 1.0
            assert torch.equal(module(input_ids=ids).logits, full)
            mask.value = 0.5
            half = copy.deepcopy(module(input_ids=ids).logits)
        with pytest.raises(RuntimeError, match="inside"), masked(new, mask):
            raise RuntimeError("inside")
        assert torch.equal(module(input_ids=ids).logits, full)
    assert not torch.equal(half, full)
    assert not torch.equal(half, old)


@pytest.mark.parametrize(("parameters", "tokens", "expected"), [(8e9, 15e12, 6.58e9), (7e9, 2e12, 11.11e9)])
def test_the_time_to_grow_is_that_of_the_papers_table(
    parameters: float, tokens: float, expected: float
) -> None:
    found = growth_tokens(parameters, 6 * parameters * tokens)
    assert found == pytest.approx(expected, rel=1e-3)


@given(st.floats(1e6, 1e12), st.floats(1e18, 1e26))
def test_larger_models_grow_later_and_longer_training_sooner(parameters: float, flops: float) -> None:
    found = growth_tokens(parameters, flops)
    assert growth_tokens(2 * parameters, flops) > found > growth_tokens(parameters, 2 * flops)


def test_the_time_to_grow_wants_a_model_and_training() -> None:
    with pytest.raises(InvalidParameterError, match="expected more than 1 of each"):
        growth_tokens(0, 1e20)


def with_config(model: Checkpoint, **changes: Any) -> Checkpoint:
    path = model.folder / "config.json"
    path.write_text(json.dumps({**model.config, **changes}))
    return Checkpoint.open(model.folder)


@pytest.fixture
def plain(tmp_path: Path) -> Checkpoint:
    create(CONFIGS["tied"], Rng(0)).save_pretrained(tmp_path / "plain")
    return Checkpoint.open(tmp_path / "plain")


def test_what_a_layer_is_goes_along_with_it(plain: Checkpoint) -> None:
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    config = plan_edit(GStack(factor=2), [with_config(plain, layer_types=kinds)]).config
    assert config["layer_types"] == kinds * 2
    config = plan_edit(
        GStack(factor=2, operator="interleave"), [with_config(plain, layer_types=kinds)]
    ).config
    assert config["layer_types"] == [kind for kind in kinds for _ in range(2)]


def test_layers_that_compute_by_their_number_are_refused(plain: Checkpoint) -> None:
    odd = with_config(plain, scale_attn_by_inverse_layer_idx=True)
    with pytest.raises(CheckpointMismatchError, match="'scale_attn_by_inverse_layer_idx'"):
        plan_edit(GStack(), [odd])
    assert plan_edit(GStack(factor=1), [odd]).steps
    odd = with_config(plain, scale_attn_by_inverse_layer_idx=False, sliding_window_pattern=2)
    with pytest.raises(CheckpointMismatchError, match="period of 2"):
        plan_edit(GStack(), [odd])
    even = with_config(plain, sliding_window_pattern=3)
    assert len(plan_edit(GStack(), [even]).steps) > len(plain)
    with pytest.raises(CheckpointMismatchError, match="period of 3"):
        plan_edit(GStack(operator="interleave"), [even])


def test_a_model_with_other_tensors_cannot_be_widened(family: Any) -> None:
    with pytest.raises(CheckpointMismatchError, match="Grow it in depth"):
        plan_edit(GStack(operator="width"), [family.base])
