"""No page of keys and values is lent out twice, and what is in them goes with them when they move."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from calculemus.engine.torch_engine.pages import FIRST, Pages
from calculemus.engine.torch_engine.shapes import PAGE, n_pages

N_LANES, N_MOST = 6, 5


class Lending(RuleBasedStateMachine):
    """Lanes that come, grow and go, beside a plain account of what each of them has."""

    @initialize(n_all=st.integers(2, 26))
    def begin(self, n_all: int) -> None:
        self.pages = Pages(n_all, N_LANES, N_MOST)
        self.n_all = n_all
        self.room = dict.fromkeys(range(N_LANES), 0)
        self.content = np.full((n_all, 2), -1)  # which lane wrote the page, and as which of its pages
        self.has = dict.fromkeys(range(N_LANES), 0)

    @rule(lane=st.integers(0, N_LANES - 1), n_tokens=st.integers(1, N_MOST * PAGE))
    def reserve(self, lane: int, n_tokens: int) -> None:
        kept = sum(map(n_pages, self.room.values()))
        fits = n_pages(n_tokens) <= self.n_all - FIRST - kept
        assert self.pages.fits(n_tokens) is fits
        if fits and not self.room[lane]:
            self.pages.reserve(lane, n_tokens)
            self.room[lane] = n_tokens

    @rule(lane=st.integers(0, N_LANES - 1), share=st.floats(0, 1))
    def grow(self, lane: int, share: float) -> None:
        n = n_pages(int(share * self.room[lane]))
        self.pages.grow(lane, int(share * self.room[lane]))
        for place in range(self.has[lane], n):
            page = self.pages.table[lane, place]
            self.content[page] = lane, place
        self.has[lane] = max(self.has[lane], n)

    @rule(lane=st.integers(0, N_LANES - 1))
    def release(self, lane: int) -> None:
        self.pages.release(lane)
        self.room[lane] = self.has[lane] = 0

    @rule()
    def tighten(self) -> None:
        before, top = sum(self.has.values()), self.pages.top
        moved, into = self.pages.tighten()
        self.content[into] = self.content[moved]
        assert len(set(moved)) == len(set(into)) == len(moved)
        if moved:
            assert self.pages.top == FIRST + before  # no gap is left
        else:
            assert self.pages.top == top

    @invariant()
    def each_page_belongs_to_one_row(self) -> None:
        lent = []
        for lane, n in self.has.items():
            assert self.pages.reserved(lane) == n_pages(self.room[lane])
            assert not self.pages.table[lane, n:].any()
            for place, page in enumerate(self.pages.table[lane, :n].tolist()):
                assert (self.pages.owner[page], self.pages.place[page]) == (lane, place)
                assert self.content[page].tolist() == [lane, place]
                lent.append(page)
        assert len(set(lent)) == len(lent)
        assert all(FIRST <= page < self.n_all for page in lent)
        assert self.pages.top == max(lent, default=FIRST - 1) + 1
        assert np.flatnonzero(self.pages.owner >= 0).tolist() == sorted(lent)


TestLending = Lending.TestCase
TestLending.settings = settings(max_examples=60, stateful_step_count=40)


def test_many_gaps_are_closed_and_few_are_left() -> None:
    pages = Pages(51, 50, 1)
    for lane in range(50):
        pages.reserve(lane, PAGE)
        pages.grow(lane, PAGE)
    for lane in range(0, 16, 2):
        pages.release(lane)
    assert pages.tighten() == ([], [])  # 50 pages for 42
    for lane in range(16, 40):
        pages.release(lane)
    moved, into = pages.tighten()
    assert sorted(pages.table[pages.table > 0].tolist()) == list(range(1, 19))
    assert min(moved) > max(into)
    for lane in (*range(0, 16, 2), *range(16, 40)):  # there is room for as many as before
        pages.reserve(lane, PAGE)
        pages.grow(lane, PAGE)
    assert sorted(pages.table.ravel().tolist()) == list(range(1, 51))
