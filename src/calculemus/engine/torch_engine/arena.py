"""The memory of keys and values: slots of the rows in flight, and the pool behind the prefix tree.

All of it is one tensor, taken once. Its unit is the *vector*: one head's key or value of one token. A *slab*
is a run of equally long slots that lie behind each other, so that its rows are one strided batch to a matrix
product, without gathering. A short row never waits in, or attends over, a long row's slot.
"""

from bisect import insort
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calculemus.engine.torch_engine.shapes import SLOT_TILE, round_up

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class KvShape:
    """Sizes of keys and values: layers, heads that have them, and the width of the wider of both."""

    n_layers: int
    n_kv_heads: int
    d_head: int

    def bytes_per_token(self, dtype: torch.dtype) -> int:
        """Return the memory of one token."""
        return 2 * self.n_layers * self.n_kv_heads * self.d_head * dtype.itemsize


@dataclass(eq=False, slots=True)
class Slab:
    """Equally long slots behind each other.

    Attributes:
        start: Its first token in the arena.
        length: Tokens of one slot.
        n_rows: Slots.
        free: Those in use by nobody, lowest first.
        views: For each layer its keys and its values, (row and head, token, width).
    """

    start: int
    length: int
    n_rows: int
    free: list[int] = field(default_factory=list)
    views: list[tuple[Tensor, Tensor]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Slot:
    """One row's place: the vector of its first head's first token; heads are ``slab.length`` apart."""

    slab: Slab
    row: int
    base: int


class Arena:
    """Keys and values of up to ``slot_tokens`` tokens in slots and ``pool_tokens`` in the pool.

    Attributes:
        store: (2 * layer + (0 for keys, 1 for values), vector, width). The first token's vectors take what
            padding writes and are never read.
        shape: Sizes.
    """

    def __init__(
        self,
        shape: KvShape,
        *,
        slot_tokens: int,
        pool_tokens: int,
        slab_rows: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.shape = shape
        self._slab_rows = slab_rows
        self._slot_tokens = slot_tokens
        self._pool_start = 1 + slot_tokens
        n_vectors = (1 + slot_tokens + pool_tokens) * shape.n_kv_heads
        # Zeros, not empty: what a mask hides must be finite, for 0 * nan is nan.
        self.store = torch.zeros(2 * shape.n_layers, n_vectors, shape.d_head, dtype=dtype, device=device)
        self._slabs: list[Slab] = []
        self._heads = np.arange(shape.n_kv_heads)

    @property
    def n_vectors(self) -> int:
        """Vectors of each layer's keys."""
        return self.store.shape[1]

    def fits(self, n_tokens: int) -> bool:
        """Say whether a row of so many tokens has room when it is alone."""
        return slot_length(n_tokens) <= self._slot_tokens

    def place(self, n_tokens: int) -> Slot | None:
        """Take a slot for a row of up to ``n_tokens`` tokens; None where all that fit are in use."""
        length = slot_length(n_tokens)
        slab = self._slab_with_room(length, length) or self._new_slab(length)
        slab = slab or self._slab_with_room(length, self._slot_tokens)
        if slab is None:
            return None
        row = slab.free.pop(0)
        return Slot(slab, row, (slab.start + row * slab.length) * self.shape.n_kv_heads)

    def give_back(self, slot: Slot) -> None:
        """Free a slot; a slab without rows frees its memory."""
        slab = slot.slab
        insort(slab.free, slot.row)
        if len(slab.free) == slab.n_rows:
            self._slabs.remove(slab)

    def _slab_with_room(self, shortest: int, longest: int) -> Slab | None:
        fitting = [slab for slab in self._slabs if slab.free and shortest <= slab.length <= longest]
        return min(fitting, key=lambda slab: slab.length, default=None)

    def _new_slab(self, length: int) -> Slab | None:
        """Lay out a slab in the first gap where it fits, with fewer rows where there is less room."""
        start, best = 1, (0, 0)
        for slab in [*sorted(self._slabs, key=lambda slab: slab.start), None]:
            end = slab.start if slab else self._pool_start
            n_rows = min(self._slab_rows, (end - start) // length)
            if n_rows > best[1]:
                best = (start, n_rows)
            start = slab.start + slab.length * slab.n_rows if slab else end
        start, n_rows = best
        if not n_rows:
            return None
        slab = Slab(start, length, n_rows, list(range(n_rows)), self._views(start, length, n_rows))
        self._slabs.append(slab)
        return slab

    def _views(self, start: int, length: int, n_rows: int) -> list[tuple[Tensor, Tensor]]:
        n_heads, width = self.shape.n_kv_heads, self.shape.d_head
        part = self.store[:, start * n_heads : (start + length * n_rows) * n_heads]
        views = part.view(2 * self.shape.n_layers, n_rows * n_heads, length, width)
        return [(views[2 * i], views[2 * i + 1]) for i in range(self.shape.n_layers)]

    def slot_vectors(self, bases: Ids, lengths: Ids, positions: Ids) -> Ids:
        """Return the vectors (token, head) of tokens at ``positions`` of slots of these bases and lengths."""
        return (bases + positions)[:, None] + lengths[:, None] * self._heads

    def pool_vectors(self, places: Ids) -> Ids:
        """Return the vectors (token, head) of places in the pool."""
        return (self._pool_start + places)[:, None] * self.shape.n_kv_heads + self._heads

    def copy(self, source: list[Ids], target: list[Ids]) -> None:
        """Copy keys and values of all layers between vectors."""
        if not source:
            return
        device = self.store.device
        read = torch.from_numpy(np.concatenate([part.ravel() for part in source])).to(device)
        write = torch.from_numpy(np.concatenate([part.ravel() for part in target])).to(device)
        self.store.index_copy_(1, write, self.store.index_select(1, read))


def slot_length(n_tokens: int) -> int:
    """Return the length of the slots that take a row: few lengths, so that rows find company."""
    for limit, step in ((512, SLOT_TILE), (2048, 4 * SLOT_TILE)):
        if n_tokens <= limit:
            return round_up(n_tokens, step)
    return round_up(n_tokens, 16 * SLOT_TILE)
