"""Layers behind a model's own, and models that run, for a while, only some of their layers."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from calculemus.errors import CheckpointError
from calculemus.tuning.copying import CopyFit

_AT_ONCE = 64
_HEAD = ("weight", "gain", "shift", "bias")  # of a verifier, beside its model
_PROJECTIONS = ("self_attn.o_proj", "mlp.down_proj")


def deepen(model: Any, n: int) -> None:
    """Give a model new layers behind its last one, which at first add nothing to the stream.

    Each is a copy of the last layer whose projections into the stream are zero, so that the model says what
    it said before. A small one that is to see its mistakes needs layers behind those that made them.

    Source: Wu et al. 2024, arXiv:2401.02415 (LLaMA Pro), section 3.2, with all new blocks at the end.

    Args:
        model: A Hugging Face causal language model with a list of layers; changed.
        n: New layers.

    Raises:
        CheckpointError: It has no such list, or its layers project into the stream under other names.
    """
    if not n:
        return
    layers = layers_of(model, f"adding layers to a {type(model).__name__}")
    for _ in range(n):
        layer: Any = copy.deepcopy(layers[-1])
        for name in _PROJECTIONS:
            for weight in layer.get_submodule(name).parameters():
                nn.init.zeros_(weight)
        layer.self_attn.layer_idx = len(layers)
        layers.append(layer)
    model.config.num_hidden_layers = len(layers)
    kinds = getattr(model.config, "layer_types", None)
    if kinds:
        model.config.layer_types = [*kinds, *kinds[-1:] * n]


def layers_of(model: Any, doing: str) -> nn.ModuleList:
    """Return a model's list of layers.

    Args:
        model: A Hugging Face causal language model.
        doing: What they are wanted for, for the message.

    Raises:
        CheckpointError: It is not built like a Llama.
    """
    body = model.base_model
    layers = getattr(body, "layers", None)
    found = [] if not layers else [name for name, _ in layers[-1].named_modules()]
    if not layers or not hasattr(body, "norm") or any(name not in found for name in _PROJECTIONS):
        raise CheckpointError(
            f"{doing}: it has no layers with {' and '.join(_PROJECTIONS)} and a norm behind them; expected a "
            "model of the Llama kind. Train all of a copy without new layers"
        )
    return layers


@contextmanager
def only_layers(model: Any, start: int, stop: int, has_norm: bool = True) -> Iterator[None]:
    """Have a model run only some of its layers for a while.

    Args:
        model: Of the Llama kind, which adds its layers to embeddings that are not scaled.
        start: The first layer that runs.
        stop: The first one that does not.
        has_norm: Whether the model's last norm runs behind them.

    Raises:
        CheckpointError: It is not built like a Llama.
    """
    layers = layers_of(model, f"running some layers of a {type(model).__name__}")
    body, config = model.base_model, model.config
    norm, n = body.norm, config.num_hidden_layers
    body.layers, config.num_hidden_layers = layers[start:stop], stop - start
    if not has_norm:
        body.norm = nn.Identity()
    try:
        yield
    finally:
        body.layers, body.norm, config.num_hidden_layers = layers, norm, n


@torch.no_grad()
def streams_of(
    model: Any, rows: Sequence[Sequence[int]], stop: int, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """Return what layer ``stop`` of a model gets, (token, d_model), for lists of token ids.

    As inputs of the layers from there on they give what the whole model gives.
    """
    found: list[Tensor] = [torch.empty(0)] * len(rows)
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
    model.eval()
    with only_layers(model, 0, stop, has_norm=False):
        for begin in range(0, len(order), _AT_ONCE):
            places = order[begin : begin + _AT_ONCE]
            ids = nn.utils.rnn.pad_sequence([torch.tensor(rows[place]) for place in places], True)
            streams = model.base_model(input_ids=ids, use_cache=False)[0]
            for at, place in enumerate(places):
                found[place] = streams[at, : len(rows[place])].to(dtype, copy=True)
    return found


@contextmanager
def running_top(model: Any, rows: Sequence[Sequence[int]], fit: CopyFit) -> Iterator[list[Tensor] | None]:
    """Have a model run the layers alone that are trained; yield what they get, None where all are trained.

    Args:
        model: Of the Llama kind, if not all of it is trained.
        rows: Token ids.
        fit: Says how many layers are trained, and in what to keep what they get.

    Raises:
        CheckpointError: It is not built like a Llama.
    """
    if not fit.top:
        yield None
        return
    first, n = top_of(model, fit.top)
    streams = streams_of(model, rows, first, getattr(torch, fit.dtype))
    with only_layers(model, first, n):
        yield streams


def top_of(model: Any, top: int) -> tuple[int, int]:
    """Return the first of the last layers, so many as are trained, and the number of all layers.

    Raises:
        CheckpointError: The model is not built like a Llama.
    """
    n = len(layers_of(model, f"training the last {top} layers of a {type(model).__name__}"))
    return max(0, n - top), n


def is_top(name: str) -> bool:
    """Say of a parameter of what runs its last layers alone whether it is trained: no embedding is."""
    return ".layers." in name or name.endswith("norm.weight") or name in _HEAD


def only_top(model: Any, top: int) -> Callable[[str], bool]:
    """Return what says of a parameter of a whole model whether it is trained, if so many layers are."""
    first, n = top_of(model, top)
    names = tuple(f".layers.{place}." for place in range(first, n))
    return lambda name: name.endswith(".norm.weight") or any(part in name for part in names)
