"""Low-rank adapters in the format of PEFT, merged into a model's weights as it is loaded."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from calculemus.engine.torch_engine.safe_files import check_safetensors
from calculemus.errors import EngineError

PREFIX = "base_model.model."


def merge_adapter(model: Any, folder: Path) -> None:
    """Add a low-rank adapter to a model's weights: W + scale * B A, each sum in float32.

    Args:
        model: A Hugging Face module, changed in place.
        folder: Holds ``adapter_config.json`` and ``adapter_model.safetensors``.

    Raises:
        EngineError: The folder is no such adapter, or it was made for another model.
    """
    doing = f"merging the adapter '{folder}'"
    config = _read_config(folder, doing)
    weights = folder / "adapter_model.safetensors"
    check_safetensors(weights, doing)
    tensors = {name.removeprefix(PREFIX): tensor for name, tensor in load_file(weights).items()}
    targets = sorted(
        name.removesuffix(".lora_A.weight") for name in tensors if name.endswith(".lora_A.weight")
    )
    used = {f"{target}.lora_{side}.weight" for target in targets for side in "AB"}
    if not targets or set(tensors) != used:
        rest = sorted(set(tensors) ^ used)
        raise EngineError(
            f"{doing}: found {len(targets)} pairs of lora_A and lora_B and, beside them, {rest[:3]}; "
            "expected such pairs alone. Merge adapters of other kinds into the checkpoint first"
        )
    for target in targets:
        delta = _delta(config, target, tensors, doing)
        _add(model, target, delta, doing)


def _read_config(folder: Path, doing: str) -> Mapping[str, Any]:
    path = folder / "adapter_config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(
            f"{doing}: cannot read '{path.name}': {error}; expected a folder that PEFT has saved"
        ) from error
    if config.get("peft_type") != "LORA" or config.get("use_dora"):
        kind = "DoRA" if config.get("use_dora") else config.get("peft_type")
        raise EngineError(
            f"{doing}: it is of type {kind}; expected LORA. Merge it into the checkpoint with the library "
            "that made it"
        )
    return config


def _delta(config: Mapping[str, Any], target: str, tensors: Mapping[str, Tensor], doing: str) -> Tensor:
    """Return scale * B A in float32, laid out as the weight is."""
    a, b = (tensors[f"{target}.lora_{side}.weight"].float() for side in "AB")
    if a.ndim != 2 or b.ndim != 2 or len(a) != b.shape[1]:
        raise EngineError(
            f"{doing}: '{target}' has A of shape {tuple(a.shape)} and B of shape {tuple(b.shape)}; expected "
            "two matrices that can be multiplied as B A"
        )
    rank = len(a)
    alpha = _by_pattern(config.get("alpha_pattern"), target, config.get("lora_alpha", rank))
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    delta = scale * (b @ a)
    return delta.t() if config.get("fan_in_fan_out") else delta


def _by_pattern(pattern: Mapping[str, float] | None, target: str, otherwise: float) -> float:
    """Return a module's own setting where a regular expression names it or the end of its name."""
    for name, value in (pattern or {}).items():
        if re.fullmatch(rf"(?:.*\.)?(?:{name})", target):
            return value
    return otherwise


def _add(model: Any, target: str, delta: Tensor, doing: str) -> None:
    try:
        weight = model.get_submodule(target).weight
    except AttributeError as error:
        raise EngineError(
            f"{doing}: it changes '{target}', which the model lacks; expected an adapter of this model"
        ) from error
    if target == "lm_head" and weight is model.get_input_embeddings().weight:
        raise EngineError(
            f"{doing}: it changes 'lm_head', whose weights are the input embeddings, too; expected a change "
            "to one of the two alone. Merge it with the library that made it"
        )
    if weight.shape != delta.shape:
        raise EngineError(
            f"{doing}: its change to '{target}' has shape {tuple(delta.shape)}, the weight has "
            f"{tuple(weight.shape)}; expected an adapter of this model"
        )
    with torch.no_grad():
        weight.copy_((weight.float() + delta.to(weight.device)).to(weight.dtype))
