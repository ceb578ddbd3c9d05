"""A small language model with random weights and a tokenizer of words, for benchmarks and tests.

Everything comes from keyed streams, so that the model is the same everywhere.
"""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from calculemus.rng import Rng

VOCAB_SIZE = 1000
PAD, END, UNKNOWN = 0, 1, 2


def make_config(model_type: str = "llama", **changes: Any) -> Any:
    """Return the configuration of a model of about a million parameters."""
    settings = {
        "vocab_size": VOCAB_SIZE,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": PAD,
    }
    return AutoConfig.for_model(model_type, **{**settings, **changes})


def make_model(config: Any, rng: Rng) -> Any:
    """Return a model with random weights, spread so that its most probable token stands out."""
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            draws = rng.child(name).generator().standard_normal(parameter.shape, dtype="float32")
            if parameter.ndim == 1:
                parameter.copy_(torch.from_numpy(1 + 0.1 * draws if "norm" in name else 0.1 * draws))
            else:
                scale = 1.0 if "embed" in name else 1.5 / parameter.shape[-1] ** 0.5
                parameter.copy_(torch.from_numpy(scale * draws))
    return model


def make_tokenizer(has_end: bool = True) -> Any:
    """Return a tokenizer of words w0, w1, ... and new lines; words carry the space before them.

    Args:
        has_end: Whether one of its tokens ends a text.
    """
    words = ["<pad>", "<end>", "<unk>", "\n", *(f" w{i}" for i in range(VOCAB_SIZE - 4))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r" w\d+|\n"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    end = {"eos_token": "<end>"} if has_end else {}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", **end)


def save_checkpoint(folder: Path, config: Any, rng: Rng, has_end: bool = True) -> Path:
    """Write a random model and the tokenizer into a folder and return it."""
    make_model(config, rng).save_pretrained(folder)
    make_tokenizer(has_end).save_pretrained(folder)
    return folder
