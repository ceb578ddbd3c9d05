"""Agreeing on signs: what TIES does where task vectors pull either way, and what others took over from it."""

from collections.abc import Sequence

import numpy as np

from calculemus.merging.base import Numbers


def disjoint_merge(
    vectors: Sequence[Numbers], weights: Sequence[float], elected: Numbers, *, normalize: bool = True
) -> Numbers:
    """Return, number by number, the weighted mean of the vectors that have the elected sign.

    Args:
        vectors: Task vectors; a number that is 0 has no sign and does not count.
        weights: One for each vector; a negative one turns its vector round.
        elected: Numbers whose signs are the elected ones, such as the sum of the weighted vectors; 0 elects
            none.
        normalize: Divide by the sum of the weights, without their signs, of those that agree; otherwise it is
            a weighted sum.
    """
    from calculemus.merging.fused import add_agreeing, divide_where_positive  # late: it starts a compiler

    merged, agreeing = np.zeros_like(elected), np.zeros_like(elected)
    for vector, weight in zip(vectors, weights, strict=True):
        add_agreeing(merged, agreeing, vector, elected.dtype.type(weight), elected)
    if normalize:
        divide_where_positive(merged, agreeing)
    return merged
