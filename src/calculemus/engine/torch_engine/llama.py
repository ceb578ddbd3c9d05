"""A lean forward pass for the Llama family: RMS norm, rotary positions, grouped queries, gated MLP.

The same sums as the Hugging Face module in fewer operations: queries, keys and values come from one product,
so do both halves of the MLP's input, and positions are applied as one complex product. For that the rows of
the query and key weights are put in another order: pairs that rotate together become neighbours.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from calculemus.engine.torch_engine.attention import Attend
from calculemus.engine.torch_engine.plan import Plan
from calculemus.engine.torch_engine.product import add_product, multiply
from calculemus.engine.torch_engine.runner import Output, Sizes, Tap, apply_taps

MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3")
STATIC_ROPE = ("default", "linear", "llama3", "yarn")
"""Rotary embeddings whose angles depend on the position alone, not on the length of the sequence."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Weights of one layer; products that share their input are one.

    Attributes:
        norm: Scale of the norm before attention.
        qkv: Queries, keys and values, (output, input), with its bias.
        qk_scale: Scale of the norms of queries and keys, (head, width); None where there are none.
        out: Attention's output, (output, input), with its bias.
        mlp_norm: Scale of the norm before the MLP.
        gate_up: Gate and input of the MLP, (output, input), with its bias.
        down: Output of the MLP, (output, input), with its bias.
        window: How many keys a query sees; None for all before it.
    """

    norm: Tensor
    qkv: tuple[Tensor, Tensor | None]
    qk_scale: Tensor | None
    out: tuple[Tensor, Tensor | None]
    mlp_norm: Tensor
    gate_up: tuple[Tensor, Tensor | None]
    down: tuple[Tensor, Tensor | None]
    window: int | None


def is_supported(config: Any) -> bool:
    """Say whether a Hugging Face configuration describes a model that this module runs."""
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        config.model_type in MODEL_TYPES
        and config.hidden_act == "silu"
        and rope.get("rope_type", "default") in STATIC_ROPE
        and "rope_theta" in rope
        and rope.get("partial_rotary_factor", 1.0) == 1.0
    )


class LlamaRunner:
    """Runs a model of the Llama family; see ``Runner``.

    Attributes:
        sizes: The model's.
        taps: Who looks at hidden states.
        uses_arena: It does.
    """

    uses_arena = True

    def __init__(self, model: Any, sizes: Sizes, context: int) -> None:
        config, body = model.config, model.model
        self.sizes = sizes
        self.taps: list[Tap] = []
        self._eps = config.rms_norm_eps
        self._embeddings = body.embed_tokens.weight
        self._norm = body.norm.weight
        self._head = model.lm_head.weight
        self._layers = [_layer(layer, sizes, _window(config, i)) for i, layer in enumerate(body.layers)]
        self._angles = _angles(body, context)
        scale = self._angles.real.new_ones(sizes.n_heads + sizes.n_kv_heads, 1)
        scale[: sizes.n_heads] = sizes.d_key**-0.5
        self._scale = scale

    def run(self, plan: Plan, attend: Attend) -> Output:
        """Run the step's tokens through the model."""
        hidden = F.embedding(plan.input_ids, self._embeddings)
        # Queries are scaled on the way: their softmax wants it, and here it costs nothing.
        turns = self._angles[plan.positions][:, None] * self._scale
        for i, layer in enumerate(self._layers):
            hidden = self._layer(i, layer, hidden, turns, attend)
            if self.taps:
                hidden = apply_taps(self.taps, i, hidden, plan)
        hidden = self._normed(hidden, self._norm)
        logits = None
        if plan.logit_rows is not None:
            logits = multiply(hidden.index_select(0, plan.logit_rows), self._head).float()
        return Output(hidden, logits)

    def release(self) -> None:
        """Do nothing: the module's weights are read, and itself left alone."""

    def _normed(self, hidden: Tensor, scale: Tensor | None) -> Tensor:
        return F.rms_norm(hidden, hidden.shape[-1:], scale, self._eps)

    def _layer(self, i: int, layer: Layer, hidden: Tensor, turns: Tensor, attend: Attend) -> Tensor:
        sizes = self.sizes
        n_turned = sizes.n_heads + sizes.n_kv_heads
        qkv = multiply(self._normed(hidden, layer.norm), *layer.qkv)
        qk = qkv[:, : n_turned * sizes.d_key].unflatten(1, (n_turned, sizes.d_key))
        values = qkv[:, n_turned * sizes.d_key :].unflatten(1, (sizes.n_kv_heads, sizes.d_value))
        if layer.qk_scale is not None:
            qk = self._normed(qk, None) * layer.qk_scale
        qk = torch.view_as_complex(qk.float().unflatten(-1, (-1, 2))) * turns
        qk = torch.view_as_real(qk).flatten(-2).to(qkv.dtype)
        found = attend(i, qk[:, : sizes.n_heads], qk[:, sizes.n_heads :], values, window=layer.window)
        hidden = add_product(hidden, found, *layer.out)
        both = multiply(self._normed(hidden, layer.mlp_norm), *layer.gate_up)
        gate, up = both.chunk(2, dim=1)
        return add_product(hidden, F.silu(gate).mul_(up), *layer.down)


