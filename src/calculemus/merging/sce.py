"""SCE: select where models differ, calculate how much each counts, erase what goes against the majority."""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from calculemus.merging.base import Numbers, Part, TensorMerge
from calculemus.merging.consensus import disjoint_merge
from calculemus.merging.gathering import KthMagnitude, Products
from calculemus.params import Between


@dataclass(frozen=True)
class Sce(TensorMerge):
    """Merge task vectors where they vary most, weighted by their energy and without minority signs.

    Source: Wan et al. 2024, arXiv:2408.07990, section 3.3. The density is of all numbers of a tensor, where
    mergekit counts those that vary at all; numbers at the threshold are all kept. Energies take the place of
    weights.

    Attributes:
        density: Share of a tensor's numbers, those of the largest variance, that is merged (tau).
    """

    needs_base: ClassVar[bool] = True
    takes_weights: ClassVar[bool] = False

    density: Annotated[float, Between(0, 1, open_left=True)] = 0.1  # paper, section 4: 10 %

    def gather(self) -> "Selection":
        """Find the smallest variance that is selected, then the energies of what is."""
        return Selection(self.density)

    def merge(self, part: Part, found: "Selection") -> Numbers:
        """Select, elect signs, and merge those that agree by their energies."""
        selected = found.select(part)
        elected = sum(selected[1:], start=selected[0])
        return part.base + disjoint_merge(selected, found.coefficients.tolist(), elected)


class Selection:
    """Finds which numbers are selected, and how much each model counts.

    Args:
        density: Share that is selected.
    """

    def __init__(self, density: float) -> None:
        self._variances = KthMagnitude(lambda part, _: part.value("density", 0, density))
        self._energies = Products(self.select)
        self._is_selecting = True

    @property
    def coefficients(self) -> NDArray[np.float64]:
        """One for each model, in proportion to its energy; they sum to 1."""
        energies = np.diag(self._energies.sums)
        total = energies.sum()
        return energies / total if total > 0 else np.full(len(energies), 1 / len(energies))

    def select(self, part: Part) -> list[Numbers]:
        """Return the task vectors with 0 where they vary too little."""
        is_selected = _variance(part) >= self._variances.thresholds[0]
        return [np.where(is_selected, delta, np.float32(0)) for delta in part.deltas()]

    def take(self, part: Part) -> None:
        """Count the variances of a run, or add up its energies."""
        if self._is_selecting:
            # The search looks at task vectors: the variances are handed to it as the only one.
            self._variances.take(replace(part, base=np.zeros_like(part.base), inputs=[_variance(part)]))
        else:
            self._energies.take(part)

    def is_complete(self) -> bool:
        """Go from the variances to the energies."""
        if self._is_selecting:
            self._is_selecting = not self._variances.is_complete()
            return False
        return self._energies.is_complete()


def _variance(part: Part) -> Numbers:
    """Return, number by number, the variance over the models, times a constant; of copies exactly 0."""
    variance = np.zeros_like(part.base)
    for first, second in combinations(part.inputs, 2):
        variance += (first - second) ** 2
    return variance
