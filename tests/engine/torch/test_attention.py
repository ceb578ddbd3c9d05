"""Attention over pages: both ways give plain softmax attention, the compiled one with bits of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from calculemus.engine.torch_engine.arena import Arena, KvShape
from calculemus.engine.torch_engine.attention import ArenaAttention, choose_attention
from calculemus.engine.torch_engine.lanes import Lanes, Piece
from calculemus.engine.torch_engine.plan import Plan, Planner
from calculemus.engine.torch_engine.shapes import Shapes, n_pages, row_counts
from calculemus.rng import Rng

pytest.importorskip("numba", reason="compiled attention needs numba, of the extra torch")

from calculemus.compiling import inner
from calculemus.engine.torch_engine.attention_cpu import CpuAttention
from calculemus.engine.torch_engine.loops import exp

LENGTHS = (1, 31, 32, 33, 70, 5, 100)


def pieces(n: int) -> list[int]:
    """Cut a sequence into three pieces and two single tokens, as far as it goes."""
    return np.diff(sorted({0, n // 7, n // 2, max(0, n - 2), n - 1, n})).tolist()


STEPS = {"one piece": lambda n: [n], "token by token": lambda n: [1] * n, "pieces": pieces}
"""Ways to cut a sequence: lengths of the pieces; a piece of one token runs as a decoding row."""


@dataclass(frozen=True)
class Case:
    """Heads and widths, and what a query sees."""

    n_heads: int = 4
    n_kv_heads: int = 2
    d_key: int = 32
    d_value: int = 32
    window: int | None = None
    softcap: float | None = None


CASES = {
    "grouped": Case(),
    "one key head": Case(n_heads=3, n_kv_heads=1),
    "as many key heads": Case(n_heads=3, n_kv_heads=3, d_key=16, d_value=64),
    "odd widths": Case(d_key=7, d_value=21),
    "narrow": Case(d_key=2, d_value=3),
    "window": Case(window=20),
    "window of a page": Case(window=32),
    "window of one": Case(window=1),
    "softcap": Case(softcap=2.0),
    "window and softcap": Case(window=33, softcap=5.0),
}


class Sequences:
    """Random queries (token, head, width), keys and values of some sequences."""

    def __init__(self, case: Case, lengths: Sequence[int] = LENGTHS) -> None:
        self.case, self.lengths = case, lengths
        generator = Rng(17).child("attention", *lengths).generator()

        def draw(n: int, heads: int, width: int) -> Tensor:
            return torch.from_numpy(generator.standard_normal((n, heads, width), dtype=np.float32))

        self.queries = [draw(n, case.n_heads, case.d_key) for n in lengths]
        self.keys = [draw(n, case.n_kv_heads, case.d_key) for n in lengths]
        self.values = [draw(n, case.n_kv_heads, case.d_value) for n in lengths]

    def wanted(self, i: int) -> Tensor:
        """Return (token, head * width) by masked softmax in float64."""
        case, n = self.case, self.lengths[i]
        group = case.n_heads // case.n_kv_heads
        keys = self.keys[i].double().repeat_interleave(group, dim=1)
        values = self.values[i].double().repeat_interleave(group, dim=1)
        scores = torch.einsum("qhw,khw->hqk", self.queries[i].double(), keys)
        if case.softcap is not None:
            scores = torch.tanh(scores / case.softcap) * case.softcap
        back = torch.arange(n)[:, None] - torch.arange(n)
        seen = (back >= 0) & (back < (case.window or n))
        weights = scores.masked_fill(~seen, -torch.inf).softmax(dim=-1)
        return torch.einsum("hqk,khw->qhw", weights, values).flatten(1)


class Bed:
    """Lanes in an arena full of numbers, of which none may show."""

    def __init__(self, made: Sequences, attention: Callable[[Arena, Lanes], Any], shift: int = 0) -> None:
        self.made, case = made, made.case
        n_all = sum(map(n_pages, made.lengths)) + 1 + shift
        shape = KvShape(2, case.n_kv_heads, case.d_key, case.d_value)
        self.arena = Arena(shape, n_pages=n_all, n_places=0, dtype=torch.float32, device=torch.device("cpu"))
        self.arena.keys.fill_(3.0)
        self.arena.values.fill_(5.0)
        self.lanes = Lanes(len(made.lengths) + 1, max(*made.lengths, shift * 32), n_all)
        self.planner = Planner(self.lanes, self.arena, Shapes(row_counts(sum(made.lengths) + 16)))
        self.attention = attention(self.arena, self.lanes)
        if shift:  # somebody else has the first pages
            self.lanes.pages.grow(self.lanes.take(np.zeros(1, np.int64), shift * 32), shift * 32)
        ids = [np.zeros(n, np.int64) for n in made.lengths]
        self.taken = [self.lanes.take(some, len(some)) for some in ids]
        self.found: list[list[Tensor]] = [[] for _ in ids]

    def step(self, parts: dict[int, int]) -> None:
        """Run so many more tokens of some sequences."""
        starts = {i: int(self.lanes.length[self.taken[i]]) for i in parts}
        one = sorted((i for i in parts if parts[i] == 1), key=lambda i: self.taken[i])
        more = [i for i in parts if parts[i] > 1]
        pieces = [Piece(self.taken[i], starts[i], parts[i]) for i in more]
        decoders = np.array([self.taken[i] for i in one], np.int64)
        plan = self.planner.plan(decoders, pieces, np.empty(0, np.int64))
        order = one + more
        mine = [self._rows(some, order, starts, parts, plan) for some in self._all()]
        case = self.made.case
        self.attention.start(plan)
        for layer in (1, 0):  # two layers, and nothing of the one in the other
            scaled = [tensor * (1 + layer) for tensor in mine]
            out = self.attention(layer, *scaled, window=case.window, softcap=case.softcap)
        assert out.shape == (len(plan.input_ids), case.n_heads * case.d_value)
        assert out.isfinite().all()
        for i, rows in zip(order, out[: plan.n_tokens].split([parts[i] for i in order]), strict=True):
            self.found[i].append(rows.clone())
            self.lanes.length[self.taken[i]] += parts[i]

    def _all(self) -> list[list[Tensor]]:
        return [self.made.queries, self.made.keys, self.made.values]

    @staticmethod
    def _rows(
        some: list[Tensor], order: Sequence[int], starts: dict[int, int], parts: dict[int, int], plan: Plan
    ) -> Tensor:
        """Return the rows of a step, padded, in a layout that is not contiguous."""
        rows = torch.cat([some[i][starts[i] : starts[i] + parts[i]] for i in order])
        wide = rows.new_full((len(plan.input_ids), rows.shape[1] + 2, rows.shape[2]), 7.0)
        wide[: len(rows), 1:-1] = rows
        return wide[:, 1:-1]

    def run(self, cut: Callable[[int], list[int]]) -> list[Tensor]:
        """Run all sequences side by side, each in its pieces."""
        left = {i: cut(n) for i, n in enumerate(self.made.lengths)}
        while left := {i: parts for i, parts in left.items() if parts}:
            self.step({i: parts.pop(0) for i, parts in left.items()})
        return [torch.cat(rows) for rows in self.found]


@pytest.mark.parametrize("way", [CpuAttention, ArenaAttention])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("cut", STEPS)
def test_attention_is_masked_softmax_in_float64_but_for_rounding(cut, name, way) -> None:
    made = Sequences(CASES[name])
    for i, found in enumerate(Bed(made, way).run(STEPS[cut])):
        torch.testing.assert_close(found.double(), made.wanted(i), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_bits_do_not_depend_on_the_pieces_the_pages_the_rows_beside_or_the_threads(name) -> None:
    made = Sequences(CASES[name])
    wanted = Bed(made, CpuAttention).run(STEPS["one piece"])
    for n_threads, shift in ((1, 0), (2, 3)):
        torch.set_num_threads(n_threads)
        for cut in STEPS.values():
            found = Bed(made, CpuAttention, shift).run(cut)
            assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    alone = Bed(made, CpuAttention)
    alone.step({4: 70})
    assert torch.equal(alone.found[4][0], wanted[4])


def test_pages_that_move_take_what_they_hold_along() -> None:
    made = Sequences(CASES["grouped"], (140, 100, 90))
    wanted = Bed(made, CpuAttention).run(STEPS["one piece"])
    bed = Bed(made, CpuAttention, shift=12)
    bed.step({0: 80, 1: 60, 2: 50})
    before = bed.lanes.pages.table[bed.taken].copy()
    bed.lanes.give_back(next(lane for lane in range(4) if lane not in bed.taken))
    moved, into = bed.lanes.pages.tighten()
    bed.arena.move(moved, into)
    assert (bed.lanes.pages.table[bed.taken] != before).any()
    bed.step({0: 60, 1: 40, 2: 40})
    assert all(torch.equal(torch.cat(a), b) for a, b in zip(bed.found, wanted, strict=True))


def test_what_others_have_left_in_a_page_does_not_show_even_if_it_is_no_number() -> None:
    made = Sequences(CASES["grouped"])
    wanted = Bed(made, CpuAttention).run(STEPS["pieces"])
    bed = Bed(made, CpuAttention)
    bed.arena.keys.fill_(torch.nan)
    bed.arena.values.fill_(torch.nan)
    assert all(torch.equal(a, b) for a, b in zip(bed.run(STEPS["pieces"]), wanted, strict=True))


def test_scores_that_differ_by_much_give_the_value_of_the_largest() -> None:
    made = Sequences(CASES["grouped"], (70,))
    made.queries[0] *= 1e4
    for found in Bed(made, CpuAttention).run(STEPS["pieces"]):
        torch.testing.assert_close(found.double(), made.wanted(0), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("dtype", "way"), [(torch.float32, CpuAttention), (torch.bfloat16, ArenaAttention)])
def test_the_compiled_way_is_taken_in_float32(dtype, way) -> None:
    arena = Arena(KvShape(1, 1, 2, 2), n_pages=2, n_places=0, dtype=dtype, device=torch.device("cpu"))
    assert isinstance(choose_attention(arena, Lanes(1, 32, 2)), way)


def test_where_numba_is_not_installed_torch_attends(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "calculemus.engine.torch_engine.attention_cpu", None)
    arena = Arena(KvShape(1, 1, 2, 2), n_pages=2, n_places=0, dtype=torch.float32, device=torch.device("cpu"))
    assert isinstance(choose_attention(arena, Lanes(1, 32, 2)), ArenaAttention)


@inner
def exponentials(x: Any, out: Any) -> None:
    for i in range(len(x)):
        out[i] = exp(x[i])


def test_exponentials_are_right_to_one_unit_in_the_last_place_and_end_in_0() -> None:
    x = np.concatenate([-np.geomspace(1e-30, 87, 300_001), np.linspace(-87, 0, 300_001), [-0.0]])
    x = x.astype(np.float32)
    found, wanted = np.empty_like(x), np.exp(x.astype(np.float64))
    exponentials(x, found)
    assert (np.abs(found - wanted) <= np.spacing(wanted.astype(np.float32))).all()
    ends = np.array([0, -87.1, -104, -1e9, -3e38, -np.inf, np.nan], np.float32)
    exponentials(ends, ends)
    np.testing.assert_array_equal(ends, [1, 0, 0, 0, 0, 0, np.nan])
