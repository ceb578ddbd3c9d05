"""The sum of task vectors that were trimmed and stripped of what an election went against."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from calculemus.merging.base import Numbers, Part, Scope, TensorMerge
from calculemus.merging.gathering import KthMagnitude
from calculemus.merging.ties import trim
from calculemus.params import Between


@dataclass(frozen=True)
class ElectedSum(TensorMerge):
    """Trim the task vectors, drop from each what goes against the elected signs, and add them up.

    The steps of TIES without its mean, so that each vector can have a weight of its own. Weights have no say
    in the election: a vector stays the same whatever it is multiplied by afterwards.

    Source: Yadav et al. 2023, arXiv:2306.01708, algorithm 1, as AdaMerging++ uses it: arXiv:2310.02575,
    section 3.2.

    Attributes:
        density: Share of each task vector that is kept, of the whole model.
    """

    needs_base: ClassVar[bool] = True

    density: Annotated[float, Between(0, 1, open_left=True)] = 0.2

    @property
    def gathering_scope(self) -> Scope:
        """Thresholds are found once, for the whole model."""
        return "model"

    def gather(self) -> KthMagnitude:
        """Find the smallest magnitude that is kept of each task vector."""
        return KthMagnitude(lambda part, model: self.density)

    def merge(self, part: Part, found: KthMagnitude) -> Numbers:
        """Trim, elect signs, and add up what agrees with them."""
        trimmed = [trim(delta, limit) for delta, limit in zip(part.deltas(), found.thresholds, strict=True)]
        elected = np.sign(np.sum(trimmed, axis=0))
        agreeing = [np.where(np.sign(vector) == elected, vector, np.float32(0)) for vector in trimmed]
        return part.on_base(part.weighted(agreeing), 1.0)
