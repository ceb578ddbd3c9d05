"""Wider models that compute the same, and new weights for tensors of a model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError
from calculemus.merging.base import Numbers
from calculemus.merging.heads import heads_of
from calculemus.merging.layers import address
from calculemus.merging.plan import Change
from calculemus.merging.structure import Layout, Source
from calculemus.params import digest
from calculemus.rng import Rng

_READS_AND_WRITES = ("q", "k", "v", "o", "gate", "up", "down")
_WIDTHS = (
    *("hidden_size", "n_embd", "intermediate_size", "n_inner", "ffn_dim"),
    *("num_attention_heads", "n_head", "num_key_value_heads"),
)
_DEVIATION = 0.02  # what Hugging Face takes where a configuration says nothing


def shares(factor: int) -> NDArray[np.float64]:
    """Return what part of a column each copy of its input gets: unequal, summing up to 1.

    Example:
        >>> shares(2).tolist()
        [0.6666666666666666, 0.3333333333333333]
    """
    falling = np.arange(factor, 0, -1)
    return falling / falling.sum()


def widen(model: Checkpoint, factor: int) -> Layout:
    """Return the table of a model with every width multiplied: the stream, the heads and the MLP.

    The stream holds copies of itself, and so do the heads and what is inside the MLP. A norm of copies is
    the copies of the norm. What reads the stream shares its columns out among the copies. The last norm is
    divided by the factor instead, so that a head that is tied to the embeddings still adds up.

    Raises:
        CheckpointMismatchError: It has a tensor that is neither embeddings, norm, head nor a plain
            projection of attention or of the MLP.
    """
    tensors = {name: (_widened(model, name, factor),) for name in model.entries}
    config = {name: model.config[name] * factor for name in _WIDTHS if _is_width(model.config, name)}
    return Layout(tensors, config)


def _is_width(config: Mapping[str, Any], name: str) -> bool:
    return isinstance(config.get(name), int)


def _widened(model: Checkpoint, name: str, factor: int) -> Source:
    at, shape = address(name), model.entry(name).shape
    part, is_last = at.part, at.layer is None
    if part == "norm" and len(shape) == 1:
        # Norms inside heads are as wide as one head, which stays as it is.
        is_inside = any(module in ("q_norm", "k_norm") for module in name.split("."))
        if is_inside and shape[0] == heads_of(model).d_head:
            return Source(0, name)
        return _repeat(name, shape, (factor,), 1 / factor if is_last else 1.0)
    if part in ("embed", "head") and len(shape) == 2:
        return _repeat(name, shape, (1, factor))
    if part in _READS_AND_WRITES and len(shape) == 1:
        return _repeat(name, shape, (factor,))
    if part in _READS_AND_WRITES and len(shape) == 2 and model.config.get("model_type") != "gpt2":
        return _share_out(name, shape, factor)
    raise CheckpointMismatchError(
        f"widening {model.name}: '{name}' of shape {shape} is no embedding, norm, head or plain projection; "
        "expected a model of those alone. Grow it in depth"
    )


def _repeat(name: str, shape: tuple[int, ...], times: tuple[int, ...], scale: float = 1.0) -> Source:
    def repeat(numbers: Numbers) -> Numbers:
        return np.tile(numbers, times)

    new = tuple(n * k for n, k in zip(shape, times, strict=True))
    return Source(0, name, scale, Change(digest(["repeat", list(times)]), new, repeat))


def _share_out(name: str, shape: tuple[int, ...], factor: int) -> Source:
    """Return a matrix whose rows are repeated and whose columns are shared out."""

    def share_out(numbers: Numbers) -> Numbers:
        row = np.concatenate([numbers * share for share in shares(factor)], axis=1)
        return np.tile(row, (factor, 1)).astype(np.float32)

    new = (shape[0] * factor, shape[1] * factor)
    return Source(0, name, change=Change(digest(["share out", factor]), new, share_out))


def fresh(model: Checkpoint, name: str, rng: Rng) -> Change:
    """Return what replaces a tensor of a layer by a new one, as a model has it before any training.

    Matrices are normal with the deviation of the configuration, norms are 1, and biases are 0.
    """
    deviation = model.config.get("initializer_range", _DEVIATION)
    is_norm, is_weight = address(name).part == "norm", name.endswith("weight")

    def draw(numbers: Numbers) -> Numbers:
        if numbers.ndim > 1:
            return rng.generator().normal(0, deviation, numbers.shape).astype(np.float32)
        return np.full(numbers.shape, float(is_norm and is_weight), np.float32)

    return Change(digest(["fresh", rng.seed, list(rng.path), deviation]), model.entry(name).shape, draw)
