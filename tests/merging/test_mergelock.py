"""Locking models against merging, finding locks, and undoing them without the key."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    OPTConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
    StableLmConfig,
)

from calculemus.checkpoint import Checkpoint
from calculemus.errors import InvalidParameterError
from calculemus.merging.executor import Executor
from calculemus.merging.heads import Heads, heads_of
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.mergelock import MergeLock, draw, put_complex, rewrite
from calculemus.merging.structure import StructureEdit, plan_edit
from calculemus.merging.unlocking import Recover, audit
from calculemus.rng import Rng
from calculemus.tiny.model import create
from calculemus.tuning.weights import write_weights

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
CONFIGS: dict[str, PreTrainedConfig] = {
    "every head its own": LlamaConfig(**SIZES, num_key_value_heads=4),
    "shared keys": LlamaConfig(**SIZES, num_key_value_heads=2),
    "biases": Qwen2Config(**SIZES, num_key_value_heads=2),
    "biases and partly turned": StableLmConfig(**SIZES, num_key_value_heads=2, use_qkv_bias=True),
    "normed": Qwen3Config(**SIZES, num_key_value_heads=2, head_dim=8),
    "added positions": OPTConfig(
        vocab_size=50,
        hidden_size=32,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        word_embed_proj_dim=32,
        do_layer_norm_before=True,
        pad_token_id=1,
        bos_token_id=None,
        eos_token_id=None,
    ),
}
ROTARY = [name for name in CONFIGS if name not in ("added positions", "normed")]


def make(config: PreTrainedConfig, folder: Path, seed: int = 0) -> Checkpoint:
    """Write a model with weights, biases and norms that are all drawn, so that nothing is at rest."""
    model = create(config, Rng(seed))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=generator))
    model.save_pretrained(folder)
    return Checkpoint.open(folder)


def edited(edit: StructureEdit, *models: Checkpoint) -> dict[str, torch.Tensor]:
    return {n: torch.from_numpy(x) for n, x in merge_in_memory(plan_edit(edit, models)).items()}


def logits(folder: Path) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.arange(36).reshape(2, 18) % 47 + 2
    with torch.no_grad():
        return model(input_ids=ids).logits


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("name", CONFIGS)
def test_a_locked_model_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    model = make(CONFIGS[name], tmp_path / "model")
    Executor().merge(plan_edit(MergeLock(seed=7), [model]), tmp_path / "locked")
    assert relative(logits(tmp_path / "locked"), logits(model.folder)) < 1e-4
    locked = Checkpoint.open(tmp_path / "locked")
    changed = {n for n in model if locked.read_bytes(n) != model.read_bytes(n)}
    parts = ("v_proj", "o_proj", "out_proj") + (() if name == "normed" else ("q_proj", "k_proj"))
    expected = {n for n in model if any(f".{part}." in n for part in parts)}
    assert changed == expected - {n for n in model if n.endswith(("o_proj.bias", "out_proj.bias"))}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_key_undoes_the_lock(name: str, tmp_path: Path) -> None:
    model = make(CONFIGS[name], tmp_path / "model")
    Executor().merge(plan_edit(MergeLock(seed=3), [model]), tmp_path / "locked")
    locked = Checkpoint.open(tmp_path / "locked")
    opened, other = (edited(MergeLock(seed=seed, unlocks=True), locked) for seed in (3, 4))
    for entry in model:
        np.testing.assert_allclose(opened[entry], model.read(entry), rtol=1e-5, atol=1e-6)
    value = next(n for n in model if n.endswith("layers.1.self_attn.v_proj.weight"))
    assert relative(other[value], torch.from_numpy(model.read(value))) > 0.5


@pytest.mark.parametrize("name", ROTARY)
def test_general_matrices_break_a_model_that_turns_queries_and_are_refused(name: str, tmp_path: Path) -> None:
    model = make(CONFIGS[name], tmp_path / "model")
    with pytest.raises(InvalidParameterError, match="do not commute"):
        plan_edit(MergeLock(matrices="general"), [model])
    heads = heads_of(model)
    still = Heads(heads.n_heads, heads.n_kv_heads, heads.d_head, ())
    matrices = draw(still, "qk", 10.0, Rng(0))
    weights = {n: torch.from_numpy(model.read(n)) for n in model}
    for n in model:
        part = {"q_proj": "q", "k_proj": "k"}.get(n.split(".")[-2])
        if part:
            weights[n] = torch.from_numpy(rewrite(part, model.read(n), matrices, heads))
    write_weights(weights, tmp_path / "broken", model.config)
    assert relative(logits(tmp_path / "broken"), logits(model.folder)) > 0.1


def test_general_matrices_fit_a_model_that_adds_its_positions(tmp_path: Path) -> None:
    model = make(CONFIGS["added positions"], tmp_path / "model")
    fitting, general = (edited(MergeLock(matrices=kind), model) for kind in ("fitting", "general"))
    assert all(torch.equal(fitting[n], general[n]) for n in fitting)


def rotation(heads: Heads, position: int) -> np.ndarray:
    """Return what a position does to a head, from the definition of rotary positions."""
    turn = np.eye(heads.d_head)
    for number, (i, j) in enumerate(heads.rotary):
        angle = position * 10000.0 ** (-number / max(1, len(heads.rotary)))
        put_complex(turn, i, j, complex(np.cos(angle), np.sin(angle)))
    return turn


LAYOUTS = st.sampled_from(
    [
        (),
        tuple((i, i + 4) for i in range(4)),
        tuple((i, i + 1) for i in range(0, 8, 2)),
        tuple((i, i + 2) for i in range(2)),
    ]
)


@given(pairs=LAYOUTS, condition=st.floats(1, 100), seed=st.integers(0, 10**30), position=st.integers(0, 99))
def test_matrices_commute_with_every_position_and_have_bounded_condition(
    pairs: tuple[tuple[int, int], ...], condition: float, seed: int, position: int
) -> None:
    heads = Heads(4, 2, 8, pairs)
    turn = rotation(heads, position)
    for matrix in draw(heads, "qk", condition, Rng(seed)):
        np.testing.assert_allclose(matrix @ turn, turn @ matrix, atol=1e-12 * condition)
        assert np.linalg.cond(matrix) <= condition * (1 + 1e-9)
    for matrix in draw(heads, "vo", condition, Rng(seed)):
        assert np.linalg.cond(matrix) <= condition * (1 + 1e-9)


@given(seed=st.integers(0, 1000))
def test_rewriting_is_what_the_paper_writes_in_row_vectors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    heads = Heads(4, 2, 3, ())
    q, o = rng.normal(size=(12, 5)).astype(np.float32), rng.normal(size=(5, 12)).astype(np.float32)
    k = rng.normal(size=(6, 5)).astype(np.float32)
    bias = rng.normal(size=6).astype(np.float32)
    matrices = draw(heads, "vo", 10.0, Rng(seed))
    found = {p: rewrite(p, x, matrices, heads) for p, x in (("q", q), ("k", k), ("v", k), ("o", o))}
    for head in range(4):
        matrix, inverse = matrices[head // 2], np.linalg.inv(matrices[head // 2])
        own, shared = slice(3 * head, 3 * head + 3), slice(3 * (head // 2), 3 * (head // 2) + 3)
        np.testing.assert_allclose(found["q"][own].T, q[own].T @ matrix, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found["k"][shared].T, k[shared].T @ inverse.T, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found["v"][shared].T, k[shared].T @ matrix, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found["o"][:, own].T, inverse @ o[:, own].T, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            rewrite("v", bias, matrices, heads)[shared], bias[shared] @ matrix, rtol=1e-4, atol=1e-5
        )


def sibling(model: Checkpoint, folder: Path, size: float) -> Checkpoint:
    """Write a model that differs from another by a share of each tensor's size, as training may make it."""
    weights = {}
    for name in model:
        numbers = model.read(name)
        noise = Rng(5, ("sibling", name)).generator().normal(size=numbers.shape)
        spread = float(np.sqrt(np.mean(numbers.astype(np.float64) ** 2)))
        weights[name] = torch.from_numpy(numbers + (size * spread * noise).astype(np.float32))
    return write_weights(weights, folder, model.config)


