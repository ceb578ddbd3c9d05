"""The weights of torch models by name: from checkpoints and into them, into a module and out of it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError
from calculemus.files import replacing

Weights = Mapping[str, Tensor]
"""Tensors in float32 by name; a tied head is left out."""


def read_weights(checkpoint: Checkpoint, names: Iterable[str] | None = None) -> dict[str, Tensor]:
    """Return the floating-point tensors of a checkpoint in float32.

    Raises:
        CheckpointError: A file ends early, or there is no tensor of a name.
    """
    wanted = checkpoint.entries if names is None else names
    return {
        name: torch.from_numpy(checkpoint.read(name))
        for name in wanted
        if checkpoint.entry(name).dtype.is_float
    }


def write_weights(weights: Weights, folder: Path, config: Mapping[str, Any] | None = None) -> Checkpoint:
    """Write tensors as a checkpoint in float32: one file, and a configuration beside it.

    Raises:
        OutputError: The folder cannot be written.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: weight.detach().float().contiguous().clone() for name, weight in weights.items()}
    with replacing(folder / "model.safetensors") as temporary:
        save_file(tensors, temporary, {"format": "pt"})
    with replacing(folder / "config.json") as temporary:
        temporary.write_text(json.dumps(dict(config or {})), "utf-8")
    return Checkpoint.open(folder)


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of a module's parameters and floating-point buffers; shared ones once."""
    named = [*model.named_parameters(), *model.named_buffers()]
    saved = model.state_dict().keys()
    return {
        name: weight.detach().clone()
        for name, weight in named
        if name in saved and weight.is_floating_point()
    }


def check_fits(model: nn.Module, weights: Weights, doing: str) -> None:
    """See that a module has the tensors that are to be put into it.

    Raises:
        CheckpointMismatchError: It lacks one, or has it in another shape.
    """
    own = model.state_dict()
    for name, weight in weights.items():
        if name not in own or own[name].shape != weight.shape:
            found = f"in the shape {tuple(own[name].shape)}" if name in own else "not at all"
            raise CheckpointMismatchError(
                f"{doing}: the weights have '{name}' of shape {tuple(weight.shape)}, and the model has it "
                f"{found}; expected weights of this model's make"
            )


@contextmanager
def carrying(model: nn.Module, weights: Weights) -> Iterator[None]:
    """Have a module carry other weights for a while; its own come back, whatever happens."""
    check_fits(model, weights, "putting weights into a model")
    own = dict([*model.named_parameters(), *model.named_buffers()])
    kept = {name: own[name].detach().clone() for name in weights if name in own}
    try:
        _copy(weights, own)
        yield
    finally:
        _copy(kept, own)


@torch.no_grad()
def _copy(weights: Weights, own: Mapping[str, Tensor]) -> None:
    for name, weight in weights.items():
        if name in own:  # a tied head is there under its other name
            own[name].copy_(weight)
