"""Attention on a CPU in float32, compiled: each query by itself, with no memory taken for each page.

A query's scores, their softmax and the weighted values are sums in a fixed order, page after page of its own
row. Nothing is reordered or fused, so the bits follow from the query and what it sees alone: not from the
rows beside it, the pages' places, the pieces in which a prompt came, the number of threads, or the machine.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import prange, set_num_threads, types
from numba.np.ufunc.parallel import get_thread_count
from numpy.typing import NDArray
from torch import Tensor

from calculemus.compiling import Loop, compiled, inner
from calculemus.engine.torch_engine.arena import Arena
from calculemus.engine.torch_engine.lanes import Lanes
from calculemus.engine.torch_engine.loops import exp, row_adder
from calculemus.engine.torch_engine.plan import Plan
from calculemus.engine.torch_engine.shapes import PAGE

Ids = NDArray[np.int64]
COLUMNS = 16
"""Columns of values that are added at once."""
ZERO, ONE, HIDDEN = np.float32(0), np.float32(1), np.float32(-np.inf)


class Step(NamedTuple):
    """What loops are told of a step; a tuple because those may have names in compiled code.

    Attributes:
        keys: A layer's, (page, head, width, token).
        values: A layer's, (page, head, token, width).
        table: (lane, place) the lanes' pages.
        lanes: For each token that runs its lane ...
        places: ... and its position.
    """

    keys: NDArray[np.float32]
    values: NDArray[np.float32]
    table: Ids
    lanes: Ids
    places: Ids


class CpuAttention:
    """Attends query by query; see ``Attention``."""

    def __init__(self, arena: Arena, lanes: Lanes) -> None:
        self._keys, self._values = arena.keys.numpy(), arena.values.numpy()
        self._table = lanes.pages.table
        self._plan: Plan | None = None

    def start(self, plan: Plan) -> None:
        """Take the step that comes next."""
        self._plan = plan

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
        plan = self._plan
        assert plan is not None, "a step starts before it runs the model"
        out = queries.new_empty(len(queries), queries.shape[1] * values.shape[-1])
        n_parts = _use_threads()
        _attend_on(n_parts > 1)(
            queries.numpy(),
            keys.numpy(),
            values.numpy(),
            out.numpy(),
            Step(self._keys[layer], self._values[layer], self._table, plan.lanes, plan.places),
            window or 0,
            softcap or 0.0,
            n_parts,
        )
        return out


def _use_threads() -> int:
    """Have numba compute with as many threads as torch, as far as it has them; returns how many."""
    n = min(torch.get_num_threads(), get_thread_count())
    if n > 1:
        set_num_threads(n)
    return n


@cache
def _attend_on(is_parallel: bool) -> Loop:
    tokens, arena, ids = types.float32[:, :, :], types.float32[:, :, :, ::1], types.int64[::1]
    step = types.NamedTuple([arena, arena, types.int64[:, ::1], ids, ids], Step)
    given = [tokens] * 3 + [types.float32[:, ::1], step, types.intp, types.float32, types.intp]
    loop = _attend_together if is_parallel else _attend_alone
    return compiled(loop, types.void(*given), is_parallel=is_parallel)


_add_to_page = row_adder(PAGE)
_add_to_columns = row_adder(COLUMNS)


@inner
def _cap(scores: Any, softcap: Any) -> None:
    """Put softcap * tanh(score / softcap) in the place of a page's scores."""
    for j in range(PAGE):
        e = exp(-abs(scores[j] / softcap) * np.float32(2))
        scores[j] = np.copysign((ONE - e) / (ONE + e), scores[j]) * softcap


@inner
def _put(numbers: Any, first: int, last: int, value: Any) -> None:
    """Write the same number from one place up to another; as a slice it takes long to compile."""
    for i in range(first, last):
        numbers[i] = value


@inner
def _score(query: Any, step: Any, head: int, pages: Any, seen: Any, softcap: Any, scores: Any) -> None:
    """Write the scores (page, token) of the pages that a query sees; hidden tokens have minus infinity."""
    begin, end = seen
    first, last = begin // PAGE, (end - 1) // PAGE
    for place in range(first, last + 1):
        _put(scores[place], 0, PAGE, ZERO)
        _add_to_page(scores[place], 0, query, step.keys[pages[place], head], len(query))
        if softcap > ZERO:
            _cap(scores[place], softcap)
    _put(scores[first], 0, begin - first * PAGE, HIDDEN)
    _put(scores[last], end - last * PAGE, PAGE, HIDDEN)


@inner
def _largest(scores: Any, lanes: Any) -> Any:
    """Return the largest of some pages' scores."""
    _put(lanes, 0, PAGE, HIDDEN)
    for page in range(len(scores)):
        for j in range(PAGE):
            lanes[j] = scores[page, j] if scores[page, j] > lanes[j] else lanes[j]
    n = PAGE // 2
    while n:
        for j in range(n):
            lanes[j] = lanes[j + n] if lanes[j + n] > lanes[j] else lanes[j]
        n //= 2
    return lanes[0]


