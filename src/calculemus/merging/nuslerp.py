"""NuSlerp: slerp between two models by their weights, or between what they learned."""

from dataclasses import dataclass
from typing import ClassVar

from calculemus.merging.base import Numbers, Part, TensorMerge, scaled
from calculemus.merging.gathering import Products
from calculemus.merging.slerp import arc_factors

_NOTHING = 1e-6
_STRAIGHT = 1 - 1e-15


@dataclass(frozen=True)
class NuSlerp(TensorMerge):
    """Go along the arc between two models, as far as their weights say.

    Source: mergekit 0.1.5, https://github.com/arcee-ai/mergekit, method ``nuslerp``; there is no paper. The
    share of the way is the second weight by the sum of both; weights that sum to 0 go half the way. Slerp
    of single rows or columns, which mergekit has too, is left out.

    Attributes:
        of_task_vectors: Take the arc between the task vectors and add it to the base; there must be one then.
    """

    fewest: ClassVar[int] = 2
    most: ClassVar[int | None] = 2

    of_task_vectors: bool = False

    @property
    def needs_base(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]  # a setting says it
        """Whether there must be a base model."""
        return self.of_task_vectors

    def gather(self) -> Products:
        """Sum the products of the two tensors, or of the two task vectors."""
        return Products(self._vectors)

    def merge(self, part: Part, found: Products) -> Numbers:
        """Add up the two vectors by their factors on the arc."""
        (aa, ab), (_, bb) = found.sums.tolist()
        total = sum(part.weights)
        share = part.weights[1] / total if abs(total) >= _NOTHING else 0.5
        factors = arc_factors(aa, ab, bb, share, _STRAIGHT)
        first, second = map(scaled, self._vectors(part), factors)
        return part.base + (first + second) if self.of_task_vectors else first + second

    def _vectors(self, part: Part) -> list[Numbers]:
        return part.deltas() if self.of_task_vectors else list(part.inputs)
