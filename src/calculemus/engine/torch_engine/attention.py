"""Attention over pages, in plain torch operations and in shapes that keep each row's bits its own.

Softmax is taken apart: the exponentials of a query's scores less their maximum are summed, and weigh the
values, one page after the other in the row's order. So the result is the same sum whichever other pages
stand beside, and whether a prompt ran in one piece or token by token. Page sums of exponentials are added in
float64, the rest in float32.
"""

from typing import Protocol

import torch
from torch import Tensor

from calculemus.engine.torch_engine.arena import Arena
from calculemus.engine.torch_engine.lanes import Lanes
from calculemus.engine.torch_engine.layout import Decoding, Layout, LayoutMaker, PieceGroup
from calculemus.engine.torch_engine.plan import Plan
from calculemus.engine.torch_engine.shapes import PAGE, QUERY_TILE, round_up


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


class Attention(Attend, Protocol):
    """Attends for one step after the other."""

    def start(self, plan: Plan) -> None:
        """Take the step that comes next; the lanes must be as they were when it was planned."""
        ...


def choose_attention(arena: Arena, lanes: Lanes) -> Attention:
    """Return attention over an arena: compiled on a CPU in float32 where numba is there, else in torch."""
    if arena.device.type == "cpu" and arena.dtype == torch.float32:
        try:  # here, not above: numba is no part of what torch needs, and takes a moment to load
            from calculemus.engine.torch_engine.attention_cpu import CpuAttention
        except ImportError:
            return ArenaAttention(arena, lanes)
        return CpuAttention(arena, lanes)
    return ArenaAttention(arena, lanes)


class ArenaAttention:
    """Attends over all pages at once; see ``Attention``."""

    def __init__(self, arena: Arena, lanes: Lanes) -> None:
        self._arena = arena
        self._maker = LayoutMaker(lanes, arena)
        self._layout: Layout | None = None

    def start(self, plan: Plan) -> None:
        """Lay out the step that comes next."""
        self._layout = self._maker.make(plan)

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
        layout = self._layout
        assert layout is not None, "a step starts before it runs the model"
        all_keys, all_values = self._arena.keys[layer], self._arena.values[layer]
        all_keys[layout.pages, :, :, layout.offsets] = keys
        all_values[layout.pages, :, layout.offsets] = values
        out = queries.new_zeros(len(queries), queries.shape[1], values.shape[-1])
        if layout.decoding is not None:
            n, part = layout.n_decode, slice(layout.decoding.first, layout.decoding.last)
            mask = layout.decoding.masks.get(window)
            out[:n] = _decode(layout.decoding, queries[:n], all_keys[part], all_values[part], mask, softcap)
        for group in layout.pieces:
            mask = group.masks.get(window)
            out.index_copy_(
                0, group.rows, _attend_pieces(group, queries, all_keys, all_values, mask, softcap)
            )
        return out.flatten(1)


def _capped(scores: Tensor, softcap: float | None) -> Tensor:
    return scores if softcap is None else torch.tanh(scores / softcap) * softcap


def _decode(
    decoding: Decoding,
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor,
    softcap: float | None,
) -> Tensor:
    """Attend for rows that take one token each, over all pages at once; returns (row, head, width)."""
    n_rows, n_heads, width = queries.shape
    n_pages, n_kv_heads = keys.shape[:2]
    group = n_heads // n_kv_heads
    padded = queries.view(n_rows, n_kv_heads, group, width)
    if group % QUERY_TILE:
        padded = queries.new_zeros(n_rows, n_kv_heads, round_up(group, QUERY_TILE), width)
        padded[:, :, :group] = queries.view(n_rows, n_kv_heads, group, width)
    by_page = padded.index_select(0, decoding.page_rows)
    weights = torch.bmm(by_page.flatten(0, 1), keys.flatten(0, 1)).view(n_pages, n_kv_heads, -1, PAGE)
    scores = _capped(weights[:, :, :group].float().contiguous(), softcap).add_(mask[:, None, None])
    largest = scores.amax(dim=-1).flatten(1).index_select(0, decoding.table.flatten())
    largest = largest.view(n_rows, -1, n_heads).amax(dim=1)
    by_page = largest.index_select(0, decoding.page_rows).view(n_pages, n_kv_heads, group, 1)
    scores = scores.sub_(by_page).exp_()
    sums = scores.sum(dim=-1).flatten(1).index_select(0, decoding.order).double()
    total = sums.new_zeros(n_rows, n_heads).index_add_(0, decoding.rows, sums)
    weights[:, :, :group] = scores
    found = torch.bmm(weights.flatten(0, 1), values.flatten(0, 1)).view(
        n_pages, n_kv_heads, weights.shape[2], -1
    )
    found = found[:, :, :group].index_select(0, decoding.order).float()
    out = found.new_zeros(n_rows, *found.shape[1:]).index_add_(0, decoding.rows, found).flatten(1, 2)
    return out.div_(total.to(out.dtype)[..., None])


def _attend_pieces(
    group: PieceGroup,
    queries: Tensor,
    all_keys: Tensor,
    all_values: Tensor,
    mask: Tensor,
    softcap: float | None,
) -> Tensor:
    """Attend for pieces of prompts; returns (token, head, width) of the tokens that are no padding."""
    n_heads, width = queries.shape[1:]
    n_pieces, n_kv_heads, n_pages = group.heads.shape
    n_batch, n_keys = n_pieces * n_kv_heads, n_pages * PAGE
    keys = all_keys.flatten(0, 1)[group.heads].transpose(2, 3).reshape(n_batch, width, n_keys)
    values = all_values.flatten(0, 1)[group.heads].view(n_batch, n_keys, -1)
    padded = queries.index_select(0, group.gather).view(n_pieces, group.n_queries, n_kv_heads, -1, width)
    padded = padded.permute(0, 2, 3, 1, 4).reshape(n_batch, -1, width)
    scores = torch.bmm(padded, keys).float().view(n_pieces, n_heads, group.n_queries, n_keys)
    scores = _capped(scores, softcap).add_(mask[:, None])
    scores = scores.sub_(scores.amax(dim=-1, keepdim=True)).exp_()
    total = scores.unflatten(-1, (n_pages, PAGE)).sum(dim=-1).double().cumsum(dim=-1)[..., -1]
    weights = scores.to(values.dtype).view(n_batch, -1, n_keys)
    out = scores.new_zeros(*weights.shape[:2], values.shape[-1])
    for start in range(0, n_keys, PAGE):
        out += torch.bmm(weights[..., start : start + PAGE], values[:, start : start + PAGE]).float()
    out = out.view(*total.shape, -1).div_(total.float()[..., None]).transpose(1, 2)
    return out.reshape(n_pieces * group.n_queries, n_heads, -1).index_select(0, group.cells).to(queries.dtype)