def locked_sibling(name: str, tmp_path: Path, size: float) -> tuple[Checkpoint, Checkpoint, Checkpoint]:
    """Return a base, a sibling of it, and that one locked."""
    base = make(CONFIGS[name], tmp_path / "base")
    tuned = sibling(base, tmp_path / "tuned", size)
    Executor().merge(plan_edit(MergeLock(seed=11), [tuned]), tmp_path / "locked")
    return base, tuned, Checkpoint.open(tmp_path / "locked")


@pytest.mark.parametrize("name", CONFIGS)
def test_the_audit_finds_every_lock_and_no_training(name: str, tmp_path: Path) -> None:
    base, tuned, locked = locked_sibling(name, tmp_path, 0.05)
    sides = {"vo"} if name == "normed" else {"qk", "vo"}
    assert not any(found.is_rewritten for found in audit(tuned, base))
    assert not any(found.is_rewritten for found in audit(base, base))
    for found in audit(locked, base):
        assert found.is_rewritten is (found.side in sides)
    honest = audit(tuned, base)
    for found, before in zip(audit(locked, base), honest, strict=True):
        assert found.product == pytest.approx(before.product, rel=1e-4)


def test_the_audit_compares_products_as_they_are_written_out(tmp_path: Path) -> None:
    base, tuned, _ = locked_sibling("shared keys", tmp_path, 0.3)
    prefix = "model.layers.1.self_attn."
    for found in audit(tuned, base):
        if found.layer != 1:
            continue
        head, shared = found.head, found.head // 2
        products, sizes = [], []
        for model in (tuned, base):
            q, k, v = (model.read(f"{prefix}{p}_proj.weight").astype(np.float64) for p in "qkv")
            o = model.read(f"{prefix}o_proj.weight").astype(np.float64)
            own, kept = slice(8 * head, 8 * head + 8), slice(8 * shared, 8 * shared + 8)
            left, right = (q[own], k[kept]) if found.side == "qk" else (v[kept], o[:, own].T)
            products.append(left.T @ right)
            sizes.append(np.concatenate([left.ravel(), right.ravel()]))
        change = np.linalg.norm(products[0] - products[1]) / np.linalg.norm(products[1])
        assert found.product == pytest.approx(change, rel=1e-6)
        moved = np.linalg.norm(sizes[0] - sizes[1]) / np.linalg.norm(sizes[1])
        assert found.weights == pytest.approx(moved, rel=1e-6)


