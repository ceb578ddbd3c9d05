"""The heads of attention: how many there are, where their rows lie, and what positions do to them.

Read from configurations of Hugging Face and from the names and shapes of tensors.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError
from calculemus.merging.layers import address, choose, count_layers

Pairs = Sequence[tuple[int, int]]
"""Places within a head that rotary positions turn together."""

_N_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
_N_KV_HEADS = ("num_key_value_heads", "n_head_kv")
_D_MODEL = ("hidden_size", "n_embd", "d_model", "dim")
_ROTARY = (
    "rope_theta",
    "rope_parameters",
    "rope_scaling",
    "rotary_pct",
    "partial_rotary_factor",
    "rotary_dim",
)
_PARTIAL = ("partial_rotary_factor", "rotary_pct")
_ROTARY_TYPES = (
    *("llama", "mistral", "mixtral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi", "phi3"),
    *("olmo", "olmo2", "olmo3", "stablelm", "starcoder2", "gpt_neox", "gptj", "cohere", "cohere2", "glm"),
    *("glm4", "smollm3", "granite", "helium", "ernie4_5"),
)
# They turn neighbours; all others turn a place of the first half with its fellow of the second.
_NEIGHBOURS = ("gptj", "cohere", "cohere2", "glm", "glm4", "helium", "ernie4_5")
_NORM = re.compile(r"\.[qk]_(norm|layernorm)\.")
_ABSOLUTE = ("gpt2", "opt", "gpt_neo", "bert", "roberta", "distilbert", "clip_text_model", "vit", "xglm")


@dataclass(frozen=True, slots=True)
class Heads:
    """How attention is cut into heads.

    Attributes:
        n_heads: Heads of queries.
        n_kv_heads: Heads of keys and values, each shared by as many heads of queries.
        d_head: Width of a head.
        rotary: Pairs of places that positions turn, if they do.
    """

    n_heads: int
    n_kv_heads: int
    d_head: int
    rotary: Pairs

    def group(self, head: int) -> int:
        """Return which head of keys and values a head of queries goes with."""
        return head // (self.n_heads // self.n_kv_heads)


@dataclass(frozen=True, slots=True)
class Attention:
    """The tensors of one layer's attention, by their names.

    Attributes:
        layer: Its number.
        weights: Of the projections ``q``, ``k``, ``v`` and ``o``.
        biases: Those of ``q``, ``k`` and ``v`` that there are.
        is_normed: Whether queries and keys are normalised before they meet.
    """

    layer: int
    weights: Mapping[str, str]
    biases: Mapping[str, str]
    is_normed: bool


def heads_of(model: Checkpoint) -> Heads:
    """Return how a model's attention is cut into heads.

    Raises:
        CheckpointMismatchError: Its configuration does not say, or positions are of a kind that is not known.
    """
    config = text_config(model)
    n_heads, d_model = _first(config, _N_HEADS), _first(config, _D_MODEL)
    if n_heads is None or d_model is None:
        raise CheckpointMismatchError(
            f"finding the heads of {model.name}: its configuration has no number of heads or no width; "
            f"expected one of {', '.join(_N_HEADS)} and one of {', '.join(_D_MODEL)} in its config.json"
        )
    n_kv_heads = _first(config, _N_KV_HEADS) or n_heads
    d_head = config.get("head_dim") or d_model // n_heads
    return Heads(n_heads, n_kv_heads, d_head, _rotary(model, config, d_head))


def text_config(model: Checkpoint) -> Mapping[str, Any]:
    """Return what a configuration says of the language model."""
    inner = model.config.get("text_config")
    return inner if isinstance(inner, dict) else model.config


def _first(config: Mapping[str, Any], names: Sequence[str]) -> int | None:
    return next((config[name] for name in names if isinstance(config.get(name), int)), None)


def _rotary(model: Checkpoint, config: Mapping[str, Any], d_head: int) -> Pairs:
    """Return the pairs that positions turn; none where positions are added to the stream."""
    kind: Literal["rotary", "absolute"] | None = None
    if config.get("model_type") in _ROTARY_TYPES or any(config.get(name) for name in _ROTARY):
        kind = "rotary"
    elif config.get("model_type") in _ABSOLUTE:
        kind = "absolute"
    if kind is None:
        raise CheckpointMismatchError(
            f"finding the heads of {model.name}: its kind '{config.get('model_type')}' is not known, and "
            "nothing in its configuration tells how positions enter; expected a model with rotary or with "
            "added positions"
        )
    if kind == "absolute":
        return ()
    inner = config.get("rope_parameters")
    told = {**config, **(inner if isinstance(inner, dict) else {})}
    share = next((told[name] for name in _PARTIAL if told.get(name)), 1.0)
    n_turned = told.get("rotary_dim") or int(d_head * share)
    if config.get("model_type") in _NEIGHBOURS:
        return [(place, place + 1) for place in range(0, n_turned, 2)]
    return [(place, place + n_turned // 2) for place in range(n_turned // 2)]


def attentions(model: Checkpoint) -> list[Attention]:
    """Return the attention of each layer.

    Raises:
        CheckpointMismatchError: A layer's queries, keys and values are one tensor, or it lacks one of them.
    """
    return [_attention(model, layer) for layer in range(count_layers(model))]


def _attention(model: Checkpoint, layer: int) -> Attention:
    found: dict[str, list[str]] = {}
    for name in choose(model, layers=(layer,)):
        kind = f"{address(name).part}.{name.rpartition('.')[2]}"
        found.setdefault(kind, []).append(name)
    fused = [name for kind, names in found.items() if kind.startswith("qkv.") for name in names]
    if fused:
        raise CheckpointMismatchError(
            f"finding the heads of {model.name}: '{fused[0]}' holds queries, keys and values in one; "
            "expected a tensor for each. Split it first"
        )
    for part in "qkvo":
        names = found.get(f"{part}.weight", [])
        if len(names) != 1:
            raise CheckpointMismatchError(
                f"finding the heads of {model.name}: layer {layer} has {len(names)} projections {part}; "
                "expected one each of q, k, v and o by names such as 'self_attn.q_proj.weight'"
            )
    return Attention(
        layer,
        weights={part: found[f"{part}.weight"][0] for part in "qkvo"},
        # The bias of the output is added behind the heads.
        biases={part: found[f"{part}.bias"][0] for part in "qkv" if f"{part}.bias" in found},
        is_normed=any(_NORM.search(name) for names in found.values() for name in names),
    )
