"""Finds out, when a model is loaded, in which shapes its results do not depend on the batch.

``stable_shapes`` runs it in each row count that the engine may use and keeps those with equal bits, mixes
rows in other ways, and compares attention over a prompt in one piece, in several, and token by token.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calculemus.engine.torch_engine.arena import Arena, KvShape
from calculemus.engine.torch_engine.attention import attend_to_self, choose_attention
from calculemus.engine.torch_engine.lanes import Lanes, Piece
from calculemus.engine.torch_engine.plan import Plan, Planner
from calculemus.engine.torch_engine.runner import Runner, Sizes
from calculemus.engine.torch_engine.shapes import PAGE, ROW_TILE, Shapes, n_pages, row_counts

Ids = NDArray[np.int64]


def bare_plan(ids: Ids, device: torch.device) -> Plan:
    """Lay out tokens that stand alone, each at the start of its own sequence; all logits are wanted."""
    input_ids = torch.from_numpy(ids).to(device)
    return Plan(
        ids=ids[:, None],
        lanes=np.arange(len(ids)),
        places=np.zeros(len(ids), np.int64),
        n_decode=len(ids),
        pieces=(),
        input_ids=input_ids,
        positions=torch.zeros_like(input_ids),
        logit_rows=torch.arange(len(ids), device=device),
    )


def cuts(*ends: int) -> list[tuple[int, int]]:
    """Return the pieces that end there, empty ones left out."""
    return [(start, stop) for start, stop in pairwise((0, *ends)) if stop > start]


class Bench:
    """A few lanes in an arena of their own, filled by hand."""

    def __init__(
        self, sizes: Sizes, n_lanes: int, room: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        shape = KvShape(sizes.n_layers, sizes.n_kv_heads, sizes.d_key, sizes.d_value)
        n_all = n_lanes * n_pages(room) + 1
        self.arena = Arena(shape, n_pages=n_all, n_places=0, dtype=dtype, device=device)
        self.lanes = Lanes(n_lanes, room, n_all)
        self.planner = Planner(self.lanes, self.arena, Shapes(row_counts(n_lanes * room)))
        self.attention = choose_attention(self.arena, self.lanes)

    def take(self, ids: Ids) -> int:
        """Give a sequence a lane."""
        return self.lanes.take(ids, len(ids))

    def plan(self, decoders: Sequence[int], pieces: Sequence[Piece]) -> Plan:
        """Lay out a step whose pieces' tokens are all scored, and move the lanes on behind it."""
        lanes = np.array(decoders, np.int64)
        n_scored = sum(piece.n for piece in pieces)
        plan = self.planner.plan(lanes, pieces, len(lanes) + np.arange(n_scored))
        self.attention.start(plan)
        self.lanes.length[lanes] += 1
        for piece in pieces:
            self.lanes.length[piece.lane] += piece.n
        return plan


@torch.inference_mode()
def stable_shapes(
    runner: Runner, limit: int, context: int, dtype: torch.dtype, device: torch.device
) -> Shapes:
    """Return the row counts up to about ``limit`` in which a model's rows have equal bits on this machine."""
    if not runner.uses_arena:
        return Shapes(row_counts(limit + context))  # each row runs alone, and whole
    counts = row_counts(limit)
    ids = np.arange(counts[-1]) * 7919 % runner.sizes.vocab_size
    wanted = _alone(runner, ids, device)
    is_stable = all(
        torch.equal(a.flip(0), b)
        for a, b in zip(_alone(runner, ids[::-1].copy(), device), wanted, strict=True)
    )
    kept = [n for n in counts[:-1] if _agrees(_alone(runner, ids[:n].copy(), device), wanted)]
    is_stable = is_stable and all(_is_alike_among_others(runner, ids, i, wanted, device) for i in range(4))
    is_stable = is_stable and _is_attention_stable(runner.sizes, min(context, 5 * PAGE + 7), dtype, device)
    return Shapes((*kept, counts[-1]), is_stable)


def _is_alike_among_others(
    runner: Runner, ids: Ids, i: int, wanted: Sequence[Tensor], device: torch.device
) -> bool:
    """Say whether a token has its own bits alone among many that are alike.

    Where tokens choose the weights that they meet, those of a batch that meet the same ones may be few.
    """
    rows = np.full(ROW_TILE, i + 1)
    rows[0] = i
    found = _alone(runner, ids[rows], device)
    return all(
        torch.equal(a, b[torch.from_numpy(rows).to(device)]) for a, b in zip(found, wanted, strict=True)
    )


def _alone(runner: Runner, ids: Ids, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return hidden states and logits of tokens that stand alone."""
    out = runner.run(bare_plan(ids, device), attend_to_self)
    assert out.logits is not None, "the bare plan asks for all logits"
    return out.hidden_states, out.logits


def _agrees(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b[: len(a)]) for a, b in zip(found, wanted, strict=True))


def _is_attention_stable(sizes: Sizes, n: int, dtype: torch.dtype, device: torch.device) -> bool:
    """Say whether attention gives a sequence's last tokens the same bits in every way that it may take.

    One lane has the sequence in one piece, one in pieces of odd lengths, and two token by token at the end,
    one of them beside a longer row.
    """
    ids, n_last = np.zeros(n, np.int64), min(8, n // 2)
    bench = Bench(sizes, 5, n + 300, dtype, device)
    rows = [_numbers(n, heads, width).to(device, dtype) for heads, width in _widths(sizes)]
    found: list[Tensor] = []

    def run(lanes: Sequence[int], pieces: Sequence[Piece]) -> Tensor:
        plan = bench.plan(lanes, pieces)
        mine = [tensor.index_select(0, plan.positions % n) for tensor in rows]
        return bench.attention(0, mine[0], mine[1], mine[2])[: plan.n_tokens]

    whole, cut = bench.take(ids), bench.take(ids)
    found.append(run([], [Piece(whole, 0, n)])[-n_last:])
    parts = [run([], [Piece(cut, start, stop - start)]) for start, stop in cuts(n // 7, n // 2, n)]
    found.append(parts[-1][-n_last:])
    for beside in (0, 300):
        lanes = [bench.take(ids)] + ([bench.take(np.zeros(n + beside, np.int64))] if beside else [])
        for lane in lanes:
            n_first = int(bench.lanes.known[lane]) - n_last
            run([], [Piece(lane, 0, n_first)])
        steps = [run(lanes, [])[0] for _ in range(n_last)]
        found.append(torch.stack(steps))
    return all(torch.equal(found[0], other) for other in found[1:])


def _widths(sizes: Sizes) -> tuple[tuple[int, int], ...]:
    kv = sizes.n_kv_heads
    return (sizes.n_heads, sizes.d_key), (kv, sizes.d_key), (kv, sizes.d_value)


def _numbers(*shape: int) -> Tensor:
    """Return numbers without a pattern that sums could hide behind, always the same ones."""
    n = int(np.prod(shape))
    return torch.from_numpy(np.sin(np.arange(n, dtype=np.float64) ** 1.5).astype(np.float32).reshape(shape))
