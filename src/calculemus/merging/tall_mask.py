"""TALL masks: which weights each task uses, read off the sum of task vectors; and Consensus merging."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from calculemus.errors import InvalidParameterError
from calculemus.merging.base import Numbers, Part, Scope, TensorMerge, scaled
from calculemus.merging.consensus import disjoint_merge
from calculemus.merging.gathering import KthMagnitude
from calculemus.merging.ties import trim
from calculemus.params import AtLeast, Between

THRESHOLD = 0.4
"""Of a mask where there is no data to choose it by: the middle of what the paper tries."""
THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6)  # paper, section 4.2


@dataclass(frozen=True)
class TallMask(TensorMerge):
    """Add the weights of the multi-task vector that several tasks use (Consensus merging).

    A task uses a weight where its own task vector is not small against what all the others add there. What
    no task uses is called catastrophic, what one alone does is selfish; both are dropped. One mask for each
    task, which gives nearly the task's own model back, is a ``MaskedBundle``.

    Source: Wang et al. 2024, arXiv:2405.07813, sections 4.1 (equation 4) and 4.4 (equation 6). A weight at
    the threshold counts as used, as in the paper. The paper chooses thresholds and scale on data; the
    defaults are for when there is none, and a recipe may give each model its own ``threshold``. Weights of
    models multiply their task vectors first.

    Attributes:
        threshold: How small against the others' sum is not used (lambda).
        agreeing: Fewest tasks that must use a weight for it to be kept (k).
        scale: Of what is added (alpha).
        vector: The multi-task vector: the ``sum`` of the task vectors, or that of ``ties``.
        ties_density: Share of each task vector that ``ties`` leaves, of the whole model.
    """

    needs_base: ClassVar[bool] = True

    threshold: Annotated[float, AtLeast(0)] = THRESHOLD
    agreeing: Annotated[int, AtLeast(0)] = 2  # paper, section 4.4
    scale: Annotated[float, Between(-10, 10)] = 0.3
    vector: Literal["sum", "ties"] = "sum"
    ties_density: Annotated[float, Between(0, 1, open_left=True)] = 0.2  # as TIES

    @property
    def gathering_scope(self) -> Scope:
        """Whether thresholds of trimming are found, for the whole model."""
        return "model" if self.vector == "ties" else "tensor"

    def check_weights(self, name: str, weights: Sequence[float]) -> None:
        """See that as many tasks can agree as are asked for."""
        if self.agreeing > len(weights):
            raise InvalidParameterError(
                f"TallMask: {self.agreeing} tasks are to agree on a weight of '{name}', and there are "
                f"{len(weights)}; expected at most as many, since otherwise nothing is merged. Lower "
                "'agreeing'"
            )

    def gather(self) -> KthMagnitude | None:
        """Find the smallest magnitude that is kept of each task vector, for ``ties``."""
        return KthMagnitude(lambda part, model: self.ties_density) if self.vector == "ties" else None

    def merge(self, part: Part, found: KthMagnitude | None) -> Numbers:
        """Build the multi-task vector, read the masks off it, and keep what enough of them agree on."""
        weighted = [scaled(delta, weight) for delta, weight in zip(part.deltas(), part.weights, strict=True)]
        total = part.weighted_deltas() if found is None else _ties(part, found)
        thresholds = [part.value("threshold", model, self.threshold) for model in range(len(weighted))]
        masks = tall_masks(weighted, total, thresholds)
        is_kept = np.sum(masks, axis=0) >= self.agreeing
        return part.on_base(np.where(is_kept, total, np.float32(0)), self.scale)


def tall_masks(
    task_vectors: Sequence[Numbers], total: Numbers, thresholds: Sequence[float]
) -> list[NDArray[np.bool_]]:
    """Return for each task which weights it uses: abs(tau) >= threshold * abs(total - tau); equation 4."""
    return [
        np.abs(vector) >= scaled(np.abs(total - vector), threshold)
        for vector, threshold in zip(task_vectors, thresholds, strict=True)
    ]


def _ties(part: Part, found: KthMagnitude) -> Numbers:
    trimmed = [trim(delta, limit) for delta, limit in zip(part.deltas(), found.thresholds, strict=True)]
    return disjoint_merge(trimmed, part.weights, part.weighted(trimmed))
