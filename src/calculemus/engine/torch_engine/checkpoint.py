"""Opens a Hugging Face checkpoint: checks its files first, then loads model and tokenizer."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from calculemus.engine.torch_engine.lora import merge_adapter
from calculemus.engine.torch_engine.safe_files import check_safetensors
from calculemus.errors import EngineError
from calculemus.tuning.quiet import quiet

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tokenizer_config.json")
HASHED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded model.

    Attributes:
        model: The Hugging Face module, in evaluation mode; None once its weights were taken over.
        tokenizer: Its tokenizer.
        folder: Where its files are; None where it was given in memory.
        adapters: The adapters that were merged into it.
        name: What people call it.
        is_tokenizer_given: Whether the tokenizer came in memory.
    """

    model: Any
    tokenizer: Any
    folder: Path | None
    adapters: tuple[Path, ...]
    name: str
    is_tokenizer_given: bool

    def digest(self) -> str:
        """Name by content all that the weights and the tokenizer are made of."""
        digest = hashlib.blake2b(digest_size=16)
        if self.folder is None:
            for name, tensor in sorted(self.model.state_dict().items()):
                digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}:".encode())
                digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
        if self.is_tokenizer_given or self.folder is None:
            digest.update(_described(self.tokenizer).encode())
        for folder in ([] if self.folder is None else [self.folder]) + list(self.adapters):
            for path in sorted({path for pattern in HASHED for path in folder.glob(pattern)}):
                digest.update(f"{path.name}:".encode())
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, _blake2b).digest())
        return digest.hexdigest()


