"""Llama-shaped bfloat16 checkpoints of random numbers, in four shards."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint.bits import from_float32
from calculemus.checkpoint.dtypes import DTYPES
from calculemus.checkpoint.header import NewTensor, write_header
from calculemus.rng import Rng

D_MODEL, D_FF, VOCAB_SIZE, N_HEADS, N_KV_HEADS = 1024, 4096, 32_000, 16, 4
SHARDS = 4
_PIECE = 1 << 20


def shapes(n_layers: int) -> dict[str, tuple[int, ...]]:
    kv = D_MODEL * N_KV_HEADS // N_HEADS
    layer = {
        "self_attn.q_proj": (D_MODEL, D_MODEL),
        "self_attn.k_proj": (kv, D_MODEL),
        "self_attn.v_proj": (kv, D_MODEL),
        "self_attn.o_proj": (D_MODEL, D_MODEL),
        "mlp.gate_proj": (D_FF, D_MODEL),
        "mlp.up_proj": (D_FF, D_MODEL),
        "mlp.down_proj": (D_MODEL, D_FF),
        "input_layernorm": (D_MODEL,),
        "post_attention_layernorm": (D_MODEL,),
    }
    ends = {
        "model.embed_tokens.weight": (VOCAB_SIZE, D_MODEL),
        "lm_head.weight": (VOCAB_SIZE, D_MODEL),
        "model.norm.weight": (D_MODEL,),
    }
    layers = {
        f"model.layers.{n}.{name}.weight": shape for n in range(n_layers) for name, shape in layer.items()
    }
    return ends | layers


def config(n_layers: int) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": D_MODEL,
        "intermediate_size": D_FF,
        "num_hidden_layers": n_layers,
        "num_attention_heads": N_HEADS,
        "num_key_value_heads": N_KV_HEADS,
        "vocab_size": VOCAB_SIZE,
        "torch_dtype": "bfloat16",
        "tie_word_embeddings": False,
    }


def write_family(folder: Path, names: list[str], n_layers: int) -> int:
    """Write a base, which is the first name, and models near it; returns the numbers in each."""
    noise = Rng(0).generator().standard_normal(3 * _PIECE, dtype=np.float32)
    tensors = [NewTensor(name, DTYPES["BF16"], shape) for name, shape in shapes(n_layers).items()]
    per_shard = -(-len(tensors) // SHARDS)
    for number, model in enumerate(names):
        (folder / model).mkdir()
        named = {}
        for shard in range(SHARDS):
            held = tensors[shard * per_shard : (shard + 1) * per_shard]
            file = f"model-{shard + 1:05}-of-{SHARDS:05}.safetensors"
            _write_shard(folder / model / file, held, noise, number)
            named |= {tensor.name: file for tensor in held}
        index = {"metadata": {}, "weight_map": named}
        (folder / model / "model.safetensors.index.json").write_text(json.dumps(index))
        (folder / model / "config.json").write_text(json.dumps(config(n_layers)))
    return sum(tensor.n_bytes for tensor in tensors) // 2


def _write_shard(path: Path, tensors: list[NewTensor], noise: NDArray[np.float32], number: int) -> None:
    head, _ = write_header(tensors, {"format": "pt"})
    with path.open("wb") as file:
        file.write(head)
        for tensor in tensors:
            n_elements = tensor.n_bytes // 2
            for start in range(0, n_elements, _PIECE):
                # The same base numbers in every model; what was learned is another stretch of the noise.
                place = (len(tensor.name) * 8191 + start // 7) % _PIECE
                values = 0.02 * noise[place : place + _PIECE]
                if number:
                    values = (
                        values + 0.002 * noise[(place * number + 9973 * number) % (2 * _PIECE) :][:_PIECE]
                    )
                file.write(from_float32(values[: n_elements - start], DTYPES["BF16"]))
