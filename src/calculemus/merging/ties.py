"""TIES: trim task vectors, elect a sign for each weight, and merge those that agree."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from calculemus.merging.base import Numbers, Part, Scope, TensorMerge
from calculemus.merging.consensus import disjoint_merge
from calculemus.merging.gathering import KthMagnitude
from calculemus.params import Between


@dataclass(frozen=True)
class Ties(TensorMerge):
    """Merge task vectors after trimming them and electing one sign for each weight.

    Source: Yadav et al. 2023, arXiv:2306.01708, section 3 and algorithm 1. The paper's code trims the whole
    vector at once, other tools each tensor; ``scope`` chooses. Weights, which the paper does not have, count
    in the election and in the mean, as in mergekit; there a negative one loses its sign again in the mean,
    here it does not. Numbers at the threshold are all kept. Where the task vectors cancel out exactly no sign
    is elected, and the base stays; the paper's code takes the sign that most weights have.

    Attributes:
        density: Share of each task vector that is kept (k).
        scale: Of the merged task vector (lambda).
        scope: Where the largest ones are looked for: in each tensor, or in the whole model.
    """

    needs_base: ClassVar[bool] = True

    density: Annotated[float, Between(0, 1, open_left=True)] = 0.2  # paper, section 4: top 20 %
    scale: Annotated[float, Between(-10, 10)] = 1.0  # paper, section 4: without validation data
    scope: Literal["tensor", "model"] = "tensor"

    @property
    def gathering_scope(self) -> Scope:
        """Whether thresholds are found for each tensor or once."""
        return self.scope

    def gather(self) -> KthMagnitude:
        """Find the smallest magnitude that is kept of each task vector."""
        return KthMagnitude(lambda part, model: part.value("density", model, self.density))

    def merge(self, part: Part, found: KthMagnitude) -> Numbers:
        """Trim, elect signs, and take the mean of those that agree."""
        trimmed = [trim(delta, limit) for delta, limit in zip(part.deltas(), found.thresholds, strict=True)]
        merged = disjoint_merge(trimmed, part.weights, part.weighted(trimmed))
        return part.on_base(merged, self.scale)


def trim(task_vector: Numbers, threshold: np.floating[Any]) -> Numbers:
    """Return the task vector with 0 for all that is smaller than the threshold; it is changed in place."""
    from calculemus.merging.fused import keep_from  # late: it starts a compiler

    keep_from(task_vector, threshold)
    return task_vector
