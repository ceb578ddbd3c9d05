"""Low-rank adapters in the format of PEFT, as checkpoints: what the base is with the adapter on it.

Nothing is added up until numbers are read: W + scale * B A, in float32.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calculemus.checkpoint.checkpoint import Checkpoint
from calculemus.checkpoint.folder import ADAPTER, ADAPTER_CONFIG, find_files, read_json
from calculemus.checkpoint.header import Entry, LowRank, read_header
from calculemus.errors import CheckpointError, CheckpointMismatchError

_PREFIX = "base_model.model."
_PAIR = re.compile(r"(?P<target>.*)\.lora_(?P<embedding>embedding_)?(?P<side>[AB])(\.weight)?")


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two factors of a tensor's change, as found in the file."""

    a: Entry
    b: Entry
    is_embedding: bool


def with_adapter(base: Checkpoint, text: str | Path) -> Checkpoint:
    """Return a model as an adapter makes it.

    Args:
        base: What the adapter was trained on.
        text: The adapter's folder or file, or its hub id in the local cache.

    Raises:
        CheckpointError: It is no adapter that can be added to weights.
        CheckpointMismatchError: It was made for another model.
    """
    doing = f"opening the adapter {text}"
    files = find_files(text)
    config = read_json(files.folder, ADAPTER_CONFIG)
    _check_config(doing, config)
    found = [entry for shard in files.shards for entry in read_header(shard).entries]
    pairs, whole = _sorted_out(doing, found)
    entries = dict(base.entries)
    for target, pair in pairs.items():
        entry = _in_base(doing, base, f"{target}.weight")
        entries[f"{target}.weight"] = replace(entry, low_rank=_low_rank(doing, config, target, entry, pair))
    for name, entry in whole.items():
        _in_base(doing, base, name)
        entries[name] = replace(entry, name=name)
    return Checkpoint(f"{base.name} with {text}", base.folder, entries)


def _check_config(doing: str, config: Mapping[str, Any]) -> None:
    kind = "DoRA" if config.get("use_dora") else config.get("peft_type")
    if kind != "LORA":
        raise CheckpointError(
            f"{doing}: its {ADAPTER_CONFIG} says that it is of type {kind}; expected LORA. Merge it into its "
            "base with the library that made it"
        )


def _sorted_out(doing: str, found: list[Entry]) -> tuple[dict[str, _Pair], dict[str, Entry]]:
    """Return the pairs of factors by the module that they change, and tensors that replace others."""
    sides: dict[str, dict[str, Entry]] = {}
    embeddings: set[str] = set()
    whole: dict[str, Entry] = {}
    for entry in found:
        name = entry.name.removeprefix(_PREFIX)
        match = _PAIR.fullmatch(name)
        if match is None:
            whole[name] = entry
            continue
        sides.setdefault(match["target"], {})[match["side"]] = entry
        if match["embedding"]:
            embeddings.add(match["target"])
    half = next((target for target, both in sides.items() if len(both) < 2), None)
    if half is not None or not sides:
        what = f"'{half}' has one of lora_A and lora_B" if half else f"there is no lora_A in {ADAPTER}"
        raise CheckpointError(f"{doing}: {what}; expected both. Save it again with PEFT")
    pairs = {target: _Pair(both["A"], both["B"], target in embeddings) for target, both in sides.items()}
    return pairs, whole


def _in_base(doing: str, base: Checkpoint, name: str) -> Entry:
    if name not in base.entries:
        raise CheckpointMismatchError(
            f"{doing}: it changes '{name}', which {base.name} lacks; expected an adapter of this model"
        )
    return base.entries[name]


def _low_rank(doing: str, config: Mapping[str, Any], target: str, entry: Entry, pair: _Pair) -> LowRank:
    """Return the change of a tensor, once its shapes fit."""
    a, b = pair.a.shape, pair.b.shape
    is_turned = pair.is_embedding or bool(config.get("fan_in_fan_out"))
    if len(a) != 2 or len(b) != 2 or a[0] != b[1] or not a[0]:
        raise CheckpointError(
            f"{doing}: '{target}' has A of shape {a} and B of shape {b}; expected two matrices that can be "
            "multiplied as B A, of rank 1 at least"
        )
    shape = (a[1], b[0]) if is_turned else (b[0], a[1])
    if entry.shape != shape:
        raise CheckpointMismatchError(
            f"{doing}: its change to '{target}' has the shape {shape}, the weight has {entry.shape}; "
            "expected an adapter of this model"
        )
    rank = a[0]
    alpha = _by_pattern(config.get("alpha_pattern"), target, config.get("lora_alpha", rank))
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return LowRank(pair.a, pair.b, scale, is_turned)


def _by_pattern(pattern: Mapping[str, float] | None, target: str, otherwise: float) -> float:
    """Return a module's own setting where a regular expression names it or the end of its name."""
    for name, value in (pattern or {}).items():
        if re.fullmatch(rf"(?:.*\.)?(?:{name})", target):
            return value
    return otherwise
