"""The prefix tree: which token sequences have keys and values in the pool, and where.

A radix tree: an edge holds a run of token ids and, for each, its place in the pool. Sequences that begin
alike share the nodes of their beginning. What nobody holds is forgotten, least recently used first, when
places run out.
"""

import heapq
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


@dataclass(eq=False, slots=True)
class Node:
    """A run of tokens below its parent.

    Attributes:
        ids: Token ids of the edge that leads here.
        places: Where in the pool the keys and values of each are.
        parent: The node above; None for the root.
        children: Nodes below, by their first token id.
        holders: How many rows in flight need this node; it is kept while there are any.
        used: When it was last used, on the tree's own clock.
    """

    ids: Ids
    places: Ids
    parent: "Node | None" = None
    children: dict[int, "Node"] = field(default_factory=dict)
    holders: int = 0
    used: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """Tokens of a sequence from ``start`` on: their places in the pool, and the node where they end."""

    start: int
    places: Ids
    node: Node

    @property
    def stop(self) -> int:
        """The first token behind them."""
        return self.start + len(self.places)


_NOTHING = np.empty(0, np.int64)


class PrefixTree:
    """Token sequences whose keys and values lie in a pool of so many places.

    Example:
        >>> import numpy as np
        >>> tree = PrefixTree(8)
        >>> new = tree.insert(np.array([5, 6, 7]))
        >>> (new.start, new.stop, tree.match(np.array([5, 6, 9])).stop)
        (0, 3, 2)
    """

    def __init__(self, n_places: int) -> None:
        self._n_places = n_places
        self._clock = 0
        self.clear()

    @property
    def n_free(self) -> int:
        """Places that hold nothing."""
        return self._n_free

    def match(self, ids: Ids) -> Match:
        """Find the longest beginning of a sequence that is known."""
        node, found, matched = self._root, [_NOTHING], 0
        while matched < len(ids):
            child = node.children.get(int(ids[matched]))
            if child is None:
                break
            shared = _shared_length(child.ids, ids[matched:])
            found.append(child.places[:shared])
            matched += shared
            node = child
            if shared < len(child.ids):
                break
        self._touch(node)
        return Match(0, np.concatenate(found), node)

    def insert(self, ids: Ids) -> Match:
        """Make a sequence known, as much of it as there are places for.

        Returns:
            The node where it ends, and the places of the last tokens, those that were not known before: the
            caller puts their keys and values there before the next look-up, and holds the node until then.
        """
        node, matched = self._root, 0
        while matched < len(ids):
            child = node.children.get(int(ids[matched]))
            if child is None:
                break
            shared = _shared_length(child.ids, ids[matched:])
            if shared < len(child.ids):
                child = self._split(child, shared)
            matched += shared
            node = child
        self._touch(node)
        places = self._take(len(ids) - matched, keep=node)
        if len(places):
            new = ids[matched : matched + len(places)].copy()
            above, node = node, Node(new, places, node, used=self._clock)
            above.children[int(new[0])] = node
        return Match(matched, places, node)

    def hold(self, node: Node) -> None:
        """Keep a node, and with it all above it, until it is released as often as it was held."""
        node.holders += 1

    def release(self, node: Node) -> None:
        """Undo one ``hold``."""
        node.holders -= 1

    def clear(self) -> None:
        """Forget everything; nothing may be held."""
        self._root = Node(_NOTHING, _NOTHING)
        self._free = np.arange(self._n_places)
        self._n_free = self._n_places

    def _touch(self, node: Node) -> None:
        self._clock += 1
        above: Node | None = node
        while above is not None:
            above.used = self._clock
            above = above.parent

    def _split(self, node: Node, length: int) -> Node:
        """Cut an edge in two and return the upper part; who holds the lower part holds both."""
        assert node.parent is not None, "the root has no edge"
        upper = Node(node.ids[:length], node.places[:length], node.parent, used=node.used)
        node.parent.children[int(upper.ids[0])] = upper
        node.ids, node.places, node.parent = node.ids[length:], node.places[length:], upper
        upper.children[int(node.ids[0])] = node
        return upper

    def _take(self, n_wanted: int, keep: Node) -> Ids:
        """Take up to ``n_wanted`` places, forgetting others for them, but not ``keep``."""
        if n_wanted > self._n_free:
            self.hold(keep)
            self._forget(n_wanted - self._n_free)
            self.release(keep)
        n_taken = min(n_wanted, self._n_free)
        self._n_free -= n_taken
        return self._free[self._n_free : self._n_free + n_taken].copy()

    def _forget(self, n_wanted: int) -> None:
        """Free at least so many places if possible: leaves that nobody holds, the longest unused first."""
        heap = [(leaf.used, i, leaf) for i, leaf in enumerate(self._leaves())]
        heapq.heapify(heap)
        while heap and n_wanted > 0:
            _, order, leaf = heapq.heappop(heap)
            parent = leaf.parent
            assert parent is not None, "the root is no leaf"
            del parent.children[int(leaf.ids[0])]
            n_freed = len(leaf.places)
            self._free[self._n_free : self._n_free + n_freed] = leaf.places
            self._n_free += n_freed
            n_wanted -= n_freed
            if self._is_idle_leaf(parent):
                heapq.heappush(heap, (parent.used, order, parent))

    def _leaves(self) -> list[Node]:
        """Return the leaves that nobody holds."""
        leaves, stack = [], [self._root]
        while stack:
            node = stack.pop()
            stack.extend(node.children.values())
            if self._is_idle_leaf(node):
                leaves.append(node)
        return leaves

    def _is_idle_leaf(self, node: Node) -> bool:
        return not node.children and not node.holders and node.parent is not None


def _shared_length(a: Ids, b: Ids) -> int:
    """Return how many leading tokens two runs share."""
    n = min(len(a), len(b))
    differs = np.flatnonzero(a[:n] != b[:n])
    return int(differs[0]) if len(differs) else n
