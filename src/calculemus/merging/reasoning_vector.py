"""Reasoning vectors: what reinforcement added to a fine-tuned model, added to another one."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from calculemus.merging.base import Numbers, Part, TensorMerge, scaled
from calculemus.merging.carrying_over import carried_over
from calculemus.merging.gathering import Products
from calculemus.params import Between


@dataclass(frozen=True)
class ReasoningVector(TensorMerge):
    """Add to a model the difference of a reinforced and a fine-tuned one that began as twins.

    Source: Zbeeb et al. 2025, arXiv:2509.01363: v = theta_GRPO - theta_SFT and
    theta' = theta_target + alpha v, with all tensors of the same name and shape. The base of the merge is the
    target; of its two models the first is the reinforced one, the second the fine-tuned one. The vector can
    be kept as a patch (``save_patch(path, reinforced, tuned)``) and added by ``plan_patches``.

    Attributes:
        scale: Of the vector (alpha); -1 subtracts it.
        is_random: Add in each tensor a random vector of the same norm instead: the control that any gain is
            to be held against. Its numbers are drawn evenly around 0.
    """

    needs_base: ClassVar[bool] = True
    fewest: ClassVar[int] = 2
    most: ClassVar[int | None] = 2
    takes_weights: ClassVar[bool] = False
    is_ordered: ClassVar[bool] = True

    scale: Annotated[float, Between(-10, 10)] = 1.0  # not in the abstract; summaries of the paper have 1
    is_random: bool = False

    def gather(self) -> Products | None:
        """Measure the norms of the vector and of the random numbers in its place."""
        if not self.is_random:
            return None
        return Products(lambda part: [part.inputs[0] - part.inputs[1], _noise(part)])

    def merge(self, part: Part, found: Products | None) -> Numbers:
        """Add the vector, or its random twin, to the target."""
        if found is None:
            return carried_over(part, self.scale)
        vector, noise = found.sums[0, 0], found.sums[1, 1]
        length = math.sqrt(vector / noise) if noise else 0.0
        return part.base + scaled(_noise(part), self.scale * length)


def _noise(part: Part) -> Numbers:
    return part.uniforms(0) - np.float32(0.5)
