"""Finding the heads of attention, and saying why there are none to be found."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPTJConfig, GPTNeoXConfig, LlamaConfig, PhiConfig, PreTrainedConfig
from transformers.models.gptj.modeling_gptj import rotate_every_two

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError
from calculemus.merging.heads import heads_of
from calculemus.merging.mergelock import MergeLock
from calculemus.merging.structure import plan_edit
from calculemus.tuning.weights import write_weights


def write_plain(folder: Path, config: dict[str, Any], **shapes: tuple[int, ...]) -> Checkpoint:
    tensors = {name.replace("__", "."): torch.ones(shape) for name, shape in shapes.items()}
    return write_weights(tensors, folder, config)


LLAMA = {"model_type": "llama", "hidden_size": 8, "num_attention_heads": 2}


def test_what_cannot_be_locked_is_named(tmp_path: Path) -> None:
    fused = write_plain(tmp_path / "fused", LLAMA, model__layers__0__self_attn__qkv_proj__weight=(24, 8))
    with pytest.raises(CheckpointMismatchError, match="queries, keys and values in one"):
        plan_edit(MergeLock(), [fused])
    half = write_plain(tmp_path / "half", LLAMA, model__layers__0__self_attn__q_proj__weight=(8, 8))
    with pytest.raises(CheckpointMismatchError, match="0 projections k"):
        plan_edit(MergeLock(), [half])
    with pytest.raises(CheckpointMismatchError, match="no number of heads"):
        plan_edit(MergeLock(), [write_plain(tmp_path / "bare", {}, a=(2,))])
    odd = write_plain(tmp_path / "odd", {**LLAMA, "model_type": "unheard"}, a=(2,))
    with pytest.raises(CheckpointMismatchError, match="'unheard' is not known"):
        plan_edit(MergeLock(), [odd])
    attention = {f"model__layers__0__self_attn__{p}_proj__weight": (8, 8) for p in "qkvo"}
    short = write_plain(tmp_path / "short", {**LLAMA, "head_dim": 3}, **attention)
    with pytest.raises(CheckpointMismatchError, match="expected 6 rows for 2 heads of 3"):
        plan_edit(MergeLock(), [short])
    twice = {f"model__layers__0__cross_attn__{p}_proj__weight": (8, 8) for p in "qkvo"}
    with pytest.raises(CheckpointMismatchError, match="2 projections q"):
        plan_edit(MergeLock(), [write_plain(tmp_path / "twice", LLAMA, **attention, **twice)])


@pytest.mark.parametrize(
    ("config", "n_heads", "n_kv_heads", "d_head", "rotary"),
    [
        (LlamaConfig(hidden_size=32, num_attention_heads=4, num_key_value_heads=2), 4, 2, 8, [0, 4]),
        (PhiConfig(hidden_size=32, num_attention_heads=4, partial_rotary_factor=0.5), 4, 4, 8, [0, 2]),
        (GPTNeoXConfig(hidden_size=32, num_attention_heads=4, rotary_pct=0.25), 4, 4, 8, [0, 1]),
        (GPTJConfig(n_embd=32, n_head=4, rotary_dim=4), 4, 4, 8, [0, 1]),
    ],
)
def test_heads_and_turned_pairs_are_those_of_the_configuration(
    config: PreTrainedConfig, n_heads: int, n_kv_heads: int, d_head: int, rotary: list[int], tmp_path: Path
) -> None:
    model = write_weights({"a": torch.ones(2)}, tmp_path / "model", config.to_dict())
    heads = heads_of(model)
    assert (heads.n_heads, heads.n_kv_heads, heads.d_head) == (n_heads, n_kv_heads, d_head)
    assert list(heads.rotary[0]) == rotary
    turned = [place for pair in heads.rotary for place in pair]
    assert len(set(turned)) == len(turned)
    assert len(turned) == {"llama": 8, "phi": 4, "gpt_neox": 2, "gptj": 4}[config.model_type]


def test_neighbours_are_turned_together_where_the_library_does_so(tmp_path: Path) -> None:
    config = GPTJConfig(n_embd=32, n_head=4, rotary_dim=8).to_dict()
    pairs = heads_of(write_weights({"a": torch.ones(2)}, tmp_path / "model", config)).rotary
    numbers = torch.arange(1.0, 9.0)
    turned = rotate_every_two(numbers[None, None, None])[0, 0, 0]
    for i, j in pairs:
        assert (turned[i], turned[j]) == (-numbers[j], numbers[i])
