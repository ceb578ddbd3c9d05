"""What the engine knows of the rows in flight, as arrays: a step costs no Python loop over rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calculemus.engine.torch_engine.arena import Slot

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a prompt that is computed in one step: ``n`` tokens of a lane from ``start`` on."""

    lane: int
    start: int
    n: int


class Lanes:
    """One lane for each row in flight.

    Attributes:
        ids: Token ids, prompt and completion.
        logprobs: Log-probabilities of the sampled ones, where they stand.
        uniforms: The draw of each token's place, for rows that sample.
        length: Tokens whose keys and values are in the slot.
        known: Tokens in ``ids``.
        limit: ``known`` never goes beyond it.
        decoding: Whether the lane's row is one token at a time now.
        temperature, top_k, top_p, min_p: How it draws.
        stop_set: Which row of the stop table watches its tokens.
        seconds: Engine seconds that it took.
        base, stride: Where its slot is: first vector, and vectors from head to head.
        slot: The slot itself.
    """

    def __init__(self, n_lanes: int, context: int) -> None:
        self.ids = np.zeros((n_lanes, context), np.int64)
        self.logprobs = np.zeros((n_lanes, context), np.float32)
        self.uniforms = np.zeros((n_lanes, context))
        self.length = np.zeros(n_lanes, np.int64)
        self.known = np.zeros(n_lanes, np.int64)
        self.limit = np.zeros(n_lanes, np.int64)
        self.decoding = np.zeros(n_lanes, bool)
        self.temperature = np.zeros(n_lanes, np.float32)
        self.top_k = np.zeros(n_lanes, np.int64)
        self.top_p = np.ones(n_lanes)
        self.min_p = np.zeros(n_lanes, np.float32)
        self.stop_set = np.zeros(n_lanes, np.int64)
        self.seconds = np.zeros(n_lanes)
        self.base = np.zeros(n_lanes, np.int64)
        self.stride = np.zeros(n_lanes, np.int64)
        self.slot: list[Slot | None] = [None] * n_lanes
        self._free = list(range(n_lanes))[::-1]

    @property
    def n_free(self) -> int:
        """Lanes without a row."""
        return len(self._free)

    def take(self, slot: Slot, ids: Ids, limit: int) -> int:
        """Give a row a lane."""
        lane = self._free.pop()
        self.slot[lane] = slot
        self.base[lane], self.stride[lane] = slot.base, slot.slab.length
        self.ids[lane, : len(ids)] = ids
        self.length[lane], self.known[lane], self.limit[lane] = 0, len(ids), limit
        self.seconds[lane] = 0.0
        self.temperature[lane], self.stop_set[lane] = 0.0, 0
        return lane

    def give_back(self, lane: int) -> Slot:
        """Free a lane and return the slot that it had."""
        slot = self.slot[lane]
        assert slot is not None, "a free lane has no slot to give back"
        self.slot[lane] = None
        self.decoding[lane] = False
        self._free.append(lane)
        return slot

    def decoders(self) -> Ids:
        """Return the lanes that decode, in the order of their slots."""
        lanes = np.flatnonzero(self.decoding)
        return lanes[np.argsort(self.base[lanes])]
