"""Slerp: from one model to another along the arc between them."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from calculemus.merging.base import Numbers, Part, TensorMerge, scaled
from calculemus.merging.gathering import Products
from calculemus.params import Between


@dataclass(frozen=True)
class Slerp(TensorMerge):
    """Go from the base to the other model along the arc between them, each tensor taken as one vector.

    Source: Shoemake 1985, Animating rotation with quaternion curves, section 3.3. Lengths are not made equal
    first, so that both ends are the models themselves, as in mergekit. Vectors that point nearly the same
    or the opposite way, and a vector of zeros, are joined by a straight line.

    Attributes:
        t: Share of the way, from the base (0) to the other model (1).
    """

    needs_base: ClassVar[bool] = True
    most: ClassVar[int | None] = 1

    t: Annotated[float, Between(0, 1)] = 0.5

    def gather(self) -> Products:
        """Sum the products of the two tensors."""
        return Products(lambda part: [part.base, *part.inputs])

    def merge(self, part: Part, found: Products) -> Numbers:
        """Add up the two tensors by their factors on the arc."""
        (aa, ab), (_, bb) = found.sums.tolist()
        first, second = arc_factors(aa, ab, bb, part.value("t", 0, self.t))
        return scaled(part.base, first) + scaled(part.inputs[0], second)


STRAIGHT = 0.9995
"""From this cosine on the arc is taken as straight."""


def arc_factors(aa: float, ab: float, bb: float, t: float, straight: float = STRAIGHT) -> tuple[float, float]:
    """Return the factors of two vectors at a share of the way, from their scalar products."""
    cosine = ab / math.sqrt(aa) / math.sqrt(bb) if aa > 0 and bb > 0 else 1.0
    if abs(cosine) > straight:
        return 1 - t, t
    angle = math.acos(cosine)
    return math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)
