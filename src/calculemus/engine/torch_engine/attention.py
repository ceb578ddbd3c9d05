"""Attention over the arena, in plain torch operations and in shapes that keep each row's bits its own."""

from typing import Protocol

import torch
from torch import Tensor

from calculemus.engine.torch_engine.arena import Arena
from calculemus.engine.torch_engine.plan import DecodeGroup, PieceGroup, Plan
from calculemus.engine.torch_engine.shapes import KEY_BLOCK, QUERY_TILE, round_up


class Attend(Protocol):
    """Stores a layer's keys and values and returns what the queries take from all that they may see."""

    def __call__(
        self,
        layer: int,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        *,
        window: int | None = None,
        softcap: float | None = None,
    ) -> Tensor:
        """Attend.

        Args:
            layer: Which layer's keys and values these are.
            queries: (token, head, width), scaled.
            keys: (token, key head, width).
            values: (token, key head, width of values).
            window: How many keys a query sees, its own included; None for all before it.
            softcap: Bound of a smooth cap on scores; None for none.

        Returns:
            (token, head * width of values); rows of padding hold nothing of meaning.
        """
        ...


def attend_to_self(
    layer: int,
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    *,
    window: int | None = None,
    softcap: float | None = None,
) -> Tensor:
    """Attend as tokens do that stand alone: each takes its own value."""
    del layer, keys, window, softcap
    group = queries.shape[1] // values.shape[1]
    return values.repeat_interleave(group, dim=1).flatten(1)


class ArenaAttention:
    """Attends by the plan of the current step."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self.plan: Plan | None = None

    def __call__(
        self,
        layer: int,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        *,
        window: int | None = None,
        softcap: float | None = None,
    ) -> Tensor:
        """Attend; see ``Attend``."""
        plan = self.plan
        assert plan is not None, "a step sets the plan before it runs the model"
        all_keys = self._arena.store[2 * layer][:, : keys.shape[-1]]
        all_values = self._arena.store[2 * layer + 1][:, : values.shape[-1]]
        all_keys.index_put_((plan.write,), keys)
        all_values.index_put_((plan.write,), values)
        out = queries.new_zeros(len(queries), queries.shape[1], values.shape[-1])
        widths = (keys.shape[-1], values.shape[-1])
        if plan.n_decode:
            out[: plan.n_decode] = _decode(plan, layer, queries, widths, window, softcap)
        for group in plan.pieces:
            found = _attend_pieces(group, queries, all_keys, all_values, window, softcap)
            out.index_copy_(0, group.rows, found)
        return out.flatten(1)


def _decode(
    plan: Plan,
    layer: int,
    queries: Tensor,
    widths: tuple[int, int],
    window: int | None,
    softcap: float | None,
) -> Tensor:
    """Attend for the rows that take one token each; returns (row, head, width)."""
    n_heads = queries.shape[1]
    n_kv_heads = plan.write.shape[1]
    group_size = n_heads // n_kv_heads
    grid = _grid(plan, queries[: plan.n_decode].unflatten(1, (n_kv_heads, group_size)))
    out = grid.new_empty(*grid.shape[:-1], widths[1])
    for group in plan.decode:
        first, last = group.cells
        _attend_slab(group, layer, grid[first:last], widths, window, softcap, out[first:last])
    out = out[:, :, :group_size]
    out = out if plan.grid is None else out.index_select(0, plan.grid)
    return out.reshape(plan.n_decode, n_heads, widths[1])


def _grid(plan: Plan, queries: Tensor) -> Tensor:
    """Lay queries (row, key head, group, width) out by cell, groups padded to the query tile."""
    _, n_kv_heads, group_size, width = queries.shape
    padded = round_up(group_size, QUERY_TILE)
    if plan.grid is None and padded == group_size:
        return queries.contiguous()
    grid = queries.new_zeros(plan.n_cells, n_kv_heads, padded, width)
    cells = grid[:, :, :group_size]
    if plan.grid is None:
        cells.copy_(queries)
    else:
        cells.index_copy_(0, plan.grid, queries)
    return grid


def _attend_slab(
    group: DecodeGroup,
    layer: int,
    queries: Tensor,
    widths: tuple[int, int],
    window: int | None,
    softcap: float | None,
    out: Tensor,
) -> None:
    """Attend for neighbouring rows of a slab into ``out``; both (row, key head, group, width)."""
    n_rows, n_kv_heads = queries.shape[:2]
    keys, values = group.slab.views[layer]
    heads = slice(group.rows[0] * n_kv_heads, group.rows[1] * n_kv_heads)
    n_keys = group.masks.width
    keys, values = keys[heads, :n_keys, : widths[0]], values[heads, :n_keys, : widths[1]]
    scores = torch.bmm(queries.flatten(0, 1), keys.transpose(1, 2))
    weights = _weights(
        scores.view(n_rows, n_kv_heads, -1, n_keys), group.masks.get(window)[:, None, None], softcap
    )
    weigh(weights.flatten(0, 1), values, out.flatten(0, 1))


def _attend_pieces(
    group: PieceGroup,
    queries: Tensor,
    all_keys: Tensor,
    all_values: Tensor,
    window: int | None,
    softcap: float | None,
) -> Tensor:
    """Attend for pieces of prompts; returns (token, head, width) of the tokens that are no padding."""
    n_heads, width = queries.shape[1:]
    n_kv_heads, n_keys = group.keys.shape[1:]
    keys = all_keys[group.keys].flatten(0, 1)
    values = all_values[group.keys].flatten(0, 1)
    q = queries.index_select(0, group.gather)
    q = q.view(group.n_pieces, group.n_queries, n_kv_heads, -1, width)
    q = q.permute(0, 2, 3, 1, 4).reshape(len(keys), -1, width)
    scores = torch.bmm(q, keys.transpose(1, 2))
    by_query = scores.view(group.n_pieces, n_heads, group.n_queries, n_keys)
    weights = _weights(by_query, group.masks.get(window)[:, None], softcap)
    out = values.new_empty(*q.shape[:2], values.shape[-1])
    weigh(weights.view_as(scores), values, out)
    out = out.view(group.n_pieces, n_heads, group.n_queries, -1).transpose(1, 2)
    return out.reshape(group.n_pieces * group.n_queries, n_heads, -1).index_select(0, group.cells)


def _weights(scores: Tensor, mask: Tensor, softcap: float | None) -> Tensor:
    """Return softmax over keys, in float32 inside, of scores that it may overwrite."""
    if softcap is not None:
        scores = scores.div_(softcap).tanh_().mul_(softcap)
    return torch.softmax(scores.add_(mask), dim=-1, dtype=torch.float32).to(scores.dtype)


def weigh(weights: Tensor, values: Tensor, out: Tensor) -> None:
    """Sum values (batch, key, width) by weights (batch, query, key) into ``out``, block of keys by block."""
    torch.bmm(weights[:, :, :KEY_BLOCK], values[:, :KEY_BLOCK], out=out)
    for start in range(KEY_BLOCK, values.shape[1], KEY_BLOCK):
        out.baddbmm_(weights[:, :, start : start + KEY_BLOCK], values[:, start : start + KEY_BLOCK])
