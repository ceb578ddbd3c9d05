"""A small encoder of sentences, MiniLM, run with numpy alone.

Source: Wang et al. 2020, arXiv:2002.10957 (MiniLM), and Reimers & Gurevych 2019, arXiv:1908.10084, section 3,
for the mean over tokens. The model is BERT's encoder (Devlin et al. 2018, arXiv:1810.04805) of six layers.
Importing torch and transformers takes seconds, which a search cannot spend; a test holds the vectors against
theirs.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy.special import erf
from tokenizers import Tokenizer

Array = NDArray[np.float32]

MOST_TOKENS = 256
"""Tokens of a text that are read, as the model was made for."""
_BATCH = 32


class MiniLM:
    """Encodes texts as vectors of length one.

    Args:
        folder: With ``config.json``, ``tokenizer.json`` and ``model.safetensors``, as Hugging Face has them.
    """

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        self._n_heads: int = config["num_attention_heads"]
        self._n_layers: int = config["num_hidden_layers"]
        self._epsilon: float = config["layer_norm_eps"]
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._tokenizer.no_padding()
        self._weights: dict[str, Array] = load_file(folder / "model.safetensors")

    @property
    def d_model(self) -> int:
        """Numbers in a vector."""
        return self._weights["embeddings.LayerNorm.weight"].size

    def encode(self, texts: Sequence[str]) -> Iterator[tuple[int, Array]]:
        """Yield the place of each text and its vector, short texts first.

        Texts of equal length go together, so that nothing is padded: up to rounding, a text's vector
        depends on it alone.
        """
        encodings = self._tokenizer.encode_batch(list(texts))
        by_length: dict[int, list[int]] = {}
        for place, encoding in enumerate(encodings):
            by_length.setdefault(len(encoding.ids), []).append(place)
        for _, places in sorted(by_length.items()):
            for start in range(0, len(places), _BATCH):
                batch = places[start : start + _BATCH]
                vectors = self._vectors(np.array([encodings[place].ids for place in batch]))
                yield from zip(batch, vectors, strict=True)

    def _vectors(self, input_ids: NDArray[np.int64]) -> Array:
        """Return the mean of the last hidden states, scaled to length one; (batch, d_model)."""
        embeddings = (
            self._weights["embeddings.word_embeddings.weight"][input_ids]
            + self._weights["embeddings.position_embeddings.weight"][: input_ids.shape[1]]
            + self._weights["embeddings.token_type_embeddings.weight"][0]
        )
        hidden_states = self._normed("embeddings.LayerNorm", embeddings)
        for layer in range(self._n_layers):
            hidden_states = self._layer(f"encoder.layer.{layer}", hidden_states)
        mean = hidden_states.mean(axis=1)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def _layer(self, name: str, hidden_states: Array) -> Array:
        attended = self._linear(f"{name}.attention.output.dense", self._attention(name, hidden_states))
        hidden_states = self._normed(f"{name}.attention.output.LayerNorm", hidden_states + attended)
        inner = _gelu(self._linear(f"{name}.intermediate.dense", hidden_states))
        outer = self._linear(f"{name}.output.dense", inner)
        return self._normed(f"{name}.output.LayerNorm", hidden_states + outer)

    def _attention(self, name: str, hidden_states: Array) -> Array:
        query, key, value = (
            self._heads(self._linear(f"{name}.attention.self.{part}", hidden_states))
            for part in ("query", "key", "value")
        )
        logits = query @ key.swapaxes(-1, -2) / np.float32(np.sqrt(query.shape[-1]))
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return (weights @ value).swapaxes(1, 2).reshape(hidden_states.shape)

    def _heads(self, hidden_states: Array) -> Array:
        """Split (batch, seq, d_model) into (batch, n_heads, seq, d_head)."""
        batch, seq, _ = hidden_states.shape
        return hidden_states.reshape(batch, seq, self._n_heads, -1).swapaxes(1, 2)

    def _linear(self, name: str, x: Array) -> Array:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normed(self, name: str, x: Array) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt(variance + np.float32(self._epsilon))
        return scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _gelu(x: Array) -> Array:
    return x * (1 + erf(x / np.float32(np.sqrt(2)))) / 2
