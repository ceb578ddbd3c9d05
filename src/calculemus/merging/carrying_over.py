"""Carrying over: what leads from one model to another, added to a third one."""

import numpy as np

from calculemus.merging.base import Numbers, Part, scaled


def carried_over(part: Part, scale: float) -> Numbers:
    """Return ``base + scale * (first - second)`` of a part with two models.

    Where the base is the second model and the scale 1, the first one comes out to the bit, as does the second
    one where the base is the first and the scale -1: float32 alone would round there.
    """
    to, origin = part.inputs
    moved = part.base + scaled(to - origin, scale)
    if scale == 1:
        return np.where(part.base == origin, to, moved)
    return np.where(part.base == to, origin, moved) if scale == -1 else moved
