"""Random checkpoints, and merges of plain arrays without any files."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from calculemus.checkpoint import Checkpoint
from calculemus.merging.base import Part, TensorMerge
from calculemus.merging.executor import Executor
from calculemus.merging.plan import plan_merge
from calculemus.rng import Rng

Array = NDArray[np.float32]

SHAPES: dict[str, tuple[str, tuple[int, ...]]] = {
    "model.embed_tokens.weight": ("BF16", (40, 24)),
    **{
        f"model.layers.{layer}.{name}": placed
        for layer in range(2)
        for name, placed in {
            "self_attn.q_proj.weight": ("BF16", (24, 24)),
            "self_attn.k_proj.weight": ("BF16", (12, 24)),
            "self_attn.o_proj.weight": ("BF16", (24, 24)),
            "mlp.up_proj.weight": ("F16", (50, 24)),
            "mlp.down_proj.weight": ("BF16", (24, 50)),
            "input_layernorm.weight": ("F32", (24,)),
        }.items()
    },
    "model.norm.weight": ("F32", (24,)),
    "model.temperature": ("F32", ()),
    "model.nothing": ("BF16", (0, 24)),
    "model.positions": ("I64", (1, 10)),
}
"""A small model with a tied head: two dtypes and more, 2-D, 1-D, 0-D and empty tensors, and whole numbers."""


@dataclass(frozen=True)
class Tensor:
    """A tensor as a file holds it."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def encode(values: NDArray[Any], dtype: str) -> Tensor:
    """Return numbers as a tensor; for BF16 they must be exact in it already."""
    if dtype == "BF16":
        bits = values.astype(np.float32).view(np.uint32)
        assert not (bits & np.uint32(0xFFFF)).any()
        return Tensor(dtype, values.shape, (bits >> np.uint32(16)).astype("<u2").tobytes())
    kind = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I64": "<i8"}[dtype]
    return Tensor(dtype, values.shape, values.astype(kind).tobytes())


def as_exact(values: NDArray[Any], dtype: str) -> Array:
    """Return numbers near these that are exact in a dtype."""
    if dtype == "BF16":
        bits = values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
        return bits.view(np.float32)
    return values.astype({"F16": np.float16, "F32": np.float32}[dtype]).astype(np.float32)


def write_file(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file by the format's description."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, tensor in tensors.items():
        stop = place + len(tensor.data)
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [place, stop]}
        place = stop
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(t.data for t in tensors.values()))


