"""The mean of models, each number weighted by how sure its model is of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any, ClassVar

import numpy as np

from calculemus.merging.base import Numbers, Part, TensorMerge, scaled
from calculemus.params import Between


@dataclass(frozen=True)
class FisherMean(TensorMerge):
    """Divide the sum of weight times Fisher times model by the sum of weight times Fisher.

    The Fisher information of each model is read beside each tensor, in the models' order. A tensor for which
    there is none is averaged.

    Source: Matena and Raffel 2022, arXiv:2111.09832, section 3.2, equation 4.

    Attributes:
        floor: Least Fisher information of a number.
    """

    is_ordered: ClassVar[bool] = True

    floor: Annotated[float, Between(0, 1, open_left=True)] = 1e-6

    def merge(self, part: Part, found: Any) -> Numbers:
        """Take the mean."""
        shares = [
            scaled(np.maximum(fisher, np.float32(self.floor)), weight)
            for weight, fisher in zip(part.weights, _fishers(part), strict=True)
        ]
        below = reduce(np.add, shares)
        return reduce(np.add, [s / below * numbers for s, numbers in zip(shares, part.inputs, strict=True)])


def _fishers(part: Part) -> Sequence[Numbers]:
    held = [extra for extra in part.extras if extra is not None]
    return held if len(held) == len(part.inputs) else [np.ones_like(numbers) for numbers in part.inputs]
