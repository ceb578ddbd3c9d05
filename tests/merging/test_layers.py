"""Where in a model a tensor belongs."""

import pytest

from calculemus.merging.layers import PARTS, Address, address, choose, count_layers, in_layer

PLACES = {
    "model.embed_tokens.weight": (None, "embed"),
    "model.norm.weight": (None, "norm"),
    "lm_head.weight": (None, "head"),
    "model.layers.0.input_layernorm.weight": (0, "norm"),
    "model.layers.12.self_attn.q_proj.weight": (12, "q"),
    "model.layers.12.self_attn.k_proj.bias": (12, "k"),
    "model.layers.3.self_attn.v_proj.weight": (3, "v"),
    "model.layers.3.self_attn.o_proj.weight": (3, "o"),
    "model.layers.3.self_attn.q_norm.weight": (3, "norm"),
    "model.layers.3.self_attn.qkv_proj.weight": (3, "qkv"),
    "model.layers.7.mlp.gate_proj.weight": (7, "gate"),
    "model.layers.7.mlp.up_proj.weight": (7, "up"),
    "model.layers.7.mlp.down_proj.weight": (7, "down"),
    "model.layers.7.mlp.gate_up_proj.weight": (7, "gate_up"),
    "model.layers.5.block_sparse_moe.experts.2.w1.weight": (5, "gate"),
    "model.layers.5.block_sparse_moe.experts.2.w2.weight": (5, "down"),
    "model.layers.5.block_sparse_moe.gate.weight": (5, "other"),
    "transformer.wte.weight": (None, "embed"),
    "transformer.wpe.weight": (None, "positions"),
    "transformer.ln_f.weight": (None, "norm"),
    "transformer.h.11.attn.c_attn.weight": (11, "qkv"),
    "transformer.h.11.attn.c_proj.weight": (11, "o"),
    "transformer.h.11.mlp.c_fc.weight": (11, "up"),
    "transformer.h.11.mlp.c_proj.bias": (11, "down"),
    "gpt_neox.layers.4.attention.dense.weight": (4, "o"),
    "gpt_neox.layers.4.mlp.dense_4h_to_h.weight": (4, "down"),
    "bert.encoder.layer.2.attention.output.dense.weight": (2, "o"),
    "bert.encoder.layer.2.attention.self.query.weight": (2, "q"),
    "something.else": (None, "other"),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_name_says_layer_and_part(name: str) -> None:
    assert address(name) == Address(*PLACES[name])
    assert address(name).part in PARTS


@pytest.mark.parametrize("name", [name for name, (layer, _) in PLACES.items() if layer is not None])
def test_a_name_in_another_layer_differs_in_that_alone(name: str) -> None:
    moved = in_layer(name, 99)
    assert address(moved) == Address(99, PLACES[name][1])
    assert in_layer(moved, PLACES[name][0] or 0) == name


def test_a_name_outside_of_layers_stays() -> None:
    assert in_layer("lm_head.weight", 3) == "lm_head.weight"


def test_layers_are_counted_to_the_highest() -> None:
    assert count_layers(PLACES) == 13
    assert count_layers(["lm_head.weight"]) == 0


def test_choosing_by_layers_and_parts() -> None:
    assert choose(PLACES) == list(PLACES)
    assert choose(PLACES, layers=range(5, 8), parts=("up", "down")) == [
        "model.layers.7.mlp.up_proj.weight",
        "model.layers.7.mlp.down_proj.weight",
        "model.layers.5.block_sparse_moe.experts.2.w2.weight",
    ]
    assert set(choose(PLACES, layers=(None,))) == {n for n, (layer, _) in PLACES.items() if layer is None}
