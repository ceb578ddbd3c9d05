"""Passthrough: layers of several models stacked into one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging.layers import INTO_STREAM, address, choose, count_layers, in_layer
from calculemus.merging.structure import Layout, Source, StructureEdit

_SLICE = re.compile(r"(\d+)\[(\d+):(\d+)\](?:\*(-?\d+(?:\.\d+)?))?")
_N_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_HEAD = "lm_head.weight"


@dataclass(frozen=True)
class Passthrough(StructureEdit):
    """Stack slices of layers, copied as they are, into a deeper or shallower model.

    Source: mergekit 0.1.5, https://github.com/arcee-ai/mergekit, method ``passthrough``; Kim et al. 2023,
    arXiv:2312.15166, section 2, for what it is good for. Embeddings are those of the first slice's model, the
    last norm and the head those of the last one's. A scale multiplies what a slice's layers add to the
    residual stream, that is their output projections; in mergekit it multiplies every tensor that is not
    filtered out.

    Attributes:
        slices: Such as ``0[0:8]`` for the layers 0 to 7 of the first model, ``1[4:12]*0.5`` with a scale;
            none for all layers of the first model.
    """

    slices: tuple[str, ...] = ()

    def layout(self, models: Sequence[Checkpoint]) -> Layout:
        """Return the table: what comes before the layers, the layers, what comes behind."""
        slices = [_read(text, models) for text in self.slices] or [_all_layers(models[0])]
        _check_alike(slices, models)
        first, last = slices[0].model, slices[-1].model
        stacked = [(piece, at) for piece in slices for at in piece.layers]
        tensors = dict(_outside(models[first], first, is_before=True))
        for layer, (piece, at) in enumerate(stacked):
            tensors.update(_layer(models[piece.model], piece, at, layer))
        tensors.update(_outside(models[last], last, is_before=False))
        config = _config(models[first].config, slices)
        if first != last and (models[first].is_tied or models[last].is_tied):
            # The embeddings of one and the head of another model are no longer one tensor.
            tensors[_HEAD] = (Source(last, _HEAD),)
            config["tie_word_embeddings"] = False
        return Layout(tensors, config, first)


@dataclass(frozen=True, slots=True)
class _Slice:
    model: int
    layers: range
    scale: float


def _read(text: str, models: Sequence[Checkpoint]) -> _Slice:
    doing = f"Passthrough: the slice '{text}'"
    found = _SLICE.fullmatch(text.replace(" ", ""))
    if found is None:
        raise InvalidParameterError(f"{doing} cannot be read; expected model[first:stop], such as 0[0:8]")
    model, start, stop = int(found[1]), int(found[2]), int(found[3])
    if model >= len(models):
        raise InvalidParameterError(
            f"{doing} is of model {model}; expected one of {len(models)}, counted from 0"
        )
    n = count_layers(models[model])
    if not start < stop <= n:
        raise InvalidParameterError(f"{doing} is of a model with {n} layers; expected first < stop <= {n}")
    return _Slice(model, range(start, stop), float(found[4] or 1))


def _all_layers(model: Checkpoint) -> _Slice:
    n = count_layers(model)
    if n == 0:
        raise CheckpointMismatchError(
            f"Passthrough: no tensor of {model.name} is named after a layer; expected names such as "
            "'model.layers.0.mlp.up_proj.weight'"
        )
    return _Slice(0, range(n), 1.0)


def _check_alike(slices: Sequence[_Slice], models: Sequence[Checkpoint]) -> None:
    """See that the layers that come to lie on each other have the same tensors."""
    makes = [_make(models[piece.model], piece.layers[0]) for piece in slices]
    for piece, make in zip(slices, makes, strict=True):
        other = next(
            (name for name in sorted(makes[0].keys() | make) if makes[0].get(name) != make.get(name)), None
        )
        if other is not None:
            raise CheckpointMismatchError(
                f"Passthrough: '{other}' has the shape {makes[0].get(other)} in "
                f"{models[slices[0].model].name} and {make.get(other)} in {models[piece.model].name}; "
                "expected layers of one make. Stack models of the same width and architecture"
            )


def _make(model: Checkpoint, layer: int) -> dict[str, tuple[int, ...]]:
    return {in_layer(name, 0): model.entries[name].shape for name in choose(model, layers=(layer,))}


def _outside(model: Checkpoint, number: int, *, is_before: bool) -> Iterator[tuple[str, tuple[Source, ...]]]:
    """Yield the tensors outside of layers: those that come before them, or those that come behind."""
    for name in choose(model, layers=(None,)):
        if (address(name).part in ("embed", "positions")) == is_before:
            yield name, (Source(number, name),)


def _layer(model: Checkpoint, piece: _Slice, at: int, layer: int) -> Iterator[tuple[str, tuple[Source, ...]]]:
    for name in choose(model, layers=(at,)):
        scale = piece.scale if address(name).part in INTO_STREAM else 1.0
        yield in_layer(name, layer), (Source(piece.model, name, scale),)


def _config(config: Mapping[str, Any], slices: Sequence[_Slice]) -> dict[str, Any]:
    """Return what changes in the configuration: the number of layers, and what it says of each."""
    origins = [at for piece in slices for at in piece.layers]
    changed: dict[str, Any] = {name: len(origins) for name in _N_LAYERS if name in config}
    kinds = config.get("layer_types")
    if isinstance(kinds, list) and all(at < len(kinds) for at in origins):
        changed["layer_types"] = [kinds[at] for at in origins]
    return changed
