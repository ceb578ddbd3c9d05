"""Finding a checkpoint: a file, a folder, an index with its shards, or a hub id in the local cache."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calculemus.errors import CheckpointError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a checkpoint.

    Attributes:
        folder: Where they lie.
        shards: With tensors.
        named: Which shard the index says each tensor is in; None without an index.
    """

    folder: Path
    shards: tuple[Path, ...]
    named: Mapping[str, Path] | None = None


def find_files(text: str | Path) -> Files:
    """Return the files of a checkpoint.

    Args:
        text: A safetensors file, an index, a folder with either, or the id of a model on the hub that is in
            the local cache. Nothing is ever fetched.

    Raises:
        CheckpointError: There is none, or only files of another kind.
    """
    path = Path(text).expanduser()
    if path.is_file():
        return _from_index(path) if path.name.endswith(".index.json") else Files(path.parent, (path,))
    if not path.exists():
        path = _cached(str(text))
    for name in (SINGLE, INDEX, ADAPTER):
        if (path / name).is_file():
            return _from_index(path / name) if name == INDEX else Files(path, (path / name,))
    shards = sorted(path.glob("*.safetensors"))
    if len(shards) == 1:
        return Files(path, tuple(shards))
    if shards:
        raise CheckpointError(
            f"opening the checkpoint {path}: found {len(shards)} safetensors files and no {INDEX}; expected "
            "an index that says which tensor is where. Name one file, or add the index"
        )
    raise CheckpointError(f"opening the checkpoint {path}: {_why_not(path)}")


def _why_not(path: Path) -> str:
    pickles = [found.name for pattern in _PICKLES for found in path.glob(pattern)]
    if pickles:
        return (
            f"found only pickle files ({', '.join(pickles[:3])}), which can run any program when they are "
            "read; expected safetensors. Convert them where you trust them: load the model with transformers "
            "and save_pretrained(..., safe_serialization=True)"
        )
    if any(path.glob("*.gguf")):
        return "found quantised GGUF files; expected safetensors of the model that they were made from"
    return f"found no weights; expected {SINGLE}, or {INDEX} with its shards"


def _from_index(path: Path) -> Files:
    doing = f"reading the index {path}"
    try:
        table = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{doing}: {error}; expected JSON with a 'weight_map'") from error
    named = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(named, dict) or not named or not all(isinstance(v, str) for v in named.values()):
        raise CheckpointError(f"{doing}: it has no 'weight_map' of names and files; expected one")
    outside = next((name for name in named.values() if Path(name).name != name), None)
    if outside is not None:
        raise CheckpointError(f"{doing}: it names the file '{outside}'; expected files beside the index")
    shards = [path.parent / name for name in dict.fromkeys(named.values())]
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise CheckpointError(
            f"{doing}: {len(missing)} of {len(shards)} shards are not there ({', '.join(missing[:3])}); "
            "expected all. Fetch them again"
        )
    return Files(path.parent, tuple(shards), {tensor: path.parent / name for tensor, name in named.items()})


def _cached(text: str) -> Path:
    """Return the newest snapshot of a hub id in the local cache."""
    folder = hub_cache() / f"models--{text.replace('/', '--')}"
    if _HUB_ID.fullmatch(text) and folder.is_dir():
        main = folder / "refs" / "main"
        commit = main.read_text("utf-8").strip() if main.is_file() else ""
        snapshots = sorted((folder / "snapshots").glob("*"), key=lambda path: path.stat().st_mtime)
        chosen = folder / "snapshots" / commit
        if commit and chosen.is_dir():
            return chosen
        if snapshots:
            return snapshots[-1]
    hint = (
        f" If it is a model on the hub, fetch it first: hf download {text}" if _HUB_ID.fullmatch(text) else ""
    )
    raise CheckpointError(
        f"opening the checkpoint {text}: there is no such file or folder, nor a model of that id in "
        f"{hub_cache()}; expected safetensors.{hint}"
    )


def hub_cache() -> Path:
    """Return the folder in which Hugging Face libraries keep models."""
    named = os.environ.get("HF_HUB_CACHE")
    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    return Path(named) if named else Path(home) / "hub"


def read_json(folder: Path, name: str) -> Mapping[str, Any]:
    """Return a JSON object beside a checkpoint; an empty one where there is no such file.

    Raises:
        CheckpointError: The file is no JSON object.
    """
    path = folder / name
    if not path.is_file():
        return {}
    try:
        table = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"reading {path}: {error}; expected a JSON object") from error
    if not isinstance(table, dict):
        raise CheckpointError(f"reading {path}: found a {type(table).__name__}; expected a JSON object")
    return table


def others(folder: Path) -> Sequence[Path]:
    """Return the files beside the weights that a copy of the checkpoint needs: configuration, tokenizer."""
    # By name: a checkpoint that is one file may lie among files that have nothing to do with it.
    found = {path for pattern in _BESIDE for path in folder.glob(pattern) if path.is_file()}
    return sorted(found)


_BESIDE = (
    "added_tokens.json",
    "calculemus.toml",
    "chat_template*",
    "config.json",
    "configuration_*.py",
    "generation_config.json",
    "merges.txt",
    "modeling_*.py",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "token*.json",
    "token*.model",
    "tokenization_*.py",
    "*.tiktoken",
    "vocab.json",
    "vocab.txt",
)
