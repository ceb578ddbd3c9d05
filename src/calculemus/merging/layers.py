"""Which part of a model a tensor is, read off its name: the layer, and what it does there."""

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass

_LAYER = re.compile(r"(?:^|(?<=\.))(layers|layer|h|blocks|block)\.(\d+)(?=\.|$)")

_PARTS = {
    "embed": ("embed", "embed_tokens", "tok_embeddings", "wte", "word_embeddings", "embed_in"),
    "positions": ("embed_positions", "wpe", "position_embeddings"),
    "head": ("lm_head", "embed_out", "output"),
    "q": ("q_proj", "wq", "q_lin", "query"),
    "k": ("k_proj", "wk", "k_lin", "key"),
    "v": ("v_proj", "wv", "v_lin", "value"),
    "qkv": ("qkv_proj", "c_attn", "query_key_value", "Wqkv"),
    "o": ("o_proj", "wo", "out_proj", "out_lin"),
    "gate": ("gate_proj", "w1"),
    "up": ("up_proj", "w3", "c_fc", "fc1", "dense_h_to_4h"),
    "gate_up": ("gate_up_proj",),
    "down": ("down_proj", "w2", "fc2", "dense_4h_to_h"),
}
_PART_OF = {module: part for part, modules in _PARTS.items() for module in modules}
_IN_ATTENTION = {"c_proj": "o", "dense": "o"}
_IN_MLP = {"c_proj": "down", "dense": "down"}

PARTS = (*_PARTS, "norm", "other")
"""What a tensor can be: embeddings, the head, a projection of attention or of the MLP, a norm, or another."""
INTO_STREAM = ("o", "down")
"""Projections whose output is added to the residual stream."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where in a model a tensor belongs.

    Attributes:
        layer: Its layer, from 0; None outside of layers.
        part: What it does there, one of ``PARTS``.
    """

    layer: int | None
    part: str


def address(name: str) -> Address:
    """Return where a tensor belongs.

    Example:
        >>> address("model.layers.3.self_attn.q_proj.weight")
        Address(layer=3, part='q')
        >>> address("transformer.h.11.mlp.c_proj.bias")
        Address(layer=11, part='down')
        >>> address("model.embed_tokens.weight")
        Address(layer=None, part='embed')
    """
    found = _LAYER.search(name)
    return Address(int(found[2]) if found else None, _part(name))


def _part(name: str) -> str:
    modules = name.split(".")
    # The name of the innermost module counts: 'attention.output.dense' is no head.
    for module in reversed(modules):
        if module in _IN_MLP:
            is_attention = any("attn" in outer or "attention" in outer for outer in modules)
            return (_IN_ATTENTION if is_attention else _IN_MLP)[module]
        if module in _PART_OF:
            return _PART_OF[module]
        if "norm" in module.lower() or module.startswith("ln_"):
            return "norm"
    return "other"


def count_layers(names: Iterable[str]) -> int:
    """Return how many layers the tensors of these names make up.

    Example:
        >>> count_layers(["model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.weight"])
        2
    """
    layers = {found.layer for found in map(address, names) if found.layer is not None}
    return max(layers, default=-1) + 1


def choose(
    names: Iterable[str], *, layers: Container[int | None] | None = None, parts: Container[str] | None = None
) -> list[str]:
    """Return the names of tensors in some layers, of some parts; None allows all.

    Example:
        >>> choose(["model.layers.0.mlp.up_proj.weight", "lm_head.weight"], layers=range(4))
        ['model.layers.0.mlp.up_proj.weight']
    """
    found = [(name, address(name)) for name in names]
    return [
        name
        for name, at in found
        if (layers is None or at.layer in layers) and (parts is None or at.part in parts)
    ]


def in_layer(name: str, layer: int) -> str:
    """Return the name of the same tensor in another layer.

    Example:
        >>> in_layer("model.layers.3.mlp.experts.7.w1.weight", 12)
        'model.layers.12.mlp.experts.7.w1.weight'
    """
    return _LAYER.sub(lambda found: f"{found[1]}.{layer}", name, count=1)
