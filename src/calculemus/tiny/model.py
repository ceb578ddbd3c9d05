"""The decoder: a plain Llama, small, with its first weights drawn by name."""

from dataclasses import dataclass
from typing import Annotated

import torch
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from calculemus.params import AtLeast, Configured
from calculemus.rng import Rng
from calculemus.tiny.tokenizer import CONTEXT, marks

_DEVIATION = 0.02


@dataclass(frozen=True)
class Size(Configured):
    """The shape of the decoder; ``vocab_size`` beyond the tokenizer's is kept for more languages."""

    d_model: Annotated[int, AtLeast(8)] = 128
    n_layers: Annotated[int, AtLeast(1)] = 5
    n_heads: Annotated[int, AtLeast(1)] = 4
    d_ff: Annotated[int, AtLeast(8)] = 384
    vocab_size: Annotated[int, AtLeast(2)] = 1280


def torch_generator(rng: Rng) -> torch.Generator:
    """Return a fresh generator of torch at the start of a stream."""
    return torch.Generator().manual_seed(rng.key % 2**63)


def configuration(size: Size, tokenizer: PreTrainedTokenizerBase) -> LlamaConfig:
    """Return the configuration that Hugging Face reads."""
    end, pad = marks(tokenizer)
    return LlamaConfig(
        vocab_size=size.vocab_size,
        hidden_size=size.d_model,
        intermediate_size=size.d_ff,
        num_hidden_layers=size.n_layers,
        num_attention_heads=size.n_heads,
        num_key_value_heads=size.n_heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
    )


def create(config: PreTrainedConfig, rng: Rng) -> PreTrainedModel:
    """Return a causal language model with fresh weights, each matrix drawn from a stream of its own name."""
    with torch.random.fork_rng(devices=[]):  # the library draws weights too, from the global generator
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    # What writes back into the residual stream starts smaller, the more so the more layers there are.
    shrink = (2 * config.num_hidden_layers) ** -0.5
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            writes_back = name.endswith(("o_proj.weight", "down_proj.weight"))
            deviation = _DEVIATION * (shrink if writes_back else 1.0)
            torch.nn.init.normal_(weight, std=deviation, generator=torch_generator(rng.child(name)))
    return model
