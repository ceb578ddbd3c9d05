"""Small checkpoints that merges and edits are tried on, made anew for each method."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from calculemus.conformance.subject import Subject
from calculemus.rng import Rng

if TYPE_CHECKING:
    from calculemus.checkpoint import Checkpoint

N_LAYERS = 2
EMBEDDINGS = "model.embed_tokens.weight"
WHOLE_NUMBERS = "model.positions"
_LAYER = {
    "self_attn.q_proj.weight": ("BF16", (24, 24)),
    "self_attn.k_proj.weight": ("BF16", (12, 24)),
    "self_attn.v_proj.weight": ("BF16", (12, 24)),
    "self_attn.o_proj.weight": ("BF16", (24, 24)),
    "mlp.up_proj.weight": ("F16", (50, 24)),
    "mlp.down_proj.weight": ("BF16", (24, 50)),
    "input_layernorm.weight": ("F32", (24,)),
}
SHAPES: Mapping[str, tuple[str, tuple[int, ...]]] = {
    EMBEDDINGS: ("BF16", (40, 24)),
    **{f"model.layers.{n}.{name}": placed for n in range(N_LAYERS) for name, placed in _LAYER.items()},
    "model.norm.weight": ("F32", (24,)),
    "model.temperature": ("F32", ()),
    "model.nothing": ("BF16", (0, 24)),
    WHOLE_NUMBERS: ("I64", (1, 10)),
}
"""Dtype and shape of each tensor: of two axes, one and none, an empty one, and one of whole numbers."""
CONFIG = {
    "model_type": "llama",
    "hidden_size": 24,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": N_LAYERS,
    "tie_word_embeddings": True,
}


@dataclass(frozen=True)
class TrialModels:
    """A base and models that were made from it.

    Attributes:
        folder: Where they lie, and merged ones may.
        base: The base.
        tuned: The models.
    """

    folder: Path
    base: "Checkpoint"
    tuned: tuple["Checkpoint", ...]


def trial_models(subject: Subject) -> TrialModels:
    """Make a base and three models; ask by ``subject.once``."""
    folder = Path(subject.open.enter_context(TemporaryDirectory()))
    base = write_model(folder / "base", 0, 1)
    tuned = [write_model(folder / f"tuned{n}", n, n, tuned_from=base) for n in (1, 2, 3)]
    return TrialModels(folder, base, tuple(tuned))


def write_model(
    folder: Path,
    seed: int,
    n_files: int,
    tuned_from: "Checkpoint | None" = None,
    shapes: Mapping[str, tuple[str, tuple[int, ...]]] = SHAPES,
) -> "Checkpoint":
    """Write a model with random numbers, or with such as training makes of another's, and open it."""
    from calculemus.checkpoint import Checkpoint
    from calculemus.checkpoint.folder import INDEX

    folder.mkdir()
    names = sorted(shapes, key=lambda name: Rng(seed, (name,)).key)  # models differ in the order, too
    held = {f"part-{n}.safetensors": names[n::n_files] for n in range(n_files)}
    for file, part in held.items():
        _write_file(folder / file, part, shapes, seed, tuned_from)
    weight_map = {name: file for file, part in held.items() for name in part}
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}), "utf-8")
    (folder / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    return Checkpoint.open(folder)


def _write_file(
    path: Path,
    names: Sequence[str],
    shapes: Mapping[str, tuple[str, tuple[int, ...]]],
    seed: int,
    tuned_from: "Checkpoint | None",
) -> None:
    from calculemus.checkpoint import DTYPES
    from calculemus.checkpoint.header import NewTensor, write_header

    tensors = [NewTensor(name, DTYPES[shapes[name][0]], shapes[name][1]) for name in names]
    head, _ = write_header(tensors, {})
    path.write_bytes(head + b"".join(_data(tensor, seed, tuned_from) for tensor in tensors))


def _data(tensor: Any, seed: int, tuned_from: "Checkpoint | None") -> bytes:
    import numpy as np

    from calculemus.checkpoint.bits import from_float32

    if not tensor.dtype.is_float:
        return np.arange(tensor.n_bytes // tensor.dtype.n_bytes, dtype=np.int64).tobytes()
    values = Rng(seed, ("trial", tensor.name)).generator().normal(0, 0.5, tensor.shape)
    if tuned_from is not None:
        values = tuned_from.read(tensor.name) + 0.1 * values
    return from_float32(np.asarray(values, np.float32).ravel(), tensor.dtype)


def contents(checkpoint: "Checkpoint") -> dict[str, bytes]:
    """Return the bytes of every tensor by its name."""
    return {name: checkpoint.read_bytes(name) for name in sorted(checkpoint)}


def file_bytes(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
