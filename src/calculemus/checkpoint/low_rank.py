"""Adding a low-rank change to a run of a tensor's numbers, the same however the tensor is cut into runs."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint.bits import to_float32
from calculemus.checkpoint.header import Entry, LowRank


class Change:
    """A low-rank change whose factors are in memory.

    Args:
        low_rank: The change.
        read: Returns the bytes of a tensor.
    """

    def __init__(self, low_rank: LowRank, read: Callable[[Entry], bytes]) -> None:
        a, b = (
            to_float32(read(entry), entry.dtype).reshape(entry.shape) for entry in (low_rank.a, low_rank.b)
        )
        self._rows, self._columns = (a.T, b.T) if low_rank.is_turned else (b, a)
        self._scale = np.float32(low_rank.scale)

    def add_to(self, numbers: NDArray[np.float32], start: int) -> None:
        """Add it to the run of the tensor's numbers that begins at ``start``."""
        if not len(numbers):
            return
        n_columns = self._columns.shape[1]
        first, last = start // n_columns, -(-(start + len(numbers)) // n_columns)
        # Rank by rank: a product of matrices would round differently for each number of rows.
        change = np.zeros((last - first, n_columns), np.float32)
        for row, column in zip(self._rows[first:last].T, self._columns, strict=True):
            change += row[:, None] * column
        change *= self._scale
        begun = start - first * n_columns
        numbers += change.reshape(-1)[begun : begun + len(numbers)]
