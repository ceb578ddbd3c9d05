"""DELLA: drop numbers of task vectors at random, small ones more often, and merge by elected signs."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from calculemus.merging.base import Locality, Numbers, Part, TensorMerge
from calculemus.merging.consensus import disjoint_merge
from calculemus.params import Between


@dataclass(frozen=True)
class Della(TensorMerge):
    """Keep each number of a task vector with a chance that rises with its rank in its row; merge by signs.

    Source: Deep et al. 2024, arXiv:2406.11617, section 3, and the authors' code. Each number that is kept is
    divided by its own chance, as in both; mergekit makes up for the lost sum of magnitudes of the tensor.
    Like the code, a tensor without rows is one row, and ``epsilon`` is half the paper's window of chances;
    a window that would leave 0 to 1 is made narrower. Equal magnitudes are ranked by their place.

    Attributes:
        density: Mean chance of being kept (1 - p).
        epsilon: How far the chances of the smallest and of the largest number of a row are from the mean.
        scale: Of the merged task vector (lambda).
        normalize: Take the mean of those that agree; otherwise their sum.
    """

    needs_base: ClassVar[bool] = True
    locality: ClassVar[Locality] = "row"

    density: Annotated[float, Between(0, 1, open_left=True)] = 0.7  # authors' code, README: drop rate 0.3
    epsilon: Annotated[float, Between(0, 0.5)] = 0.07  # authors' code, README: window of 0.14
    scale: Annotated[float, Between(-10, 10)] = 1.1  # authors' code, README
    normalize: bool = True

    def merge(self, part: Part, found: Any) -> Numbers:
        """Drop by magnitude, elect signs, and merge those that agree."""
        kept = [self._pruned(part, model, delta) for model, delta in enumerate(part.deltas())]
        merged = disjoint_merge(kept, part.weights, part.weighted(kept), normalize=self.normalize)
        return part.on_base(merged, self.scale)

    def _pruned(self, part: Part, model: int, delta: Numbers) -> Numbers:
        """Return what the paper calls MagPrune of a task vector."""
        density = part.value("density", model, self.density)
        epsilon = part.value("epsilon", model, self.epsilon)
        chances = keep_chances(delta.reshape(part.n_rows, -1), density, epsilon).ravel()
        is_kept = part.uniforms(model) < chances
        return np.divide(delta, chances, out=np.zeros_like(delta), where=is_kept)


def keep_chances(rows: Numbers, density: float, epsilon: float) -> Numbers:
    """Return the chance of each number of being kept, by the rank of its magnitude in its row."""
    n = rows.shape[1]
    half = min(epsilon, density, 1 - density)
    if n == 1:
        return np.full_like(rows, density)
    by_rank = (density - half + 2 * half * np.arange(n) / (n - 1)).astype(rows.dtype)
    chances = np.empty_like(rows)
    np.put_along_axis(chances, _ranked(np.abs(rows)), np.broadcast_to(by_rank, rows.shape), axis=1)
    return chances


def _ranked(magnitudes: Numbers) -> NDArray[np.int64]:
    """Return for each row the places of its numbers, the smallest first; of equal ones the first first."""
    if magnitudes.dtype != np.float32:
        return np.argsort(magnitudes, axis=1, kind="stable")
    # Magnitudes sort as their bits do; with the place behind them one plain sort ranks them all.
    bits = magnitudes.view(np.uint32).astype(np.uint64) << np.uint64(32)
    places = np.arange(magnitudes.shape[1], dtype=np.uint64)
    return (np.sort(bits | places, axis=1) & np.uint64(0xFFFFFFFF)).astype(np.int64)