@pytest.mark.parametrize("name", CONFIGS)
def test_least_squares_against_the_base_bring_the_sibling_back(name: str, tmp_path: Path) -> None:
    base, tuned, locked = locked_sibling(name, tmp_path, 0.02)
    recovered = edited(Recover(), locked, base)
    write_weights(recovered, tmp_path / "recovered", locked.config)
    assert relative(logits(tmp_path / "recovered"), logits(tuned.folder)) < 1e-4
    for n in tuned:
        true = torch.from_numpy(tuned.read(n))
        far, near = relative(torch.from_numpy(locked.read(n)), true), relative(recovered[n], true)
        assert near < 0.05
        assert far == 0 or far > 0.5


@pytest.mark.parametrize("name", CONFIGS)
def test_of_a_locked_base_least_squares_find_the_lock_exactly(name: str, tmp_path: Path) -> None:
    base, _, _ = locked_sibling(name, tmp_path, 0.02)
    Executor().merge(plan_edit(MergeLock(seed=2), [base]), tmp_path / "lockedbase")
    recovered = edited(Recover(), Checkpoint.open(tmp_path / "lockedbase"), base)
    for n in base:
        np.testing.assert_allclose(recovered[n], base.read(n), rtol=1e-3, atol=1e-4)


def test_two_seeds_give_two_locks_and_one_seed_one(tmp_path: Path) -> None:
    model = make(CONFIGS["shared keys"], tmp_path / "model")
    name = "model.layers.0.self_attn.q_proj.weight"
    one, again, other = (edited(MergeLock(seed=seed), model)[name] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert relative(other, one) > 0.5
    digests = {plan_edit(MergeLock(seed=seed), [model]).digest for seed in (1, 2)}
    assert len(digests) == 2


def test_a_large_condition_is_refused_for_numbers_of_16_bits(tmp_path: Path) -> None:
    model = create(CONFIGS["shared keys"], Rng(0)).to(torch.bfloat16)
    model.save_pretrained(tmp_path / "half")
    half = Checkpoint.open(tmp_path / "half")
    with pytest.raises(InvalidParameterError, match="has 16 bits and the condition is 100"):
        plan_edit(MergeLock(condition=100), [half])
    assert plan_edit(MergeLock(), [half]).steps
