"""DARE with TIES: drop numbers of task vectors at random, then merge those that agree in sign."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from calculemus.merging.base import Numbers, Part, TensorMerge
from calculemus.merging.consensus import disjoint_merge
from calculemus.merging.dare_linear import drop_and_rescale
from calculemus.params import Between


@dataclass(frozen=True)
class DareTies(TensorMerge):
    """Drop most of each task vector at random, scale up what is left, and merge it by elected signs.

    Source: Yu et al. 2023, arXiv:2311.03099, sections 3 and 4.3, with the signs and the mean of Yadav et al.
    2023, arXiv:2306.01708. Random dropping takes the place of trimming; the paper's code trims besides.
    What is left is divided by the share that is kept, where mergekit makes up for the lost sum of
    magnitudes; mergekit also adds those that agree without taking their mean, which ``normalize=False``
    does.

    Attributes:
        density: Share of each task vector that is kept (1 - p).
        scale: Of the merged task vector (lambda).
        normalize: Take the mean of those that agree; otherwise their sum.
    """

    needs_base: ClassVar[bool] = True

    density: Annotated[float, Between(0, 1, open_left=True)] = 0.1  # paper, section 4: p = 0.9
    scale: Annotated[float, Between(-10, 10)] = 1.0  # as in TIES
    normalize: bool = True

    def merge(self, part: Part, found: Any) -> Numbers:
        """Drop and rescale, elect signs, and merge those that agree."""
        kept = drop_and_rescale(part, self.density)
        merged = disjoint_merge(kept, part.weights, part.weighted(kept), normalize=self.normalize)
        return part.on_base(merged, self.scale)
