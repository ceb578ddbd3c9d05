"""DARE: drop numbers of task vectors at random, scale up the rest, and add them to a base."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from calculemus.merging.base import Numbers, Part, TensorMerge
from calculemus.params import Between


@dataclass(frozen=True)
class DareLinear(TensorMerge):
    """Drop most of each task vector at random, scale up what is left, and add the sum to the base.

    Source: Yu et al. 2023, arXiv:2311.03099, section 3. What is left is divided by the share that is kept, so
    that the expected task vector is the whole one, number by number; mergekit makes up for the lost sum of
    magnitudes instead, which agrees only on average.

    Attributes:
        density: Share of each task vector that is kept (1 - p).
        scale: Of the sum of task vectors (lambda).
    """

    needs_base: ClassVar[bool] = True

    density: Annotated[float, Between(0, 1, open_left=True)] = 0.1  # paper, section 4: p = 0.9
    scale: Annotated[float, Between(-10, 10)] = 0.4  # as in task arithmetic

    def merge(self, part: Part, found: Any) -> Numbers:
        """Add the scaled sum of what is left of the task vectors."""
        kept = drop_and_rescale(part, self.density)
        return part.on_base(part.weighted(kept), self.scale)


def drop_and_rescale(part: Part, density: float) -> list[Numbers]:
    """Return each task vector with numbers dropped at random, and the rest divided by the share kept."""
    from calculemus.merging.fused import keep_drawn  # late: it starts a compiler

    task_vectors = part.deltas()
    for model, vector in enumerate(task_vectors):
        share = vector.dtype.type(part.value("density", model, density))
        keep_drawn(vector, part.uniforms(model), share)
    return task_vectors
