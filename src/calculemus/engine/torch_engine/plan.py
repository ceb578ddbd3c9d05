"""One step's work, laid out for the device: which tokens run, where they write, what they attend to."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calculemus.engine.torch_engine.arena import Arena, Slab
from calculemus.engine.torch_engine.lanes import Lanes, Piece
from calculemus.engine.torch_engine.shapes import KEY_TILE, ROW_TILE, Shapes, round_up

Ids = NDArray[np.int64]
SCORES_LIMIT = 1 << 23
"""Most attention scores of one product over prompt pieces, for each query head."""


@dataclass(eq=False, slots=True)
class Masks:
    """Additive masks of one group by window: 0 where a query attends, minus infinity where not.

    Attributes:
        places: Places of the queries, any shape; each attends to keys up to its own.
        width: Number of keys.
        dtype: Of the masks.
        device: Of the masks.
    """

    places: Ids
    width: int
    dtype: torch.dtype
    device: torch.device
    _by_window: dict[int | None, Tensor] = field(default_factory=dict)

    def get(self, window: int | None) -> Tensor:
        """Return the mask, shaped like the places with the keys behind."""
        if window not in self._by_window:
            keys, places = np.arange(self.width), self.places[..., None]
            hidden = keys > places
            if window is not None:
                hidden |= keys <= places - window
            mask = np.where(hidden, np.float32(-np.inf), np.float32(0))
            self._by_window[window] = torch.from_numpy(mask).to(self.device, self.dtype)
        return self._by_window[window]


@dataclass(frozen=True, slots=True)
class DecodeGroup:
    """Rows of one slab that take one token each.

    Attributes:
        slab: Their slab.
        rows: First and last-but-one row of it; rows between that do not decode are computed and not read.
        cells: The same range in the grid of all groups.
        masks: By window, (row, key).
    """

    slab: Slab
    rows: tuple[int, int]
    cells: tuple[int, int]
    masks: Masks


@dataclass(frozen=True, slots=True)
class PieceGroup:
    """Pieces of prompts of about the same length.

    Attributes:
        n_pieces: How many.
        n_queries: Tokens of each, padded.
        gather: For each padded token its row among the step's tokens.
        cells: For each token its place among the padded ones ...
        rows: ... and its row among the step's tokens.
        keys: Vectors of the keys, (piece, head, key).
        masks: By window, (piece, query, key).
    """

    n_pieces: int
    n_queries: int
    gather: Tensor
    cells: Tensor
    rows: Tensor
    keys: Tensor
    masks: Masks


@dataclass(frozen=True, slots=True)
class Plan:
    """A step.

    Attributes:
        n_tokens: Tokens that run, decoding rows first, then the pieces; the rest is padding.
        n_decode: Rows that take one token each.
        input_ids: Token ids, padded.
        positions: Their positions.
        write: Vectors where their keys and values go, (token, head).
        decode: Decoding rows by slab.
        grid: For each decoding row its cell among all rows of the groups; None where they are the same.
        n_cells: Number of these cells.
        pieces: Prompt pieces by length.
        logit_rows: Rows whose logits are wanted, padded; None for none.
        segments: For each decoding row and piece the lane's ids up to its end, and how many are new.
    """

    n_tokens: int
    n_decode: int
    input_ids: Tensor
    positions: Tensor
    write: Tensor
    decode: Sequence[DecodeGroup]
    grid: Tensor | None
    n_cells: int
    pieces: Sequence[PieceGroup]
    logit_rows: Tensor | None
    segments: Sequence[tuple[Ids, int]]


class Planner:
    """Lays out steps over one arena and one set of lanes."""

    def __init__(self, lanes: Lanes, arena: Arena, shapes: Shapes) -> None:
        self._lanes = lanes
        self._arena = arena
        self._shapes = shapes
        self._device = arena.store.device
        self._dtype = arena.store.dtype

    def plan(self, decoders: Ids, pieces: Sequence[Piece], scored: Ids) -> Plan:
        """Lay out one step.

        Args:
            decoders: Lanes that take one token each, in the order of their slots.
            pieces: Parts of prompts.
            scored: Rows among the pieces' tokens whose logits are wanted beside the decoding rows'.
        """
        lanes = self._lanes
        lane = np.concatenate([decoders, *(np.full(p.n, p.lane) for p in pieces)])
        place = np.concatenate([lanes.length[decoders], *(np.arange(p.start, p.start + p.n) for p in pieces)])
        n_tokens, padded = len(lane), self._shapes.pad(len(lane))
        input_ids, positions = np.zeros((2, padded), np.int64)
        input_ids[:n_tokens], positions[:n_tokens] = lanes.ids[lane, place], place
        write = np.tile(np.arange(self._arena.shape.n_kv_heads), (padded, 1))
        write[:n_tokens] = self._arena.slot_vectors(lanes.base[lane], lanes.stride[lane], place)
        decode, grid, n_cells = self._decode(decoders)
        return Plan(
            n_tokens=n_tokens,
            n_decode=len(decoders),
            input_ids=self._put(input_ids),
            positions=self._put(positions),
            write=self._put(write),
            decode=decode,
            grid=None if n_cells == len(decoders) else self._put(grid),
            n_cells=n_cells,
            pieces=self._pieces(pieces, len(decoders)),
            logit_rows=self._logit_rows(len(decoders), scored),
            segments=self._segments(decoders, pieces),
        )

    def _put(self, array: Ids) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def _logit_rows(self, n_decode: int, scored: Ids) -> Tensor | None:
        n = n_decode + len(scored)
        if not n:
            return None
        rows = np.zeros(self._shapes.pad(n), np.int64)
        rows[:n_decode], rows[n_decode:n] = np.arange(n_decode), scored
        return self._put(rows)

    def _segments(self, decoders: Ids, pieces: Sequence[Piece]) -> list[tuple[Ids, int]]:
        lanes = self._lanes
        one_each = [(lanes.ids[lane, : lanes.length[lane] + 1], 1) for lane in decoders]
        return one_each + [(lanes.ids[p.lane, : p.start + p.n], p.n) for p in pieces]

    def _decode(self, decoders: Ids) -> tuple[list[DecodeGroup], Ids, int]:
        """Cut the decoding lanes into runs of one slab each, and find each lane's cell."""
        if not len(decoders):
            return [], decoders, 0
        lanes = self._lanes
        slots = [lanes.slot[lane] for lane in decoders]
        starts = np.array([slot.slab.start for slot in slots])  # type: ignore[union-attr]  # lanes in flight have slots
        rows = np.array([slot.row for slot in slots])  # type: ignore[union-attr]  # filled by now
        cuts = np.flatnonzero(np.diff(starts)) + 1
        groups, cells, n_cells = [], np.empty_like(decoders), 0
        for run in np.split(np.arange(len(decoders)), cuts):
            slab = slots[run[0]].slab  # type: ignore[union-attr]  # filled by now
            first, last = int(rows[run[0]]), int(rows[run[-1]]) + 1
            places = np.zeros(last - first, np.int64)
            places[rows[run] - first] = lanes.length[decoders[run]]
            cells[run] = n_cells + rows[run] - first
            masks = self._masks(places, int(places.max()))
            groups.append(DecodeGroup(slab, (first, last), (n_cells, n_cells + last - first), masks))
            n_cells += last - first
        return groups, cells, n_cells

    def _masks(self, places: Ids, last: int) -> Masks:
        return Masks(places, self._width(last), self._dtype, self._device)

    def _width(self, last: int) -> int:
        return round_up(last + 1, KEY_TILE)

    def _pieces(self, pieces: Sequence[Piece], offset: int) -> list[PieceGroup]:
        """Sort pieces into groups of at most twice the length, each no larger than memory should take."""
        by_length: dict[int, list[tuple[Piece, int]]] = {}
        for piece in pieces:
            tiles = -(-piece.n // ROW_TILE)
            by_length.setdefault(1 << (tiles - 1).bit_length(), []).append((piece, offset))
            offset += piece.n
        groups = []
        for tiles, some in sorted(by_length.items()):
            width = self._width(max(p.start + p.n - 1 for p, _ in some))
            share = max(1, SCORES_LIMIT // (tiles * ROW_TILE * width))
            groups += [
                self._piece_group(some[i : i + share], tiles * ROW_TILE) for i in range(0, len(some), share)
            ]
        return groups

    def _piece_group(self, pieces: Sequence[tuple[Piece, int]], n_queries: int) -> PieceGroup:
        lanes, n_pieces = self._lanes, len(pieces)
        width = self._width(max(p.start + p.n - 1 for p, _ in pieces))
        gather = np.zeros((n_pieces, n_queries), np.int64)
        places = np.zeros((n_pieces, n_queries), np.int64)
        for i, (piece, offset) in enumerate(pieces):
            gather[i, : piece.n] = np.arange(offset, offset + piece.n)
            places[i, : piece.n] = np.arange(piece.start, piece.start + piece.n)
        n_each = np.array([piece.n for piece, _ in pieces])
        cells = np.flatnonzero((np.arange(n_queries) < n_each[:, None]).ravel())
        which = np.array([piece.lane for piece, _ in pieces])
        heads = lanes.stride[which][:, None] * np.arange(self._arena.shape.n_kv_heads)
        keys = (lanes.base[which][:, None] + heads)[:, :, None] + np.arange(width)
        # Behind a short slot's end lies another's memory, finite and hidden by the mask.
        keys = np.minimum(keys, self._arena.n_vectors - 1)
        return PieceGroup(
            n_pieces=n_pieces,
            n_queries=n_queries,
            gather=self._put(gather.ravel()),
            cells=self._put(cells),
            rows=self._put(gather.ravel()[cells]),
            keys=self._put(keys),
            masks=Masks(places, width, self._dtype, self._device),
        )
