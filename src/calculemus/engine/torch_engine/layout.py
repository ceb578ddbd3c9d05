"""A step's work as attention over all pages at once wants it: which page is whose, and what is hidden."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calculemus.engine.torch_engine.arena import Arena
from calculemus.engine.torch_engine.lanes import Lanes, Piece
from calculemus.engine.torch_engine.pages import FIRST
from calculemus.engine.torch_engine.plan import Plan
from calculemus.engine.torch_engine.shapes import PAGE, ROW_TILE, n_pages

Ids = NDArray[np.int64]
SCORES_LIMIT = 1 << 21
"""Most attention scores of one product over prompt pieces, for each query head."""


@dataclass(eq=False, slots=True)
class Masks:
    """Additive masks by window: 0 where a query attends, minus infinity where not.

    Attributes:
        queries: Positions of the queries, any shape.
        keys: Positions of the keys, a shape that the queries' goes along with, and one axis behind.
        arena: Tells the device.
    """

    queries: Ids
    keys: Ids
    arena: Arena
    _by_window: dict[int | None, Tensor] = field(default_factory=dict)

    def get(self, window: int | None) -> Tensor:
        """Return the mask, shaped like the queries with the keys behind."""
        if window not in self._by_window:
            queries = self.queries[..., None]
            hidden = self.keys > queries
            if window is not None:
                hidden |= self.keys <= queries - window
            mask = np.where(hidden, np.float32(-np.inf), np.float32(0))
            self._by_window[window] = torch.from_numpy(mask).to(self.arena.device)
        return self._by_window[window]


@dataclass(frozen=True, slots=True)
class Decoding:
    """Rows that take one token each.

    Attributes:
        first: First page of those that are in use, by whomever ...
        last: ... and the first one behind them.
        page_rows: For each of these pages its row; some row for pages that no decoding row has.
        masks: By window, (page, token).
        table: (row, place) for each row its pages, counted from the first; behind its end its first again.
        order: The rows' pages, row by row and in each by place ...
        rows: ... and the row of each.
    """

    first: int
    last: int
    page_rows: Tensor
    masks: Masks
    table: Tensor
    order: Tensor
    rows: Tensor


@dataclass(frozen=True, slots=True)
class PieceGroup:
    """Pieces of prompts of about the same length.

    Attributes:
        n_pieces: How many.
        n_queries: Tokens of each, padded.
        gather: For each padded token its row among the step's tokens.
        cells: For each token its place among the padded ones ...
        rows: ... and its row among the step's tokens.
        heads: (piece, head, place) which head of which page, counted through.
        masks: By window, (piece, query, key).
    """

    n_pieces: int
    n_queries: int
    gather: Tensor
    cells: Tensor
    rows: Tensor
    heads: Tensor
    masks: Masks


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a step writes, and what it attends to.

    Attributes:
        n_decode: Rows that take one token each.
        pages: For each token, padding included, where its keys and values go ...
        offsets: ... and to which token of the page.
        decoding: What the decoding rows attend to; None where there are none.
        pieces: Prompt pieces by length.
    """

    n_decode: int
    pages: Tensor
    offsets: Tensor
    decoding: Decoding | None
    pieces: Sequence[PieceGroup]


class LayoutMaker:
    """Lays out steps over one arena and one set of lanes."""

    def __init__(self, lanes: Lanes, arena: Arena) -> None:
        self._lanes = lanes
        self._arena = arena
        self._row_of = np.zeros(len(lanes.length), np.int64)

    def make(self, plan: Plan) -> Layout:
        """Lay out a step."""
        n, columns = plan.n_tokens, np.zeros((2, len(plan.input_ids)), np.int64)
        columns[0, :n], columns[1, :n] = self._lanes.where(plan.lanes, plan.places)
        pages, offsets = self._arena.put(columns)
        decoders, positions = plan.lanes[: plan.n_decode], plan.places[: plan.n_decode]
        return Layout(
            n_decode=plan.n_decode,
            pages=pages,
            offsets=offsets,
            decoding=self._decoding(decoders, positions) if plan.n_decode else None,
            pieces=self._pieces(plan.pieces, plan.n_decode),
        )

    def _decoding(self, decoders: Ids, positions: Ids) -> Decoding:
        """Look over all pages in use: whose they are, and what of them is to be seen."""
        pages = self._lanes.pages
        self._row_of[:] = -1
        self._row_of[decoders] = np.arange(len(decoders))
        owner = pages.owner[FIRST : pages.top]
        rows = np.where(owner < 0, -1, self._row_of[owner])
        place = pages.place[FIRST : pages.top]
        order = np.lexsort((place, rows))[np.count_nonzero(rows < 0) :]
        table = pages.table[decoders, : n_pages(int(positions.max()) + 1)] - FIRST
        table = np.where(table < 0, table[:, :1], table)
        # Pages of nobody show all they have to some query: what comes of it is read by nobody.
        queries = np.where(rows < 0, PAGE, positions[rows] - PAGE * place)
        put = self._arena.put
        return Decoding(
            first=FIRST,
            last=pages.top,
            page_rows=put(np.maximum(rows, 0)),
            masks=Masks(queries, np.arange(PAGE), self._arena),
            table=put(table),
            order=put(order),
            rows=put(rows[order]),
        )

    def _pieces(self, pieces: Sequence[Piece], offset: int) -> list[PieceGroup]:
        """Sort pieces into groups of at most twice the length, each no larger than memory should take."""
        by_length: dict[int, list[tuple[Piece, int]]] = {}
        for piece in pieces:
            tiles = -(-piece.n // ROW_TILE)
            by_length.setdefault(1 << (tiles - 1).bit_length(), []).append((piece, offset))
            offset += piece.n
        groups = []
        for tiles, some in sorted(by_length.items()):
            n_queries = tiles * ROW_TILE
            longest = max(p.start + p.n for p, _ in some)
            share = max(1, SCORES_LIMIT // (n_queries * n_pages(longest) * PAGE))
            groups += [self._piece_group(some[i : i + share], n_queries) for i in range(0, len(some), share)]
        return groups

    def _piece_group(self, pieces: Sequence[tuple[Piece, int]], n_queries: int) -> PieceGroup:
        arena, n_pieces = self._arena, len(pieces)
        gather, positions = np.zeros((2, n_pieces, n_queries), np.int64)
        for i, (piece, offset) in enumerate(pieces):
            gather[i, : piece.n] = np.arange(offset, offset + piece.n)
            positions[i, : piece.n] = np.arange(piece.start, piece.start + piece.n)
        n_each = np.array([piece.n for piece, _ in pieces])
        cells = np.flatnonzero((np.arange(n_queries) < n_each[:, None]).ravel())
        most = n_pages(max(piece.start + piece.n for piece, _ in pieces))
        # Behind a row's last page stands page 0, which the mask hides.
        table = self._lanes.pages.table[[piece.lane for piece, _ in pieces], :most]
        n_heads = arena.shape.n_kv_heads
        heads = table[:, None] * n_heads + np.arange(n_heads)[:, None]
        return PieceGroup(
            n_pieces=n_pieces,
            n_queries=n_queries,
            gather=arena.put(gather.ravel()),
            cells=arena.put(cells),
            rows=arena.put(gather.ravel()[cells]),
            heads=arena.put(heads),
            masks=Masks(positions, np.arange(most * PAGE), arena),
        )
