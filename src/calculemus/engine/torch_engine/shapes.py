"""Shapes in which the engine computes, so that a row's bits do not depend on the rows beside it.

A matrix product in float32 sums in an order that its library chooses by shape. Measured with torch 2.13 on a
Zen 5 processor: oneMKL's products with one to three rows run another kernel than larger ones; with two
threads, so do up to eleven rows that are no multiple of four; above, all rows of all sizes have the same
bits, at any place in the batch and with any number of threads. Sums over more than about 300 terms are cut
at places that depend on their number. oneDNN's products agree from two rows on. So the engine

- pads the rows of a step to one of a fixed list of counts, multiples of 16, and drops at load those with
  which this machine, on this model, gives other bits (``measure.stable_shapes``);
- pads the query rows of one key head to a multiple of 4, and pieces of prompts to multiples of 16 tokens;
- keeps keys and values in pages of 32 tokens, and adds what a query takes from them page by page, in order.
"""

from bisect import bisect_left
from dataclasses import dataclass

PAGE = 32
"""Tokens of a page of keys and values. Longer ones waste more behind a row's end, shorter ones cost calls."""
ROW_TILE = 16
"""Numbers of rows, and of tokens of a prompt's piece, are multiples of this."""
QUERY_TILE = 4
"""Query rows of one key head are multiples of this."""


def round_up(n: int, step: int) -> int:
    """Return the smallest multiple of ``step`` that is at least ``n``."""
    return -(-n // step) * step


def n_pages(n_tokens: int) -> int:
    """Return how many pages so many tokens of one row take."""
    return -(-n_tokens // PAGE)


def row_counts(limit: int) -> tuple[int, ...]:
    """Return row counts up to at least ``limit``: finer where small, so that little is wasted."""
    counts, n = [], 0
    while n < limit:
        n += ROW_TILE if n < 64 else 32 if n < 256 else 64 if n < 512 else 128
        counts.append(n)
    return tuple(counts)


@dataclass(frozen=True, slots=True)
class Shapes:
    """What a measurement has left.

    Attributes:
        counts: Row counts with equal bits, ascending.
        is_stable: Whether attention has equal bits for prompts in one piece, in several, and token by token,
            and rows do not depend on their place.
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