def write_model(
    folder: Path,
    tensors: Mapping[str, Tensor],
    shards: int = 3,
    order: int = 0,
    config: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """Write tensors in an order of their own, shared out to files in turn, and open them."""
    folder.mkdir(parents=True)
    names = [list(tensors)[i] for i in np.random.default_rng(order).permutation(len(tensors))]
    files = {f"model-{n + 1:05}-of-{shards:05}.safetensors": names[n::shards] for n in range(shards)}
    for file, held in files.items():
        write_file(folder / file, {name: tensors[name] for name in held})
    index = {"weight_map": {name: file for file, held in files.items() for name in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(
        json.dumps({"num_hidden_layers": 2, "tie_word_embeddings": True, **(config or {})})
    )
    return Checkpoint.open(folder)


def random_tensors(
    seed: int, near: Mapping[str, Tensor] | None = None, shapes: Mapping[str, Any] | None = None
) -> dict[str, Tensor]:
    """Return random tensors, or such as fine-tuning makes of others."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, (dtype, shape) in (shapes or SHAPES).items():
        if dtype == "I64":
            tensors[name] = encode(np.arange(10).reshape(shape), dtype)
            continue
        values = rng.normal(0, 0.5, shape)
        if near is not None:
            values = decode(near[name]) + 0.1 * values
        tensors[name] = encode(as_exact(np.asarray(values), dtype), dtype)
    return tensors


def decode(tensor: Tensor) -> Array:
    """Return a tensor's numbers."""
    if tensor.dtype == "BF16":
        bits = np.frombuffer(tensor.data, "<u2").astype(np.uint32) << np.uint32(16)
        return bits.view(np.float32).reshape(tensor.shape)
    kind = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I64": "<i8"}[tensor.dtype]
    return np.frombuffer(tensor.data, kind).reshape(tensor.shape).astype(np.float32)


@dataclass(frozen=True)
class Family:
    """A base and models made from it, in files of different layouts."""

    base: Checkpoint
    tuned: tuple[Checkpoint, ...]


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Family:
    """A base and three models tuned from it."""
    folder = tmp_path_factory.mktemp("family")
    tensors = random_tensors(1)
    base = write_model(folder / "base", tensors)
    tuned = [
        write_model(folder / f"tuned{n}", random_tensors(10 + n, tensors), shards=3 - n, order=n)
        for n in range(3)
    ]
    return Family(base, tuple(tuned))


MergeFiles = Callable[..., Checkpoint]


@pytest.fixture
def merge_files(tmp_path: Path) -> MergeFiles:
    """Merge checkpoints into a new folder; takes what ``plan_merge`` takes, threads and run."""

    def merge(
        method: TensorMerge,
        models: Sequence[Checkpoint],
        base: Checkpoint | None = None,
        threads: int = 1,
        run: int = 1 << 16,
        **options: Any,
    ) -> Checkpoint:
        plan = plan_merge(method, models, base if method.needs_base else None, **options)
        folder = tmp_path / f"merged{len(list(tmp_path.iterdir()))}"
        Executor(threads, run, options.get("shard_bytes", 4000)).merge(plan, folder)
        return Checkpoint.open(folder)

    return merge


Apply = Callable[..., Array]


@pytest.fixture
def unlike() -> Callable[[Checkpoint, Checkpoint], list[str]]:
    """Return the tensors in which two checkpoints differ: to the bit, in float32 by more than rounding."""

    def compare(found: Checkpoint, expected: Checkpoint) -> list[str]:
        differing = sorted(set(found) ^ set(expected))
        for name, entry in expected.entries.items():
            if entry.dtype.name == "F32":
                # A sum or a difference on the way is rounded; in 16 bits that rounding is gone again.
                is_same = np.allclose(found.read(name), expected.read(name), rtol=3e-7, atol=1e-7)
            else:
                is_same = found.read_bytes(name) == expected.read_bytes(name)
            differing += [] if is_same else [name]
        return differing

    return compare


@pytest.fixture
def apply() -> Apply:
    """Merge arrays by a method, without files; ``cuts`` are places at which the tensor is cut into runs."""

    def merge(
        method: TensorMerge,
        inputs: Sequence[Array],
        base: Array | None = None,
        weights: Sequence[float] | None = None,
        seed: int = 0,
        values: Sequence[dict[str, float]] | None = None,
        cuts: Sequence[int] = (),
    ) -> Array:
        arrays = [np.ascontiguousarray(array, np.float32).ravel() for array in inputs]
        flat = np.empty(0, np.float32) if base is None else np.asarray(base, np.float32).ravel()
        n = len(arrays[0])

        def parts() -> list[Part]:
            return [
                Part(
                    name="w",
                    shape=np.shape(inputs[0]),
                    start=start,
                    base=flat[start:stop],
                    inputs=[array[start:stop] for array in arrays],
                    weights=tuple(weights or [1.0] * len(arrays)),
                    values=tuple(values or [{}] * len(arrays)),
                    rng=[Rng(seed, ("merge", "w", str(model))) for model in range(len(arrays))],
                )
                for start, stop in pairwise([0, *cuts, n])
            ]

        found = method.gather()
        while found is not None:
            for part in parts():
                found.take(part)
            if found.is_complete():
                break
        return np.concatenate([method.merge(part, found) for part in parts()]).reshape(np.shape(inputs[0]))

    return merge


@pytest.fixture
def arrays() -> Callable[..., list[Array]]:
    """Draw random arrays of a shape."""

    def draw(n: int, shape: tuple[int, ...] = (13, 57), seed: int = 0, spread: float = 1.0) -> list[Array]:
        rng = np.random.default_rng(seed)
        return [rng.normal(0, spread, shape).astype(np.float32) for _ in range(n)]

    return draw
