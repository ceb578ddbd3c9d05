"""Which waiting request goes to the engine next: each problem has the same claim to rows.

Start-time fair queueing (Goyal, Vin and Cheng 1996): a problem's tag counts the rows it was given; the
lowest tag goes first. A problem that was idle starts at the present tag, so it saves up no claim, and a large
request is paid off before the next one: no problem waits for more than one request of each other.
"""

import heapq
from collections import deque

from calculemus.engine.asking import Ask


class Share:
    """One problem's place in the queue.

    Attributes:
        tag: Rows that it was given, from where it entered.
        waiting: Its requests, first come first served.
        n_methods: Methods that work on the problem.
    """

    __slots__ = ("n_methods", "tag", "waiting")

    def __init__(self) -> None:
        self.tag = 0
        self.waiting: deque[Ask] = deque()
        self.n_methods = 0


class FairQueue:
    """Requests that wait for rows.

    Attributes:
        rows: How many rows are waited for.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._heap: list[tuple[int, int, Share]] = []
        self._now = 0
        self._entered = 0

    def push(self, share: Share, ask: Ask) -> None:
        """Add a request behind the others of its problem."""
        self.rows += ask.rows_left
        share.waiting.append(ask)
        if len(share.waiting) == 1:
            share.tag = max(share.tag, self._now)
            self._entered += 1
            heapq.heappush(self._heap, (share.tag, self._entered, share))

    def take(self, free: int) -> tuple[Ask, int] | None:
        """Return the request whose turn it is, and how many of its rows go now: at most ``free``.

        A request larger than that stays, with the rows that are left, at the head of its problem.
        """
        while self._heap:
            tag, _, share = self._heap[0]
            ask = share.waiting[0]
            rows = min(ask.rows_left, free)
            if rows:
                self._now = tag
                self._give(share, ask, rows)
                return ask, rows
            self._next(share)  # it was dropped while it waited
        return None

    def _give(self, share: Share, ask: Ask, rows: int) -> None:
        self.rows -= rows
        ask.rows_left -= rows
        share.tag += rows
        if ask.rows_left:
            heapq.heapreplace(self._heap, (share.tag, self._heap[0][1], share))
        else:
            self._next(share)

    def _next(self, share: Share) -> None:
        """Go on to the next request of the share at the head of the heap."""
        share.waiting.popleft()
        if share.waiting:
            heapq.heapreplace(self._heap, (share.tag, self._heap[0][1], share))
        else:
            heapq.heappop(self._heap)

    def drop(self, ask: Ask) -> None:
        """Forget the rows of a request that still wait."""
        self.rows -= ask.rows_left
        ask.rows_left = 0
