"""Chooses, when a model is loaded, how to run it.

The lean pass, or the module hosted on the arena, is used only where it gives the module's own logits; else
the module runs plainly. The logits are compared on sequences that are short, so what shows only on longer
ones is read off the configuration: windows, and rotary positions that change with the sequence's length.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calculemus.engine.torch_engine import llama
from calculemus.engine.torch_engine.attention import attend_to_self
from calculemus.engine.torch_engine.hosted import HostedRunner, PlainRunner
from calculemus.engine.torch_engine.lanes import Piece
from calculemus.engine.torch_engine.llama import LlamaRunner
from calculemus.engine.torch_engine.measure import Bench, bare_plan, cuts
from calculemus.engine.torch_engine.runner import Runner, Sizes
from calculemus.errors import EngineError

Ids = NDArray[np.int64]
_log = logging.getLogger(__name__)
N_CHECKED = 24
"""Tokens of the sequences on which a way of running is compared with the module."""
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 1e-1}
"""Largest difference of logits, by the largest logit."""


def steady_context(config: Any) -> int | None:
    """Return the length up to which a token's rotary position is its own; None where that is any length.

    Behind it, models with two sets of angles turn all tokens of a sequence by the other one.
    """
    rope = getattr(config, "rope_parameters", None) or {}
    kinds = [kind for kind in (rope, *rope.values()) if isinstance(kind, Mapping)]
    limits = [
        kind["original_max_position_embeddings"] for kind in kinds if kind.get("rope_type") == "longrope"
    ]
    return min(limits, default=None)


@torch.inference_mode()
def choose_runner(model: Any, context: int, doing: str) -> Runner:
    """Return the leanest way to run a model that gives its own logits.

    Raises:
        EngineError: Its logits are not finite, or it cannot be run in any way.
    """
    vocab_size = model.get_output_embeddings().weight.shape[0]
    ids = np.arange(min(N_CHECKED, context)) * 7919 % vocab_size
    sequences = [ids, ids[::-1].copy()]
    wanted = [_own_logits(model, sequence) for sequence in sequences]
    if not all(bool(logits.isfinite().all()) for logits in wanted):
        raise EngineError(
            f"{doing}: its logits are not finite; expected numbers. Copy its weights again, or load them in "
            "the dtype that they were trained in"
        )
    ways: list[Callable[[], Runner]] = []
    if llama.is_supported(model.config):
        ways.append(lambda: LlamaRunner(model, _configured_sizes(model), context))
    ways.append(lambda: HostedRunner(model, _hosted_sizes(model, ids, context)))
    for way in ways:
        runner = _try(way, sequences, wanted, model.dtype)
        if runner is not None:
            return runner
    _log.warning("%s runs one sequence at a time, without kept keys and values", type(model).__name__)
    runner = PlainRunner(model, _configured_sizes(model))
    try:
        runner.run(bare_plan(ids[:1], model.device), attend_to_self)
    except Exception as error:  # modules of other people fail in ways of their own
        raise EngineError(
            f"{doing}: a {type(model).__name__} cannot be run: {error!r}; expected a causal language model "
            "that takes input_ids and gives logits. Use another model"
        ) from error
    return runner


def _own_logits(model: Any, ids: Ids) -> Tensor:
    return model(input_ids=torch.from_numpy(ids)[None].to(model.device), use_cache=False).logits[0].float()


def _try(
    way: Callable[[], Runner], sequences: Sequence[Ids], wanted: Sequence[Tensor], dtype: torch.dtype
) -> Runner | None:
    """Return a runner if it gives the wanted logits; None if it fails, in whichever way, or differs."""
    runner = None
    try:
        runner = way()
        found = _logits_in_steps(runner, sequences, dtype, wanted[0].device)
        scale = max(1.0, float(wanted[0].abs().max()))
        furthest = max(float((a - b).abs().max()) for a, b in zip(found, wanted, strict=True))
        if furthest <= TOLERANCE[dtype] * scale:
            return runner
    except Exception:  # modules of other people fail in ways of their own; a plain way remains
        _log.info("this model cannot run in one of the faster ways", exc_info=True)
    if runner is not None:
        runner.release()
    return None


def _parameters(model: Any) -> int:
    """Count the weights that are multiplied with: all but the input embeddings, unless tied."""
    embeddings, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    unused = 0 if embeddings is head else embeddings.numel()
    return sum(parameter.numel() for parameter in model.parameters()) - unused


def _configured_sizes(model: Any) -> Sizes:
    """Read a model's sizes off its configuration."""
    config = model.config
    n_heads = getattr(config, "num_attention_heads", 1)
    vocab_size, d_model = model.get_output_embeddings().weight.shape
    d_head = getattr(config, "head_dim", None) or max(1, d_model // n_heads)
    return Sizes(
        n_layers=config.num_hidden_layers,
        n_heads=n_heads,
        n_kv_heads=getattr(config, "num_key_value_heads", None) or n_heads,
        d_key=d_head,
        d_value=d_head,
        d_model=d_model,
        vocab_size=vocab_size,
        parameters=_parameters(model),
    )


def _hosted_sizes(model: Any, ids: Ids, context: int) -> Sizes:
    """See which sizes a module asks attention for; they are the same in all layers or this fails.

    Raises:
        EngineError: What its tokens attend to depends on more than the arena is told.
        ValueError: It does not ask for attention at all, or for layers that differ.
    """
    asked: dict[int, tuple[int, int, int, int]] = {}
    windows: dict[int, int | None] = {}

    def note(layer: int, queries: Tensor, keys: Tensor, values: Tensor, **rest: Any) -> Tensor:
        asked[layer] = (queries.shape[1], keys.shape[1], keys.shape[2], values.shape[2])
        windows[layer] = rest.get("window")
        return attend_to_self(layer, queries, keys, values, **rest)

    sizes = _configured_sizes(model)
    runner = HostedRunner(model, sizes)
    try:
        runner.run(bare_plan(ids, model.device), note)
    finally:
        runner.release()
    steady = steady_context(model.config)
    if not _are_configured(windows, model.config, context) or (steady is not None and context > steady):
        raise EngineError("hosting a module: its attention depends on masks or on lengths that it keeps back")
    ((n_heads, n_kv_heads, d_key, d_value),) = set(asked.values())
    return replace(
        sizes,
        n_layers=max(asked) + 1,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        d_key=d_key,
        d_value=d_value,
    )


def _are_configured(windows: Mapping[int, int | None], config: Any, context: int) -> bool:
    """Say whether a module asks for the windows of its configuration, as far as they matter.

    Some modules put a window, or chunks, into the mask alone, which the arena does not look at.
    """
    kinds = getattr(config, "layer_types", None)
    local = {
        "sliding_attention": getattr(config, "sliding_window", None),
        "chunked_attention": getattr(config, "attention_chunk_size", None),
    }
    for layer, window in windows.items():
        kind = kinds[layer] if kinds else next((name for name, width in local.items() if width), "")
        wanted = local.get(kind)
        if wanted != window and min(wanted or context, window or context) < context:
            return False
    return True


def _logits_in_steps(
    runner: Runner, sequences: Sequence[Ids], dtype: torch.dtype, device: torch.device
) -> list[Tensor]:
    """Run sequences side by side, two thirds of each in two pieces and the rest token by token."""
    n = len(sequences[0])
    bench = Bench(runner.sizes, len(sequences), n, dtype, device)
    lanes = [bench.take(ids) for ids in sequences]
    found: list[list[Tensor]] = [[] for _ in lanes]
    for start, stop in cuts(n // 3, 2 * n // 3):
        pieces = [Piece(lane, start, stop - start) for lane in lanes]
        logits = runner.run(bench.plan([], pieces), bench.attention).logits
        assert logits is not None, "the bench scores all tokens"
        for i, part in enumerate(logits[: len(lanes) * (stop - start)].split(stop - start)):
            found[i].append(part)
    for _ in range(2 * n // 3, n):
        logits = runner.run(bench.plan(lanes, []), bench.attention).logits
        assert logits is not None, "the bench scores all tokens"
        for i, part in enumerate(found):
            part.append(logits[i : i + 1])
    return [torch.cat(parts) for parts in found]
