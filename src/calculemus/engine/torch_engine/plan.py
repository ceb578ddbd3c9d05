"""One step's work: which tokens run, of which lanes, at which positions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from calculemus.engine.torch_engine.arena import Arena
from calculemus.engine.torch_engine.lanes import Lanes, Piece
from calculemus.engine.torch_engine.shapes import PAGE, Shapes

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Plan:
    """A step.

    Attributes:
        ids: (lane, position) token ids.
        lanes: For each token that runs its lane, decoding rows first, then the pieces.
        places: For each of them its position.
        n_decode: Rows that take one token each.
        pieces: Parts of prompts.
        input_ids: Token ids, padded.
        positions: Their positions, padded.
        logit_rows: Rows whose logits are wanted, padded; None for none.
    """

    ids: Ids
    lanes: Ids
    places: Ids
    n_decode: int
    pieces: Sequence[Piece]
    input_ids: Tensor
    positions: Tensor
    logit_rows: Tensor | None

    @property
    def n_tokens(self) -> int:
        """Tokens that run; the rest is padding."""
        return len(self.lanes)

    def segments(self) -> list[tuple[Ids, int]]:
        """Return for each decoding row and piece the lane's ids up to its end, and how many are new."""
        ends = zip(self.lanes[: self.n_decode].tolist(), self.places[: self.n_decode].tolist(), strict=True)
        one_each = [(self.ids[lane, : place + 1], 1) for lane, place in ends]
        return one_each + [(self.ids[p.lane, : p.start + p.n], p.n) for p in self.pieces]


class Planner:
    """Lays out steps over one arena and one set of lanes."""

    def __init__(self, lanes: Lanes, arena: Arena, shapes: Shapes) -> None:
        self._lanes = lanes
        self._arena = arena
        self._shapes = shapes

    def plan(self, decoders: Ids, pieces: Sequence[Piece], scored: Ids) -> Plan:
        """Lay out one step; the lanes get the pages that it takes.

        Args:
            decoders: Lanes that take one token each.
            pieces: Parts of prompts.
            scored: Rows among the pieces' tokens whose logits are wanted beside the decoding rows'.
        """
        lanes = self._lanes
        self._grow(decoders, pieces)
        lane = np.concatenate([decoders, *(np.full(p.n, p.lane) for p in pieces)])
        place = np.concatenate([lanes.length[decoders], *(np.arange(p.start, p.start + p.n) for p in pieces)])
        columns = np.zeros((2, self._shapes.pad(len(lane))), np.int64)
        columns[0, : len(lane)], columns[1, : len(lane)] = lanes.ids[lane, place], place
        input_ids, positions = self._arena.put(columns)
        return Plan(
            ids=lanes.ids,
            lanes=lane,
            places=place,
            n_decode=len(decoders),
            pieces=pieces,
            input_ids=input_ids,
            positions=positions,
            logit_rows=self._logit_rows(len(decoders), scored),
        )

    def _grow(self, decoders: Ids, pieces: Sequence[Piece]) -> None:
        lanes = self._lanes
        for lane in decoders[lanes.length[decoders] % PAGE == 0].tolist():
            lanes.pages.grow(lane, int(lanes.length[lane]) + 1)
        for piece in pieces:
            lanes.pages.grow(piece.lane, piece.start + piece.n)

    def _logit_rows(self, n_decode: int, scored: Ids) -> Tensor | None:
        n = n_decode + len(scored)
        if not n:
            return None
        rows = np.zeros(self._shapes.pad(n), np.int64)
        rows[:n_decode], rows[n_decode:n] = np.arange(n_decode), scored
        return self._arena.put(rows)
