"""What first passes collect: exact magnitudes of a rank, and sums that are the same for every cut."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from calculemus.merging.base import Numbers, Part

BLOCK = 256
"""Products are summed in blocks of so many numbers, counted from a tensor's first, and the blocks exactly."""
_DIGIT = 16
_BINS = 1 << _DIGIT
_TERMS = 64


class KthMagnitude:
    """Finds, for each model, the smallest magnitude of its task vector that is among the largest ones.

    Exact and without sorting: magnitudes are counted by their uppermost 16 bits in a first pass, and then by
    the next 16 within the one bin that matters: two passes of float32, four of float64.

    Args:
        density: For a part and a model, which share of the numbers is kept, in (0, 1].

    Attributes:
        thresholds: One for each model, once all passes are through: at least ``max(1, floor(share * n))``
            numbers have this magnitude or more.
    """

    def __init__(self, density: Callable[[Part, int], float]) -> None:
        self._density = density
        self._counts: list[NDArray[np.int64]] = []
        self._above: list[int] = []
        self._ranks: list[int] = []
        self._densities: list[float] = []
        self._n_bits = 32
        self._n_known = 0
        self.thresholds: list[np.float32 | np.float64] = []

    def take(self, part: Part) -> None:
        """Count the magnitudes of a run."""
        if not self._counts:
            self._counts = [np.zeros(_BINS, np.int64) for _ in part.inputs]
            self._densities = [self._density(part, model) for model in range(len(part.inputs))]
            self._n_bits = 8 * part.inputs[0].dtype.itemsize
        for model, numbers in enumerate(part.inputs):
            self._count(part.base, numbers, model)

    def _count(self, base: Numbers, numbers: Numbers, model: int) -> None:
        from calculemus.merging.kernels import count_high_deltas, count_long_deltas, count_low_deltas

        counts = self._counts[model]
        if self._n_bits == 64:
            above = self._above[model] if self._above else 0
            shift = 64 - self._n_known - _DIGIT
            count_long_deltas(base, numbers, np.uint64(above), np.uint64(shift), counts)
        elif self._above:
            count_low_deltas(base, numbers, np.uint32(self._above[model]), counts)
        else:
            count_high_deltas(base, numbers, counts)

    def is_complete(self) -> bool:
        """Go from the upper bits to the lower, then to the thresholds."""
        if not self._above:
            shares = zip(self._counts, self._densities, strict=True)
            self._ranks = [max(1, math.floor(density * int(counts.sum()))) for counts, density in shares]
            self._above = [0] * len(self._counts)
        for model, counts in enumerate(self._counts):
            place, self._ranks[model] = _find(counts, self._ranks[model])
            self._above[model] = self._above[model] << _DIGIT | place
            counts[:] = 0
        self._n_known += _DIGIT
        if self._counts and self._n_known < self._n_bits:
            return False
        long = self._n_bits == 64
        self.thresholds = [
            np.uint64(bits).view(np.float64) if long else np.uint32(bits).view(np.float32)
            for bits in self._above
        ]
        self._counts = []
        return True


def _find(counts: NDArray[np.int64], rank: int) -> tuple[int, int]:
    """Return the bin with the number of a rank, counted from the largest, and the rank within it."""
    above = np.cumsum(counts[::-1])
    place = int(np.searchsorted(above, rank))
    before = int(above[place - 1]) if place else 0
    return len(counts) - 1 - place, rank - before


class Products:
    """Sums the products of pairs of arrays, exactly the same however the tensor is cut.

    Args:
        arrays: The arrays of a part whose products are wanted, such as its task vectors.

    Attributes:
        sums: (array, array) the scalar products over the whole tensor.
    """

    def __init__(self, arrays: Callable[[Part], Sequence[Numbers]]) -> None:
        self._arrays = arrays
        self._rest: list[Numbers] = []
        self._terms: dict[tuple[int, int], NDArray[np.float64]] = {}
        self._n_terms: dict[tuple[int, int], int] = {}
        self.sums: NDArray[np.float64] = np.zeros((0, 0))

    def take(self, part: Part) -> None:
        """Add the products of a run."""
        arrays = list(self._arrays(part))
        if not self._rest:
            self._rest = [array[:0].copy() for array in arrays]
        # The numbers behind the last whole block wait for the next run.
        first = min(-len(self._rest[0]) % BLOCK, len(arrays[0]))
        last = first + (len(arrays[0]) - first) // BLOCK * BLOCK
        self._rest = [np.concatenate([r, a[:first]]) for r, a in zip(self._rest, arrays, strict=True)]
        if len(self._rest[0]) == BLOCK:
            self._add(self._rest)
            self._rest = [array[:0] for array in self._rest]
        if last > first:
            self._add([array[first:last] for array in arrays])
        if last < len(arrays[0]):
            self._rest = [array[last:].copy() for array in arrays]

    def _add(self, arrays: Sequence[Numbers]) -> None:
        """Add the products of whole blocks."""
        from calculemus.merging.kernels import sum_of_products

        for i, first in enumerate(arrays):
            for j, second in enumerate(arrays[: i + 1]):
                terms = self._terms.setdefault((i, j), np.zeros(_TERMS))
                self._n_terms[i, j] = sum_of_products(
                    first, second, BLOCK, terms, self._n_terms.get((i, j), 0)
                )

    def is_complete(self) -> bool:
        """Add up the blocks, exactly."""
        if self._rest and len(self._rest[0]):
            self._add([np.pad(array, (0, BLOCK - len(array))) for array in self._rest])
            self._rest = [array[:0] for array in self._rest]
        self.sums = np.zeros((len(self._rest), len(self._rest)))
        for (i, j), terms in self._terms.items():
            self.sums[i, j] = self.sums[j, i] = math.fsum(terms[: self._n_terms[i, j]])
        return True