def _described(tokenizer: Any) -> str:
    """Write down all that decides how a tokenizer encodes."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    rules = json.dumps(tokenizer.get_vocab(), sort_keys=True) if fast is None else fast.to_str()
    return json.dumps([rules, tokenizer.special_tokens_map, tokenizer.chat_template], default=str)


def _blake2b() -> Any:
    return hashlib.blake2b(digest_size=16)


def open_checkpoint(
    source: Any,
    tokenizer: Any,
    adapters: Sequence[str | Path],
    dtype: torch.dtype,
    device: torch.device,
) -> Checkpoint:
    """Load a model and its tokenizer.

    Args:
        source: A folder, the id of a model on the hub, or a Hugging Face module, which is used as it is.
        tokenizer: The tokenizer of a module; None to load it with the model.
        adapters: Folders of LoRA adapters to merge, in this order.
        dtype: Of the weights.
        device: Where they go.

    Raises:
        EngineError: Something is missing, damaged, or does not belong together.
    """
    paths = tuple(Path(adapter) for adapter in adapters)
    if not isinstance(source, str | Path):
        return _given(source, tokenizer, paths, dtype, device)
    folder = _local_folder(source)
    doing = f"opening the model '{source}'"
    if folder is not None:
        _check_folder(folder, doing)
    is_given = tokenizer is not None
    with quiet():
        if folder is None:
            _check_hub(str(source), doing)
        tokenizer = tokenizer if is_given else _load_tokenizer(folder or source, doing)
        model = _load_model(folder or source, dtype, doing)
    _check_vocabulary(model, tokenizer, doing)
    for path in paths:
        merge_adapter(model, path)
    folder = folder or _cached_folder(model)
    return Checkpoint(model.to(device).eval(), tokenizer, folder, paths, str(source), is_given)


def _given(
    model: Any, tokenizer: Any, adapters: tuple[Path, ...], dtype: torch.dtype, device: torch.device
) -> Checkpoint:
    doing = f"taking the model {type(model).__name__}"
    if tokenizer is None or adapters:
        raise EngineError(
            f"{doing}: it came as a module {'with adapters' if adapters else 'without a tokenizer'}; "
            "expected one with its tokenizer and its final weights. Save both to a folder and name that, "
            "or pass tokenizer="
        )
    if model.dtype != dtype or model.device.type != device.type:
        found, wanted = (str(kind).removeprefix("torch.") for kind in (model.dtype, dtype))
        raise EngineError(
            f"{doing}: it is in {found} on {model.device}, and is to run in {wanted} on {device}; expected "
            "one that is there already. Move it with .to(...), or say what it is in with dtype= and device="
        )
    _check_vocabulary(model, tokenizer, doing)
    return Checkpoint(model.eval(), tokenizer, None, (), type(model).__name__, True)


def _local_folder(source: str | Path) -> Path | None:
    """Return the folder that ``source`` names; None where it can only be the id of a model on the hub."""
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    text = str(source)
    if isinstance(source, Path) or text.startswith((".", "/", "~")) or text.count("/") > 1 or path.exists():
        found = "a file" if path.exists() else "nothing there"
        raise EngineError(
            f"opening the model '{source}': found {found}; expected a folder with config.json, safetensors "
            "and a tokenizer, or the id of a model on the hub, such as 'org/name'"
        )
    return None


def _check_hub(source: str, doing: str) -> None:
    """See that the hub, or what is kept of it on this machine, has a model, before more is asked of it."""
    try:
        AutoConfig.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # the hub's library and transformers raise what they like
        raise EngineError(
            f"{doing}: it is no folder, and the hub does not give it: {_first_line(error)}; expected the id "
            "of a model that can be reached. Check the id and the network, or name a folder"
        ) from error


def _check_folder(folder: Path, doing: str) -> None:
    """See that the files of a checkpoint are there and whole, before any is read."""
    names = {path.name for path in folder.iterdir()}
    if "config.json" not in names:
        raise EngineError(f"{doing}: there is no config.json; expected a Hugging Face checkpoint")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise EngineError(f"{doing}: config.json is not JSON: {error}. Copy it again") from error
    if not isinstance(config, dict):
        raise EngineError(
            f"{doing}: config.json is a {type(config).__name__}; expected fields. Copy it again"
        )
    if not names.intersection(TOKENIZER_FILES):
        raise EngineError(
            f"{doing}: there is no tokenizer; expected one of {', '.join(TOKENIZER_FILES[:-1])}. Save the "
            "model's tokenizer into the folder"
        )
    shards = _shards(folder, doing) if "model.safetensors.index.json" in names else ["model.safetensors"]
    if missing := [name for name in shards if name not in names]:
        raise EngineError(
            f"{doing}: the weights {', '.join(missing)} are not there; expected safetensors. Copy them, or "
            "convert other formats with save_pretrained"
        )
    for name in shards:
        check_safetensors(folder / name, doing)


def _shards(folder: Path, doing: str) -> list[str]:
    path = folder / "model.safetensors.index.json"
    try:
        return sorted(set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"{doing}: '{path.name}' names no shards: {error!r}. Copy it again") from error


def _load_tokenizer(source: str | Path, doing: str) -> Any:
    try:
        return AutoTokenizer.from_pretrained(
            source, local_files_only=isinstance(source, Path), trust_remote_code=False
        )
    except Exception as error:  # transformers raises whatever its parsers meet
        raise EngineError(
            f"{doing}: its tokenizer cannot be loaded: {_first_line(error)}; expected files that "
            "AutoTokenizer reads. Save the tokenizer again with save_pretrained"
        ) from error


def _load_model(source: str | Path, dtype: torch.dtype, doing: str) -> Any:
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=dtype,
            local_files_only=isinstance(source, Path),
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below, with a name
            trust_remote_code=False,
        )
    except SafetensorError as error:
        raise EngineError(f"{doing}: its weights are damaged: {error}. Copy them again") from error
    except Exception as error:  # transformers raises whatever its parsers meet
        raise EngineError(
            f"{doing}: its weights cannot be loaded: {_first_line(error)}; expected a checkpoint that "
            "AutoModelForCausalLM reads from safetensors"
        ) from error
    model, info = loaded
    missing = sorted(info["missing_keys"]) + sorted(str(entry[0]) for entry in info["mismatched_keys"])
    if missing:
        raise EngineError(
            f"{doing}: {len(missing)} weights are missing or have another shape, such as '{missing[0]}'; "
            "expected all that config.json describes. Use the config.json that belongs to these weights"
        )
    return model


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _check_vocabulary(model: Any, tokenizer: Any, doing: str) -> None:
    """See that the model has an embedding for every token that the tokenizer can give."""
    n_rows = model.get_input_embeddings().weight.shape[0]
    largest = max(tokenizer.get_vocab().items(), key=lambda entry: entry[1], default=("", -1))
    if largest[1] >= n_rows:
        raise EngineError(
            f"{doing}: its tokenizer gives ids up to {largest[1]} ({largest[0]!r}), and the model has "
            f"embeddings up to {n_rows - 1}; expected a tokenizer that belongs to the model"
        )


def _cached_folder(model: Any) -> Path | None:
    """Return the folder that a model from the hub was read from."""
    path = Path(getattr(model, "name_or_path", ""))
    return path if path.is_dir() else None
