"""Adapters of low rank: trained beside frozen weights by the one loop, and written in the format of PEFT.

    with adapting(model, LowRank(rank=8), rng) as adapter:
        fit_through(model, batches, task.loss, fit, only=adapter.has)
        adapter.save(folder)

Source: Hu et al. 2021, arXiv:2106.09685, section 4.1: W + (alpha / r) B A, with B = 0 at first.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from calculemus.checkpoint.folder import ADAPTER, ADAPTER_CONFIG
from calculemus.errors import InvalidParameterError
from calculemus.files import replacing
from calculemus.params import AtLeast, Configured
from calculemus.rng import Rng


@dataclass(frozen=True)
class LowRank(Configured):
    """The shape of an adapter.

    Attributes:
        rank: Of each change (r).
        alpha: The change is multiplied by ``alpha / rank``.
        modules: Last parts of the names of the linear layers that are changed.
    """

    rank: Annotated[int, AtLeast(1)] = 8
    alpha: Annotated[float, AtLeast(0)] = 16.0
    modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class _Change(nn.Module):
    """Adds a product of two factors to a weight."""

    def __init__(self, weight: Tensor, shape: LowRank, rng: Rng) -> None:
        super().__init__()
        rows, columns = weight.shape
        drawn = rng.generator().uniform(-1, 1, (shape.rank, columns)) / columns**0.5
        self.a = nn.Parameter(torch.from_numpy(drawn).to(weight.dtype))
        self.b = nn.Parameter(weight.new_zeros(rows, shape.rank))
        self.scale = shape.alpha / shape.rank

    def forward(self, weight: Tensor) -> Tensor:
        """Return the changed weight."""
        return weight + self.scale * (self.b @ self.a)


@dataclass(frozen=True)
class Adapter:
    """The changes of a model that is being adapted.

    Attributes:
        shape: Of the adapter.
        changes: By the name of the layer.
    """

    shape: LowRank
    changes: Mapping[str, nn.Module]

    def has(self, name: str) -> bool:
        """Say of a parameter's name whether it is one of the adapter's."""
        return ".parametrizations.weight.0." in name

    def save(self, folder: Path) -> None:
        """Write the adapter as PEFT does.

        Raises:
            OutputError: The folder cannot be written.
        """
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            f"base_model.model.{name}.lora_{side.upper()}.weight": getattr(change, side).detach().clone()
            for name, change in self.changes.items()
            for side in ("a", "b")
        }
        config = {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "r": self.shape.rank,
            "lora_alpha": self.shape.alpha,
            "target_modules": list(self.shape.modules),
        }
        with replacing(folder / ADAPTER) as temporary:
            save_file(tensors, temporary, {"format": "pt"})
        with replacing(folder / ADAPTER_CONFIG) as temporary:
            temporary.write_text(json.dumps(config, indent=1) + "\n", "utf-8")


@contextmanager
def adapting(model: nn.Module, shape: LowRank, rng: Rng) -> Iterator[Adapter]:
    """Give a model an adapter for a while; its own weights come back unchanged.

    Args:
        model: Its linear layers are changed in place.
        shape: Of the adapter.
        rng: Names the draws of the first factors.

    Raises:
        InvalidParameterError: The model has none of the layers.
    """
    layers = {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and name.rpartition(".")[2] in shape.modules
    }
    if not layers:
        raise InvalidParameterError(
            f"adapting a {type(model).__name__}: it has no linear layer called {', '.join(shape.modules)}; "
            "expected one at least. Name some of its layers"
        )
    changes = {name: _Change(layer.weight, shape, rng.child(name)) for name, layer in layers.items()}
    for name, layer in layers.items():
        parametrize.register_parametrization(layer, "weight", changes[name])
    try:
        yield Adapter(shape, changes)
    finally:
        for layer in layers.values():
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
