"""Model Stock: how far to go from a base towards the mean of models, from the angle between them."""

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from calculemus.merging.base import Numbers, Part, TensorMerge, scaled
from calculemus.merging.gathering import Products

_NOTHING = 1e-6


@dataclass(frozen=True)
class ModelStock(TensorMerge):
    """Place each tensor between the base and the mean of the models, nearer the mean the better they agree.

    Source: Jang, Yun and Han 2024, arXiv:2403.19522, section 4. The paper has one angle between all models;
    of several the mean cosine of all pairs is taken, as in mergekit. Where the ratio has no finite value,
    and where a task vector is zero in all models, the base stays. All models weigh the same; other weights
    are refused.
    """

    needs_base: ClassVar[bool] = True
    fewest: ClassVar[int] = 2
    takes_weights: ClassVar[bool] = False

    def gather(self) -> Products:
        """Sum the products of the task vectors."""
        return Products(lambda part: part.deltas())

    def merge(self, part: Part, found: Products) -> Numbers:
        """Go from the base towards the mean by the ratio."""
        ratio = interpolation_ratio(found.sums)
        mean = part.inputs[0].copy()
        for numbers in part.inputs[1:]:
            mean += numbers
        mean /= mean.dtype.type(len(part.inputs))
        return scaled(mean, ratio) + scaled(part.base, 1 - ratio)


def interpolation_ratio(products: NDArray[np.float64]) -> float:
    """Return t = N cos / (1 + (N - 1) cos), from the scalar products of the task vectors; equation 6."""
    n = len(products)
    cosines = [_cosine(products, i, j) for i, j in combinations(range(n), 2)]
    cosine = float(np.mean(cosines))
    below = 1 + (n - 1) * cosine
    return n * cosine / below if abs(below) >= _NOTHING else 0.0


def _cosine(products: NDArray[np.float64], i: int, j: int) -> float:
    lengths = np.sqrt(products[i, i] * products[j, j])
    return float(np.clip(products[i, j] / lengths, -1, 1)) if lengths > 0 else 0.0
