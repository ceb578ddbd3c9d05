"""Model Breadcrumbs: task vectors without their largest and their smallest numbers, added to a base."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from calculemus.merging.base import Numbers, Part, TensorMerge
from calculemus.merging.gathering import KthMagnitude
from calculemus.params import Between


@dataclass(frozen=True)
class Breadcrumbs(TensorMerge):
    """Take the outliers and the smallest numbers off each task vector, tensor by tensor, and add the rest.

    Source: Davari and Belilovsky 2023, arXiv:2312.06795, section 3, with counts and defaults as in
    mergekit; the authors' code looks for both in each row. Fewer outliers go where otherwise too little
    would be left. At least one number of a tensor is kept, and so are all of a magnitude at either limit.

    Attributes:
        density: Share of each tensor's numbers that is kept.
        gamma: Share that is taken off as outliers, the largest magnitudes.
        scale: Of the sum of task vectors (alpha).
    """

    needs_base: ClassVar[bool] = True

    density: Annotated[float, Between(0, 1, open_left=True)] = 0.9
    gamma: Annotated[float, Between(0, 1, open_right=True)] = 0.01
    scale: Annotated[float, Between(-10, 10)] = 0.3  # paper's alpha, recalled and not verified

    def gather(self) -> "Limits":
        """Find the largest and the smallest magnitude that are kept of each task vector."""
        return Limits(self.density, self.gamma)

    def merge(self, part: Part, found: "Limits") -> Numbers:
        """Add the scaled sum of what the limits leave of the task vectors."""
        limits = zip(found.lowest.thresholds, found.highest.thresholds, strict=True)
        crumbs = [_between(delta, *limit) for delta, limit in zip(part.deltas(), limits, strict=True)]
        return part.on_base(part.weighted(crumbs), self.scale)


def _between(delta: Numbers, lowest: np.floating[Any], highest: np.floating[Any]) -> Numbers:
    magnitudes = np.abs(delta)
    return np.where((magnitudes >= lowest) & (magnitudes <= highest), delta, np.float32(0))


class Limits:
    """Finds the smallest and the largest magnitude that are kept.

    Args:
        density: Share that is kept.
        gamma: Share above it.

    Attributes:
        lowest: Finds the smallest one.
        highest: Finds the largest one.
    """

    def __init__(self, density: float, gamma: float) -> None:
        self._density, self._gamma = density, gamma
        self.lowest = KthMagnitude(lambda part, model: self._share(part, model, is_lowest=True))
        self.highest = KthMagnitude(lambda part, model: self._share(part, model, is_lowest=False))

    def take(self, part: Part) -> None:
        """Count the magnitudes of a run."""
        self.lowest.take(part)
        self.highest.take(part)

    def is_complete(self) -> bool:
        """Go on as both searches do, which take the same number of passes."""
        return self.lowest.is_complete() & self.highest.is_complete()

    def _share(self, part: Part, model: int, *, is_lowest: bool) -> float:
        """Return the share of numbers from the largest down to the limit."""
        n = math.prod(part.shape)
        n_kept = max(1, math.floor(part.value("density", model, self._density) * n))
        n_outliers = min(math.floor(part.value("gamma", model, self._gamma) * n), n - n_kept)
        rank = n_outliers + (n_kept if is_lowest else 1)
        # Half a number more, lest the product with n fall below the rank by rounding.
        return (rank + 0.5) / n
