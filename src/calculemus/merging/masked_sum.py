"""The sum of task vectors under a shared soft mask."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from calculemus.merging.base import Numbers, Part, TensorMerge
from calculemus.params import AtLeast

Granularity = Literal["element", "row", "block"]


def n_covered(granularity: Granularity, block_size: int, shape: tuple[int, ...]) -> int:
    """Return how many numbers of a tensor share a value of the mask."""
    if granularity == "element":
        return 1
    return max(1, shape[-1] if shape else 1) if granularity == "row" else block_size


@dataclass(frozen=True)
class MaskedSum(TensorMerge):
    """Multiply the sum of task vectors by a mask, number by number, and add it to the base.

    The mask is read beside each tensor: a value for each number, each row, or each block of numbers. A tensor
    without one is not masked.

    Source: Tang et al. 2023, arXiv:2312.06173, section 3.

    Attributes:
        granularity: What has a value of its own.
        block_size: Numbers of a block.
    """

    needs_base: ClassVar[bool] = True

    granularity: Granularity = "element"
    block_size: Annotated[int, AtLeast(1)] = 64

    def merge(self, part: Part, found: Any) -> Numbers:
        """Add the masked sum."""
        total = part.weighted_deltas()
        mask = part.extras[0] if part.extras else None
        if mask is not None:
            total *= self._run_of(mask, part, len(total))
        return part.on_base(total, 1.0)

    def _run_of(self, mask: Numbers, part: Part, n: int) -> Numbers:
        """Return the mask's value of each number of a run."""
        covered = n_covered(self.granularity, self.block_size, part.shape)
        if covered == 1:
            return mask
        return mask[np.arange(part.start, part.start + n) // covered]
