"""Task arithmetic: adding task vectors to a base."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from calculemus.merging.base import Numbers, Part, TensorMerge
from calculemus.params import Between


@dataclass(frozen=True)
class TaskArithmetic(TensorMerge):
    """Add to the base what each model learned on top of it; a negative weight takes it away.

    Source: Ilharco et al. 2022, arXiv:2212.04089, section 2. As in the paper, the sum is not divided by
    that of the weights; mergekit's ``normalize`` is a ``scale`` of one over it.

    Attributes:
        scale: Of the sum of task vectors (lambda).
    """

    needs_base: ClassVar[bool] = True

    scale: Annotated[float, Between(-10, 10)] = 0.4  # paper, section 4: 0.4 for eight tasks

    def merge(self, part: Part, found: Any) -> Numbers:
        """Add the scaled sum of task vectors."""
        return part.on_base(part.weighted_deltas(), self.scale)
