"""Finds out, when a model is loaded, how to run it and in which shapes its results are the batch's own.

The lean pass, or the module hosted on the arena, is used only where it gives the module's own logits; else
the module runs plainly. Then ``stable_shapes`` runs it in each row count that the engine may use and keeps
those with equal bits, and compares attention over a prompt in one piece, in several, and token by token.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calculemus.engine.torch_engine import llama
from calculemus.engine.torch_engine.arena import Arena, KvShape, slot_length
from calculemus.engine.torch_engine.attention import ArenaAttention, attend_to_self
from calculemus.engine.torch_engine.hosted import HostedRunner, PlainRunner
from calculemus.engine.torch_engine.lanes import Lanes, Piece
from calculemus.engine.torch_engine.llama import LlamaRunner
from calculemus.engine.torch_engine.plan import Plan, Planner
from calculemus.engine.torch_engine.runner import Runner, Sizes
from calculemus.engine.torch_engine.shapes import KEY_BLOCK, Shapes, row_counts

Ids = NDArray[np.int64]
_log = logging.getLogger(__name__)
N_CHECKED = 24
"""Tokens of the sequences on which a way of running is compared with the module."""
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 1e-1}
"""Largest difference of logits, by the largest logit."""


@torch.inference_mode()
def choose_runner(model: Any, context: int) -> Runner:
    """Return the leanest way to run a model that gives its own logits."""
    vocab_size = model.get_output_embeddings().weight.shape[0]
    ids = np.arange(N_CHECKED) * 7919 % vocab_size
    sequences = [ids, ids[::-1].copy()]
    wanted = [_own_logits(model, sequence) for sequence in sequences]
    ways: list[Callable[[], Runner]] = []
    if llama.is_supported(model.config):
        ways.append(lambda: LlamaRunner(model, _configured_sizes(model), context))
    ways.append(lambda: HostedRunner(model, _hosted_sizes(model, ids)))
    for way in ways:
        runner = _try(way, sequences, wanted, model.dtype)
        if runner is not None:
            return runner
    _log.warning("%s runs one sequence at a time, without kept keys and values", type(model).__name__)
    model.set_attn_implementation("eager")
    return PlainRunner(model, _configured_sizes(model))


def _own_logits(model: Any, ids: Ids) -> Tensor:
    return model(input_ids=torch.from_numpy(ids)[None].to(model.device), use_cache=False).logits[0].float()


def _try(
    way: Callable[[], Runner], sequences: Sequence[Ids], wanted: Sequence[Tensor], dtype: torch.dtype
) -> Runner | None:
    """Return a runner if it gives the wanted logits; None if it fails, in whichever way, or differs."""
    try:
        runner = way()
        found = _logits_in_steps(runner, sequences, dtype, wanted[0].device)
    except Exception:  # modules of other people fail in ways of their own; a plain way remains
        _log.info("this model cannot run in one of the faster ways", exc_info=True)
        return None
    scale = max(1.0, float(wanted[0].abs().max()))
    furthest = max(float((a - b).abs().max()) for a, b in zip(found, wanted, strict=True))
    return runner if furthest <= TOLERANCE[dtype] * scale else None


def _parameters(model: Any) -> int:
    """Count the weights that are multiplied with: all but the input embeddings, unless tied."""
    embeddings, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    unused = 0 if embeddings is head else embeddings.numel()
    return sum(parameter.numel() for parameter in model.parameters()) - unused


def _configured_sizes(model: Any) -> Sizes:
    """Read a model's sizes off its configuration."""
    config = model.config
    n_heads = getattr(config, "num_attention_heads", 1)
    d_model = model.get_input_embeddings().weight.shape[1]
    d_head = getattr(config, "head_dim", None) or max(1, d_model // n_heads)
    return Sizes(
        n_layers=config.num_hidden_layers,
        n_heads=n_heads,
        n_kv_heads=getattr(config, "num_key_value_heads", None) or n_heads,
        d_key=d_head,
        d_value=d_head,
        d_model=d_model,
        vocab_size=model.get_output_embeddings().weight.shape[0],
        parameters=_parameters(model),
    )


def _hosted_sizes(model: Any, ids: Ids) -> Sizes:
    """See which sizes a module asks attention for; they are the same in all layers or this fails."""
    asked: dict[int, tuple[int, int, int, int]] = {}

    def note(layer: int, queries: Tensor, keys: Tensor, values: Tensor, **rest: Any) -> Tensor:
        asked[layer] = (queries.shape[1], keys.shape[1], keys.shape[2], values.shape[2])
        return attend_to_self(layer, queries, keys, values, **rest)

    sizes = _configured_sizes(model)
    HostedRunner(model, sizes).run(_bare_plan(ids, model.device), note)
    ((n_heads, n_kv_heads, d_key, d_value),) = set(asked.values())
    return Sizes(
        n_layers=max(asked) + 1,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        d_key=d_key,
        d_value=d_value,
        d_model=sizes.d_model,
        vocab_size=sizes.vocab_size,
        parameters=sizes.parameters,
    )


def _bare_plan(ids: Ids, device: torch.device) -> Plan:
    """Lay out tokens that stand alone, each at the start of its own sequence; all logits are wanted."""
    input_ids = torch.from_numpy(ids).to(device)
    return Plan(
        n_tokens=len(ids),
        n_decode=0,
        input_ids=input_ids,
        positions=torch.zeros_like(input_ids),
        write=torch.zeros_like(input_ids)[:, None],
        decode=(),
        grid=None,
        n_cells=0,
        pieces=(),
        logit_rows=torch.arange(len(ids), device=device),
        segments=[(ids[i : i + 1], 1) for i in range(len(ids))],
    )


class _Bench:
    """A few lanes in an arena of their own, filled by hand."""

    def __init__(
        self, sizes: Sizes, n_lanes: int, room: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        shape = KvShape(sizes.n_layers, sizes.n_kv_heads, max(sizes.d_key, sizes.d_value))
        tokens = 2 * n_lanes * slot_length(room)
        self.arena = Arena(
            shape, slot_tokens=tokens, pool_tokens=0, slab_rows=n_lanes, dtype=dtype, device=device
        )
        self.lanes = Lanes(n_lanes, room)
        self.planner = Planner(self.lanes, self.arena, Shapes(row_counts(n_lanes * room)))
        self.attention = ArenaAttention(self.arena)

    def take(self, ids: Ids) -> int:
        """Give a sequence a lane."""
        slot = self.arena.place(len(ids))
        assert slot is not None, "the bench has room for all its lanes"
        return self.lanes.take(slot, ids, len(ids))

    def plan(self, decoders: Sequence[int], pieces: Sequence[Piece]) -> Plan:
        """Lay out a step whose pieces' tokens are all scored, and move the lanes on behind it."""
        lanes = np.array(decoders, np.int64)
        lanes = lanes[np.argsort(self.lanes.base[lanes])]
        n_scored = sum(piece.n for piece in pieces)
        plan = self.planner.plan(lanes, pieces, len(lanes) + np.arange(n_scored))
        self.lanes.length[lanes] += 1
        for piece in pieces:
            self.lanes.length[piece.lane] += piece.n
        self.attention.plan = plan
        return plan


def _logits_in_steps(
    runner: Runner, sequences: Sequence[Ids], dtype: torch.dtype, device: torch.device
) -> list[Tensor]:
    """Run sequences side by side, two thirds of each in two pieces and the rest token by token."""
    n = len(sequences[0])
    bench = _Bench(runner.sizes, len(sequences), n, dtype, device)
    lanes = [bench.take(ids) for ids in sequences]
    found: list[list[Tensor]] = [[] for _ in lanes]
    for start, stop in ((0, n // 3), (n // 3, 2 * n // 3)):
        pieces = [Piece(lane, start, stop - start) for lane in lanes]
        logits = runner.run(bench.plan([], pieces), bench.attention).logits
        assert logits is not None, "the bench scores all tokens"
        for i, part in enumerate(logits[: len(lanes) * (stop - start)].split(stop - start)):
            found[i].append(part)
    for _ in range(2 * n // 3, n):
        logits = runner.run(bench.plan(lanes, []), bench.attention).logits
        assert logits is not None, "the bench scores all tokens"
        for lane, row in zip(lanes, _ranks(bench, lanes), strict=True):
            found[lanes.index(lane)].append(logits[row][None])
    return [torch.cat(parts) for parts in found]


def _ranks(bench: _Bench, lanes: Sequence[int]) -> list[int]:
    """Return for each lane its row among decoding ones: they are in the order of their slots."""
    return np.argsort(np.argsort(bench.lanes.base[np.array(lanes)])).tolist()


@torch.inference_mode()
def stable_shapes(
    runner: Runner, limit: int, context: int, dtype: torch.dtype, device: torch.device
) -> Shapes:
    """Return the row counts up to about ``limit`` in which a model's rows have equal bits on this machine."""
    counts = row_counts(limit)
    if not runner.uses_arena:
        return Shapes(counts)
    ids = np.arange(counts[-1]) * 7919 % runner.sizes.vocab_size
    wanted = _alone(runner, ids, device)
    is_stable = all(
        torch.equal(a.flip(0), b)
        for a, b in zip(_alone(runner, ids[::-1].copy(), device), wanted, strict=True)
    )
    kept = [n for n in counts[:-1] if _agrees(_alone(runner, ids[:n].copy(), device), wanted)]
    is_stable = is_stable and _is_attention_stable(runner.sizes, min(context, KEY_BLOCK + 60), dtype, device)
    return Shapes((*kept, counts[-1]), is_stable)


def _alone(runner: Runner, ids: Ids, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return hidden states and logits of tokens that stand alone."""
    out = runner.run(_bare_plan(ids, device), attend_to_self)
    assert out.logits is not None, "the bare plan asks for all logits"
    return out.hidden_states, out.logits


def _agrees(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b[: len(a)]) for a, b in zip(found, wanted, strict=True))


def _is_attention_stable(sizes: Sizes, n: int, dtype: torch.dtype, device: torch.device) -> bool:
    """Say whether attention gives a sequence's last tokens the same bits in every way that it may take.

    One lane has the sequence in one piece, one in pieces of odd lengths, and two token by token at the end,
    one of them beside a longer row.
    """
    ids, n_last = np.zeros(n, np.int64), min(8, n - 1)
    bench = _Bench(sizes, 5, n + 300, dtype, device)
    rows = [_numbers(n, heads, width).to(device, dtype) for heads, width in _widths(sizes)]
    found: list[Tensor] = []

    def run(lanes: Sequence[int], pieces: Sequence[Piece]) -> Tensor:
        plan = bench.plan(lanes, pieces)
        mine = [tensor.index_select(0, plan.positions % n) for tensor in rows]
        return bench.attention(0, mine[0], mine[1], mine[2])[: plan.n_tokens]

    whole, cut = bench.take(ids), bench.take(ids)
    found.append(run([], [Piece(whole, 0, n)])[-n_last:])
    for start, stop in ((0, n // 7), (n // 7, n // 2), (n // 2, n)):
        last = run([], [Piece(cut, start, stop - start)])
    found.append(last[-n_last:])
    for beside in (0, 300):
        lanes = [bench.take(ids)] + ([bench.take(np.zeros(n + beside, np.int64))] if beside else [])
        for lane in lanes:
            n_first = int(bench.lanes.known[lane]) - n_last
            run([], [Piece(lane, 0, n_first)])
        steps = [run(lanes, [])[_ranks(bench, lanes)[0]] for _ in range(n_last)]
        found.append(torch.stack(steps))
    return all(torch.equal(found[0], other) for other in found[1:])


def _widths(sizes: Sizes) -> tuple[tuple[int, int], ...]:
    kv = sizes.n_kv_heads
    return (sizes.n_heads, sizes.d_key), (kv, sizes.d_key), (kv, sizes.d_value)


def _numbers(*shape: int) -> Tensor:
    """Return numbers without a pattern that sums could hide behind, always the same ones."""
    n = int(np.prod(shape))
    return torch.from_numpy(np.sin(np.arange(n, dtype=np.float64) ** 1.5).astype(np.float32).reshape(shape))
