"""Shapes in which the engine computes, so that a row's bits do not depend on the rows beside it.

A matrix product in float32 sums in an order that its library chooses by shape. Measured on oneMKL 2024.2 with
AVX-512: products with one to three rows run another kernel than larger ones; with two threads, so do up to
eleven rows that are no multiple of four; above, all rows of all sizes have the same bits, at any place in the
batch and with any number of threads. Sums over more than about 300 keys are cut at places that depend on
their number. So the engine

- pads the rows of a step to one of a fixed list of counts, multiples of 16, and drops at load those with
  which this machine, on this model, gives other bits (``probe``);
- pads the query rows of one key head to a multiple of 4, prompt pieces to multiples of 16 tokens;
- pads keys with weights of exact zero to a multiple of 16, and sums over them in blocks of 256.
"""

from bisect import bisect_left
from dataclasses import dataclass

KEY_TILE = 16
"""Numbers of keys are multiples of this."""
SLOT_TILE = 64
"""Lengths of slots are multiples of this."""
KEY_BLOCK = 256
"""Sums over keys run over so many at a time."""
ROW_TILE = 16
"""Numbers of rows, and of tokens of a prompt's piece, are multiples of this."""
QUERY_TILE = 4
"""Query rows of one key head are multiples of this."""


def round_up(n: int, step: int) -> int:
    """Return the smallest multiple of ``step`` that is at least ``n``."""
    return -(-n // step) * step


def row_counts(limit: int) -> tuple[int, ...]:
    """Return row counts up to at least ``limit``: finer where small, so that little is wasted."""
    counts, n = [], 0
    while n < limit:
        n += ROW_TILE if n < 64 else 32 if n < 256 else 64 if n < 512 else 128
        counts.append(n)
    return tuple(counts)


@dataclass(frozen=True, slots=True)
class Shapes:
    """What a probe has left.

    Attributes:
        counts: Row counts with equal bits, ascending.
        is_stable: Whether attention has equal bits for prompts in pieces, token by token, and at any width.
    """

    counts: tuple[int, ...]
    is_stable: bool = True

    @property
    def most(self) -> int:
        """Most rows of one step."""
        return self.counts[-1]

    def pad(self, n: int) -> int:
        """Return the row count for ``n`` rows."""
        return self.counts[bisect_left(self.counts, n)]
