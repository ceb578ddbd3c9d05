"""Gives waiting rows a lane and a slot, with what is known of their prompts already in it.

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


class Admission:
    """The queue in front of the lanes.

    Attributes:
        is_sharing: Whether rows use the prefix tree.
    """

    def __init__(self, lanes: Lanes, arena: Arena, tree: PrefixTree) -> None:
        self.is_sharing = True
        self._lanes = lanes
        self._arena = arena
        self._tree = tree
        self._waiting: deque[Row] = deque()
        self._followers: dict[Key, list[Row]] = {}
        self._leads: dict[Row, Key] = {}
        self._held: dict[Row, Node] = {}
        self._new: list[tuple[Node, Ids, Ids]] = []

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
        sources: list[Ids] = []
        targets: list[Ids] = []
        while self._waiting and self._lanes.n_free:
            row = self._waiting[0]
            places, key = self._known(row)
            if key in self._followers:
                self._followers[key].append(self._waiting.popleft())
                continue
            slot = self._arena.place(row.room)
            if slot is None:
                break
            self._waiting.popleft()
            if key is not None:
                self._followers[key], self._leads[row] = [], key
            row.lane = self._lanes.take(slot, row.ids, row.room)
            row.n_cached = len(places)
            self._lanes.length[row.lane] = len(places)
            if len(places):
                sources.append(self._arena.pool_vectors(places))
                targets.append(self._slot_vectors(row.lane, 0, len(places)))
            if row in self._held:
                self._tree.release(self._held.pop(row))
            admitted.append(row)
        self._arena.copy(sources, targets)
        return admitted

    def _known(self, row: Row) -> tuple[Ids, Key | None]:
        """Return the places of a row's first tokens, and what it shares with rows that begin alike."""
        usable = row.ids[: min(row.n_run, row.wanted, row.scored)]
        if not self.is_sharing or not len(usable):
            return usable[:0], None
        match = self._tree.match(usable)
        ahead = usable[match.stop : match.stop + LOOK_AHEAD]
        return match.places, (id(match.node), match.stop, ahead.tobytes()) if len(ahead) else None

    def _slot_vectors(self, lane: int, start: int, stop: int) -> Ids:
        lanes = self._lanes
        bases, strides = (np.full(stop - start, array[lane]) for array in (lanes.base, lanes.stride))
        return self._arena.slot_vectors(bases, strides, np.arange(start, stop))

    def publish(self, row: Row) -> None:
        """Put what a row has in its slot into the prefix tree, and let those that follow it go on."""
        node = None
        if self.is_sharing:
            length = int(self._lanes.length[row.lane])
            new = self._tree.insert(self._lanes.ids[row.lane, :length])
            node = new.node
            self._tree.hold(node)  # until its keys and values are there
            source = self._slot_vectors(row.lane, new.start, new.stop)
            self._new.append((node, source, self._arena.pool_vectors(new.places)))
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
        """Copy what was published; slots may be given back only after that."""
        self._arena.copy([source for _, source, _ in self._new], [target for _, _, target in self._new])
        for node, _, _ in self._new:
            self._tree.release(node)
        self._new = []
