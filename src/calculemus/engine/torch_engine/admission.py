"""Gives waiting rows a lane and pages, with what is known of their prompts already in it.

Rows whose prompts begin alike, and are not known yet, are not computed side by side: the first one leads, the
others wait until it has run, and then read what it left in the prefix tree.
"""

from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from calculemus.engine.torch_engine.arena import Arena
from calculemus.engine.torch_engine.lanes import Lanes
from calculemus.engine.torch_engine.tree import Node, PrefixTree
from calculemus.engine.torch_engine.work import Row

Ids = NDArray[np.int64]
LOOK_AHEAD = 16
"""Prompts that share so many of their next tokens are computed one after the other."""
Key = tuple[int, int, bytes]
_NONE = np.empty(0, np.int64)


class Admission:
    """The queue in front of the lanes.

    Attributes:
        is_sharing: Whether rows use the prefix tree; if not, nothing is kept of what ran, and what nobody
            looks at need not run on its own.
    """

    def __init__(self, lanes: Lanes, arena: Arena, tree: PrefixTree, is_sharing: bool) -> None:
        self.is_sharing = is_sharing
        self._lanes = lanes
        self._arena = arena
        self._tree = tree
        self._waiting: deque[Row] = deque()
        self._followers: dict[Key, list[Row]] = {}
        self._leads: dict[Row, Key] = {}
        self._held: dict[Row, Node] = {}
        self._new: list[tuple[Node, Ids, Ids, Ids]] = []

    def __len__(self) -> int:
        return len(self._waiting) + sum(map(len, self._followers.values()))

    def add(self, rows: Iterable[Row]) -> None:
        """Put rows at the end of the queue."""
        self._waiting.extend(rows)

    def drop(self, rows: Iterable[Row]) -> None:
        """Take rows that wait out of the queue."""
        gone = set(rows)
        self._waiting = deque(row for row in self._waiting if row not in gone)
        for followers in self._followers.values():
            followers[:] = [row for row in followers if row not in gone]
        for row in gone & self._held.keys():
            self._tree.release(self._held.pop(row))

    def admit(self) -> list[Row]:
        """Give lanes to as many rows as have room; returns them."""
        admitted: list[Row] = []
        known: list[tuple[Row, Ids]] = []
        while self._waiting and self._lanes.has_room(self._waiting[0].room):
            row = self._waiting[0]
            places, key = self._known(row)
            if key in self._followers:
                self._followers[key].append(self._waiting.popleft())
                continue
            self._waiting.popleft()
            if key is not None:
                self._followers[key], self._leads[row] = [], key
            row.lane = self._lanes.take(row.ids, row.room)
            row.n_cached = len(places)
            row.start = len(places) if self.is_sharing else row.n_unseen
            known.append((row, places))
            if row in self._held:
                self._tree.release(self._held.pop(row))
            admitted.append(row)
        self._load(known)
        return admitted

    def _load(self, known: Iterable[tuple[Row, Ids]]) -> None:
        """Copy what is known of rows from the pool into their pages."""
        wheres = []
        for row, places in known:
            self._lanes.pages.grow(row.lane, len(places))
            self._lanes.length[row.lane] = row.start
            wheres.append((places, *self._where(row, 0, len(places))))
        places, pages, offsets = (
            (np.concatenate(part) for part in zip(*wheres, strict=True)) if wheres else 3 * (_NONE,)
        )
        if len(places):
            self._arena.load(places, pages, offsets)

    def _where(self, row: Row, start: int, stop: int) -> tuple[Ids, Ids]:
        return self._lanes.where(np.full(stop - start, row.lane), np.arange(start, stop))

    def _known(self, row: Row) -> tuple[Ids, Key | None]:
        """Return the places of a row's first tokens, and what it shares with rows that begin alike."""
        usable = row.ids[: row.n_unseen]
        if not self.is_sharing or not len(usable):
            return usable[:0], None
        match = self._tree.match(usable)
        ahead = usable[match.stop : match.stop + LOOK_AHEAD]
        return match.places, (id(match.node), match.stop, ahead.tobytes()) if len(ahead) else None

    def publish(self, row: Row) -> None:
        """Put what a row has in its slot into the prefix tree, and let those that follow it go on."""
        node = None
        if self.is_sharing:
            length = int(self._lanes.length[row.lane])
            new = self._tree.insert(self._lanes.ids[row.lane, :length])
            node = new.node
            self._tree.hold(node)  # until its keys and values are there
            self._new.append((node, *self._where(row, new.start, new.stop), new.places))
        key = self._leads.pop(row, None)
        if key is None:
            return
        followers = self._followers.pop(key)
        self._waiting.extendleft(reversed(followers))
        if node is None:
            return
        for follower in followers:
            self._tree.hold(node)
            if follower in self._held:
                self._tree.release(self._held[follower])
            self._held[follower] = node

    def write(self) -> None:
        """Copy what was published into the pool; until then its pages may be freed, but not taken."""
        if self._new:
            _, *columns = zip(*self._new, strict=True)
            self._arena.save(*map(np.concatenate, columns))
        for node, *_ in self._new:
            self._tree.release(node)
        self._new = []
