"""Mergekit itself, where it is installed: the same numbers from the same configuration."""

import json
from pathlib import Path

import numpy as np
import pytest

from calculemus.checkpoint import Checkpoint
from calculemus.merging.executor import Executor
from calculemus.merging.mergekit_yaml import read_mergekit
from calculemus.merging.preparing import to_plan

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "vocab_size": 50,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
}
PEER = """
merge_method: ties
base_model: BASE
models:
- {model: AAA, parameters: {weight: 0.5, density: [0.3, 0.9]}}
- model: BBB
  parameters:
    weight: [{filter: mlp, value: 0.4}, {value: 1}]
    density: [{filter: norm, value: 0.5}]
parameters: {lambda: 1.2}
"""


def test_mergekit_itself_merges_to_the_same_numbers(tmp_path: Path) -> None:
    config = pytest.importorskip("mergekit.config", reason="mergekit is not installed")
    merge = pytest.importorskip("mergekit.merge")
    yaml = pytest.importorskip("yaml")
    text = PEER
    for number, name in enumerate(("BASE", "AAA", "BBB")):
        text = text.replace(name, json.dumps(str(_llama(tmp_path / name, number))))
    path = tmp_path / "config.yml"
    path.write_text(text)
    options = merge.MergeOptions(copy_tokenizer=False, quiet=True, write_model_card=False)
    loaded = config.MergeConfiguration.model_validate(yaml.safe_load(text))
    merge.run_merge(loaded, str(tmp_path / "peer"), options)
    Executor(1).merge(to_plan(read_mergekit(path)), tmp_path / "ours")
    theirs, ours = (Checkpoint.open(tmp_path / folder) for folder in ("peer", "ours"))
    assert sorted(theirs) == sorted(ours)
    for name in ours:
        np.testing.assert_allclose(ours.read(name), theirs.read(name), atol=1e-6, rtol=0)


def _llama(folder: Path, seed: int) -> Path:
    """Write a random model of llama's make, near the one of seed 0."""
    from safetensors.numpy import save_file

    layer = {f"self_attn.{name}_proj": (24, 24) for name in "qkvo"}
    layer |= {"mlp.gate_proj": (40, 24), "mlp.up_proj": (40, 24), "mlp.down_proj": (24, 40)}
    layer |= {"input_layernorm": (24,), "post_attention_layernorm": (24,)}
    shapes = {f"model.layers.{n}.{name}.weight": shape for n in range(4) for name, shape in layer.items()}
    shapes |= {"model.embed_tokens.weight": (50, 24), "lm_head.weight": (50, 24), "model.norm.weight": (24,)}
    near, far = (np.random.default_rng(n) for n in (0, seed))
    folder.mkdir()
    tensors = {
        name: (near.normal(0, 0.1, shape) + 0.03 * far.normal(size=shape)).astype(np.float32)
        for name, shape in shapes.items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(LLAMA))
    return folder