def _window(config: Any, layer: int) -> int | None:
    """Return how many keys a layer's queries see."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        return window if kinds[layer] == "sliding_attention" else None
    return window if config.model_type == "mistral" else None


def _angles(body: Any, context: int) -> Tensor:
    """Return for each position the complex numbers that turn its pairs, (position, pair)."""
    device = body.embed_tokens.weight.device
    wanted = torch.zeros(1, device=device)  # gives device and dtype: the angles are wanted in float32
    cos, sin = body.rotary_emb(wanted, torch.arange(context, device=device)[None])
    half = cos.shape[-1] // 2
    return torch.complex(cos[0, :, :half], sin[0, :, :half])


def _layer(layer: Any, sizes: Sizes, window: int | None) -> Layer:
    """Join and reorder the weights of a Hugging Face layer."""
    attention, mlp = layer.self_attn, layer.mlp
    q, k = (_paired(part, sizes.d_key) for part in (attention.q_proj, attention.k_proj))
    qk_scale = None
    if hasattr(attention, "q_norm"):
        scales = [
            _pairs(norm.weight, sizes.d_key).expand(n, -1)
            for norm, n in ((attention.q_norm, sizes.n_heads), (attention.k_norm, sizes.n_kv_heads))
        ]
        qk_scale = torch.cat(scales)
    return Layer(
        norm=layer.input_layernorm.weight,
        qkv=_joined(q, k, (attention.v_proj.weight, attention.v_proj.bias)),
        qk_scale=qk_scale,
        out=(attention.o_proj.weight, attention.o_proj.bias),
        mlp_norm=layer.post_attention_layernorm.weight,
        gate_up=_joined(*((part.weight, part.bias) for part in (mlp.gate_proj, mlp.up_proj))),
        down=(mlp.down_proj.weight, mlp.down_proj.bias),
        window=window,
    )


def _joined(*parts: tuple[Tensor, Tensor | None]) -> tuple[Tensor, Tensor | None]:
    """Stack weights, and biases where there are any."""
    weight = torch.cat([weight for weight, _ in parts])
    if all(bias is None for _, bias in parts):
        return weight, None
    biases = [weight.new_zeros(len(weight)) if bias is None else bias for weight, bias in parts]
    return weight, torch.cat(biases)


def _paired(part: Any, d_key: int) -> tuple[Tensor, Tensor | None]:
    bias = None if part.bias is None else _pairs(part.bias, d_key)
    return _pairs(part.weight, d_key), bias


def _pairs(rows: Tensor, d_key: int) -> Tensor:
    """Make rows j and j + d_key / 2 of each head neighbours."""
    halves = rows.unflatten(0, (-1, 2, d_key // 2))
    return halves.transpose(1, 2).flatten(0, 2)
