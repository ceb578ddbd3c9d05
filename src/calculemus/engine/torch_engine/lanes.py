"""What the engine knows of the rows in flight, as arrays: a step costs no Python loop over rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calculemus.engine.torch_engine.pages import Pages
from calculemus.engine.torch_engine.shapes import PAGE, n_pages

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
        length: Tokens whose keys and values are there.
        known: Tokens in ``ids``.
        limit: ``known`` never goes beyond it.
        decoding: Whether the lane's row is one token at a time now.
        temperature, top_k, top_p, min_p: How it draws.
        stop_set: Which row of the stop table watches its tokens.
        seconds: Engine seconds that it took.
        pages: Where its keys and values are.
    """

    def __init__(self, n_lanes: int, context: int, n_all_pages: int) -> None:
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
        self.pages = Pages(n_all_pages, n_lanes, n_pages(context))
        self._free = list(range(n_lanes))[::-1]

    def has_room(self, n_tokens: int) -> bool:
        """Say whether a row of up to so many tokens can be taken now."""
        return bool(self._free) and self.pages.fits(n_tokens)

    def take(self, ids: Ids, limit: int) -> int:
        """Give a row a lane, and keep pages for it."""
        lane = self._free.pop()
        self.pages.reserve(lane, limit)
        self.ids[lane, : len(ids)] = ids
        self.length[lane], self.known[lane], self.limit[lane] = 0, len(ids), limit
        self.seconds[lane] = 0.0
        self.temperature[lane], self.stop_set[lane] = 0.0, 0
        return lane

    def give_back(self, lane: int) -> None:
        """Free a lane and its pages."""
        self.pages.release(lane)
        self.decoding[lane] = False
        self._free.append(lane)

    def decoders(self) -> Ids:
        """Return the lanes that decode."""
        return np.flatnonzero(self.decoding)

    def where(self, lanes: Ids, positions: Ids) -> tuple[Ids, Ids]:
        """Return page and offset of tokens at ``positions`` of ``lanes``."""
        return self.pages.table[lanes, positions // PAGE], positions % PAGE
