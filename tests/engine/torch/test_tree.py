"""The prefix tree, against a plain list of what was put into it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from calculemus.engine.torch_engine.tree import Match, Node, PrefixTree

TOKENS = st.lists(st.integers(0, 2), max_size=12)


def array(ids: list[int]) -> np.ndarray:
    return np.array(ids, np.int64)


def nodes(tree: PrefixTree) -> list[Node]:
    every = [tree._root]
    for node in every:
        every.extend(node.children.values())
    return every


class Pool:
    """A tree and its pool, whose places hold the sequence up to their token."""

    def __init__(self, n_places: int) -> None:
        self.tree = PrefixTree(n_places)
        self.content: list[tuple[int, ...]] = [()] * n_places

    def insert(self, ids: list[int]) -> Match:
        """Insert a sequence and write what it says into the places that it gets."""
        new = self.tree.insert(array(ids))
        for i, place in enumerate(new.places.tolist(), new.start):
            self.content[place] = tuple(ids[: i + 1])
        return new

    def known(self, ids: list[int]) -> int:
        """Return how much of a sequence is known, after a look at what is said of it."""
        match = self.tree.match(array(ids))
        assert match.start == 0
        assert [self.content[place] for place in match.places] == [
            tuple(ids[: i + 1]) for i in range(match.stop)
        ]
        return match.stop


def common(a: list[int], b: list[int]) -> int:
    """Return how many tokens two sequences begin with alike."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


@settings(max_examples=200)
@given(st.lists(TOKENS, max_size=12), st.lists(TOKENS, max_size=6))
def test_the_longest_known_beginning_is_found(inserted, asked) -> None:
    pool = Pool(200)
    for i, ids in enumerate(inserted):
        new = pool.insert(ids)
        assert new.start == max((common(ids, other) for other in inserted[:i]), default=0)
        assert new.stop == len(ids)
    for ids in [*inserted, *asked]:
        assert pool.known(ids) == max((common(ids, other) for other in inserted), default=0)
    n_distinct = len({tuple(ids[:n]) for ids in inserted for n in range(1, len(ids) + 1)})
    assert pool.tree.n_free == 200 - n_distinct


class Forgetting(RuleBasedStateMachine):
    """A tree with too few places: what is held stays, what is not may go, and nothing is mixed up."""

    @initialize(n_places=st.integers(0, 20))
    def begin(self, n_places: int) -> None:
        self.pool = Pool(n_places)
        self.n_places = n_places
        self.held: list[tuple[list[int], Node]] = []

    @rule(ids=TOKENS, hold=st.booleans())
    def insert(self, ids: list[int], hold: bool) -> None:
        before = self.pool.known(ids)
        new = self.pool.insert(ids)
        assert new.start == before
        kept = {tuple(other[:n]) for other, _ in self.held for n in range(1, len(other) + 1)}
        kept |= {tuple(ids[:n]) for n in range(1, len(ids) + 1)}
        if len(kept) <= self.n_places:
            assert new.stop == len(ids)  # all that is held and this fit in, so all of it was taken
        assert self.pool.known(ids) == new.stop
        if hold:
            self.pool.tree.hold(new.node)
            self.held.append((ids[: new.stop], new.node))

    @rule(which=st.integers(0, 5))
    def release(self, which: int) -> None:
        if which < len(self.held):
            self.pool.tree.release(self.held.pop(which)[1])

    @rule(ids=TOKENS)
    def look(self, ids: list[int]) -> None:
        self.pool.known(ids)

    @invariant()
    def what_is_held_is_known(self) -> None:
        assert all(self.pool.known(ids) == len(ids) for ids, _ in self.held)

    @invariant()
    def each_place_is_free_or_of_one_node(self) -> None:
        tree = self.pool.tree
        used = np.concatenate([node.places for node in nodes(tree)]).tolist()
        assert sorted([*used, *tree._free[: tree.n_free].tolist()]) == list(range(self.n_places))
        for node in nodes(tree):
            assert len(node.ids) == len(node.places)
            assert all(
                child.parent is node and int(child.ids[0]) == first for first, child in node.children.items()
            )


TestForgetting = Forgetting.TestCase
TestForgetting.settings = settings(max_examples=60, stateful_step_count=30)


def test_what_was_used_least_recently_is_forgotten_first() -> None:
    pool = Pool(9)
    for ids in ([1, 1, 1], [2, 2, 2], [3, 3, 3]):
        pool.insert(ids)
    pool.known([1, 1])
    pool.insert([4, 4])
    assert [pool.known([i] * 3) for i in (1, 2, 3)] == [3, 0, 3]
    pool.insert(
        [5, 5, 5, 5]
    )  # one place is free: the sequence of fours goes, and that of ones, and it is enough
    assert [pool.known([i] * 4) for i in (1, 3, 4, 5)] == [0, 3, 0, 4]


def test_leaves_go_before_the_beginnings_that_they_share() -> None:
    pool = Pool(8)
    pool.insert([1, 1, 1, 1, 2, 2])
    pool.insert([1, 1, 1, 1, 3, 3])
    pool.known([1, 1, 1, 1, 3, 3])
    pool.insert([9, 9])
    assert pool.known([1, 1, 1, 1, 3, 3]) == 6
    assert pool.known([1, 1, 1, 1, 2, 2]) == 4


def test_what_is_held_is_not_forgotten_and_what_finds_no_place_is_cut() -> None:
    pool = Pool(5)
    pool.tree.hold(pool.insert([1, 2, 3]).node)
    new = pool.insert([7, 7, 7, 7])
    assert (new.start, new.stop, pool.known([1, 2, 3]), pool.known([7, 7, 7, 7])) == (0, 2, 3, 2)


def test_clearing_forgets_everything() -> None:
    pool = Pool(5)
    pool.insert([1, 2, 3])
    pool.tree.clear()
    assert (pool.known([1, 2, 3]), pool.tree.n_free) == (0, 5)
