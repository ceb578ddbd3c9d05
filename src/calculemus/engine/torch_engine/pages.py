"""Which page of keys and values belongs to which row, and where in it.

Pages in use lie densely from the first one on: attention runs over all of them at once, so that a page in
between that nobody uses is computed for nothing.
"""

import heapq

import numpy as np
from numpy.typing import NDArray

from calculemus.engine.torch_engine.shapes import n_pages

Ids = NDArray[np.int64]
FIRST = 1
"""Page 0 takes what padding writes, and is never read."""
SLACK = 1.25
"""Pages are moved together when there are so many times as many as are used, and some more."""


class Pages:
    """Pages of up to ``n_lanes`` rows.

    Attributes:
        table: (lane, place in the row) the row's pages; 0 behind its last one.
        owner: For each page its lane; -1 for none.
        place: For each page its place in the row.
        top: First page behind all that are used.
    """

    def __init__(self, n_all: int, n_lanes: int, n_most: int) -> None:
        self.table = np.zeros((n_lanes, n_most), np.int64)
        self.owner = np.full(n_all, -1, np.int64)
        self.place = np.zeros(n_all, np.int64)
        self.top = FIRST
        self._counts = np.zeros(n_lanes, np.int64)
        self._free = list(range(FIRST, n_all))
        self._n_unreserved = n_all - FIRST
        self._reserved = np.zeros(n_lanes, np.int64)

    def fits(self, n_tokens: int) -> bool:
        """Say whether a row of so many tokens has room now."""
        return n_pages(n_tokens) <= self._n_unreserved

    def reserve(self, lane: int, n_tokens: int) -> None:
        """Keep room for a row of up to so many tokens."""
        self._reserved[lane] = n_pages(n_tokens)
        self._n_unreserved -= int(self._reserved[lane])

    def reserved(self, lane: int) -> int:
        """Return how many pages are kept for a lane."""
        return int(self._reserved[lane])

    def grow(self, lane: int, n_tokens: int) -> None:
        """Give a lane the pages for its first ``n_tokens`` tokens, the lowest that are free."""
        for place in range(int(self._counts[lane]), n_pages(n_tokens)):
            page = heapq.heappop(self._free)
            self.table[lane, place] = page
            self.owner[page], self.place[page] = lane, place
            self.top = max(self.top, page + 1)
            self._counts[lane] = place + 1

    def release(self, lane: int) -> None:
        """Take a lane's pages, and what was kept for it."""
        n = int(self._counts[lane])
        for page in self.table[lane, :n].tolist():
            self.owner[page] = -1
            heapq.heappush(self._free, page)
        self.table[lane, :n] = 0
        self._counts[lane] = 0
        self._n_unreserved += int(self._reserved[lane])
        self._reserved[lane] = 0
        while self.top > FIRST and self.owner[self.top - 1] < 0:
            self.top -= 1

    def tighten(self) -> tuple[list[int], list[int]]:
        """Move the last pages into gaps if there are many gaps; returns which pages went where."""
        n_used, moved, into = int(self._counts.sum()), [], []
        if self.top - FIRST <= SLACK * n_used + 8:
            return moved, into
        while self._free[0] < self.top - 1:
            page, gap = self.top - 1, heapq.heappop(self._free)
            lane, place = self.owner[page], self.place[page]
            self.table[lane, place] = gap
            self.owner[gap], self.place[gap] = lane, place
            self.owner[page] = -1
            heapq.heappush(self._free, page)
            moved.append(page)
            into.append(gap)
            while self.top > FIRST and self.owner[self.top - 1] < 0:
                self.top -= 1
        return moved, into