@inner
def _exponentiate(scores: Any, largest: Any, lanes: Any) -> Any:
    """Put exponentials of scores less the largest in their place; return their sum.

    Each place of a page has a sum of its own over the pages; the sums are then added by halves.
    """
    _put(lanes, 0, PAGE, ZERO)
    for page in range(len(scores)):
        for j in range(PAGE):
            scores[page, j] = exp(scores[page, j] - largest)
            lanes[j] += scores[page, j]
    n = PAGE // 2
    while n:
        for j in range(n):
            lanes[j] += lanes[j + n]
        n //= 2
    return lanes[0]


@inner
def _add_values(out: Any, weights: Any, values: Any, n: int) -> None:
    """Add a page's first ``n`` values (token, width), weighted, to ``out`` (width,)."""
    whole = len(out) - len(out) % COLUMNS
    for column in range(0, whole, COLUMNS):
        _add_to_columns(out, column, weights, values, n)
    for token in range(n):
        for column in range(whole, len(out)):
            out[column] += weights[token] * values[token, column]


@inner
def _attend_one(
    query: Any, out: Any, step: Any, head: int, pages: Any, seen: Any, softcap: Any, work: Any
) -> None:
    """Attend for one query.

    Args:
        query: (width,), C-ordered.
        out: (width of values,).
        step: The arena.
        head: Which head of keys and values.
        pages: The row's pages.
        seen: First position that the query sees, and the one behind its last.
        softcap: Bound of a smooth cap on scores; 0 for none.
        work: Room for scores (page, token), and a page more.
    """
    begin, end = seen
    first, last = begin // PAGE, (end + PAGE - 1) // PAGE
    lanes, scores = work[0], work[1:]
    _score(query, step, head, pages, seen, softcap, scores)
    total = _exponentiate(scores[first:last], _largest(scores[first:last], lanes), lanes)
    _put(out, 0, len(out), ZERO)
    for place in range(first, last):
        n = min(PAGE, end - place * PAGE)
        _add_values(out, scores[place], step.values[pages[place], head], n)
    for column in range(len(out)):
        out[column] /= total


@inner
def _store(keys: Any, values: Any, step: Any) -> None:
    """Write the tokens' keys and values into their pages."""
    for token in range(len(step.lanes)):
        place = step.places[token]
        page, offset = step.table[step.lanes[token], place // PAGE], place % PAGE
        for head in range(keys.shape[1]):
            for i in range(keys.shape[2]):
                step.keys[page, head, i, offset] = keys[token, head, i]
            for i in range(values.shape[2]):
                step.values[page, head, offset, i] = values[token, head, i]


@inner
def _attend(part: int, n_parts: int, queries: Any, out: Any, step: Any, window: int, softcap: Any) -> None:
    """Attend for one part of the tokens; they are dealt out in turn, for later ones see more."""
    n_heads, width = queries.shape[1], step.values.shape[3]
    group, n = n_heads // step.keys.shape[1], len(step.lanes)
    work = np.empty((1 + step.table.shape[1], PAGE), np.float32)
    query = np.empty(queries.shape[2], np.float32)
    for token in range(part, n, n_parts):
        end = step.places[token] + 1
        seen = (max(0, end - window) if window else 0, end)
        pages = step.table[step.lanes[token]]
        for head in range(n_heads):
            for i in range(len(query)):
                query[i] = queries[token, head, i]
            mine = out[token, head * width : (head + 1) * width]
            _attend_one(query, mine, step, head // group, pages, seen, softcap, work)
    for token in range(n + part, len(out), n_parts):
        _put(out[token], 0, out.shape[1], ZERO)


def _attend_alone(
    queries: Any, keys: Any, values: Any, out: Any, step: Any, window: int, softcap: Any, n_parts: int
) -> None:
    """Store keys and values of all tokens, then attend for each, on one thread.

    Args:
        queries: (token, head, width), scaled; those behind the step's tokens are padding.
        keys: (token, key head, width).
        values: (token, key head, width of values).
        out: (token, head * width of values), C-ordered, is written.
        step: Which tokens run; its keys and values are written.
        window: How many keys a query sees; 0 for all before it.
        softcap: Bound of a smooth cap on scores; 0 for none.
        n_parts: Not used.
    """
    _store(keys, values, step)
    _attend(0, 1, queries, out, step, window, softcap)


def _attend_together(
    queries: Any, keys: Any, values: Any, out: Any, step: Any, window: int, softcap: Any, n_parts: int
) -> None:
    """Do as ``_attend_alone``, in so many parts on so many threads."""
    _store(keys, values, step)
    for part in prange(n_parts):
        _attend(part, n_parts, queries, out, step, window, softcap)
