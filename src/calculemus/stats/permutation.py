"""The sign-swap test: were the two systems alike, each problem's difference might as well be turned round."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from calculemus.errors import StatisticsError
from calculemus.rng import Rng
from calculemus.stats.checks import whole
from calculemus.stats.quantiles import beta_below
from calculemus.stats.resample import CHUNK, RESAMPLES, RNG, pooled
from calculemus.stats.samples import Clusters, FloatArray, Samples, Units, read_samples, read_units


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p-value of McNemar's test.

    Of the problems that one system solved and the other did not, each is as likely to be the one's as the
    other's under the hypothesis that the systems are alike.

    Raises:
        StatisticsError: Counts that are none.

    Example:
        >>> round(mcnemar(5, 15), 4)
        0.0414
    """
    only_a = whole(only_a, "the number that only a solved", 0, "mcnemar")
    only_b = whole(only_b, "the number that only b solved", 0, "mcnemar")
    fewer, more = sorted((only_a, only_b))
    if fewer == more:
        return 1.0
    # P(at most `fewer` of fewer + more fair coins) by the incomplete beta function, and as much above.
    return min(1.0, 2 * beta_below(0.5, more, fewer + 1))


def permutation_test(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Clusters | None = None,
    rng: Rng = RNG,
    resamples: int = RESAMPLES,
) -> float:
    """Return the two-sided p-value of the sign-swap test of the mean difference.

    Labels are swapped within problems, or within whole clusters of them: all ways where these are at most
    ``resamples``, otherwise so many drawn ones, and the observed one counts among them.

    Args:
        a: ``[problem, sample]`` of any quantity, NaN where missing; or one number a problem.
        b: The other system's, on the same problems in the same order.
        clusters: For each problem the id of its group.
        rng: Where draws come from.
        resamples: How many.

    Raises:
        StatisticsError: Other problems in ``a`` than in ``b``, or what ``mean`` refuses.
    """
    doing = "permutation_test"
    resamples = whole(resamples, "the number of resamples", 100, doing)
    first, second = read_pair(a, b, doing)
    units = read_units(clusters, first.n, doing)
    return swap_p_value(second.means - first.means, units, rng, resamples)


def read_pair(a: ArrayLike, b: ArrayLike, doing: str) -> tuple[Samples, Samples]:
    """Read two systems' outcomes on the same problems.

    Raises:
        StatisticsError: They have different numbers of problems, or one of them cannot be read.
    """
    first, second = read_samples(a, f"{doing}, system a"), read_samples(b, f"{doing}, system b")
    if first.n != second.n:
        raise StatisticsError(
            f"{doing}: system a has {first.n} problems and system b {second.n}; "
            "expected the same problems in the same order: join the two on the problem id first"
        )
    return first, second


def swap_p_value(differences: FloatArray, units: Units, rng: Rng, resamples: int) -> float:
    """Return the two-sided p-value of ``differences``, one a problem, when whole units are swapped."""
    sums = units.sums(differences)
    sums = sums[sums != 0]
    # The same p-value whichever system comes first: turned so that the sum is positive.
    sums = pooled((sums * np.sign(sums.sum()))[:, np.newaxis], rng)[:, 0]
    observed = abs(sums.sum())
    rounding = 1e-12 * np.abs(sums).sum()
    exact = 2 ** len(sums) <= resamples
    count = 2 ** len(sums) if exact else resamples
    as_large = sum(
        int((np.abs(swapped) >= observed - rounding).sum()) for swapped in _swapped(sums, count, exact, rng)
    )
    return as_large / count if exact else (as_large + 1) / (count + 1)


def _swapped(sums: FloatArray, count: int, exact: bool, rng: Rng) -> Iterator[FloatArray]:
    """Yield, in chunks, the total for each way of swapping: every way, or drawn ones."""
    generator = rng.child("swaps").generator()
    step = max(1, CHUNK // max(1, len(sums)))
    for start in range(0, count, step):
        ways = np.arange(start, min(start + step, count))[:, np.newaxis]
        if exact:
            swaps = ways >> np.arange(len(sums)) & 1
        else:
            packed = generator.integers(256, size=(len(ways), -(-len(sums) // 8)), dtype=np.uint8)
            swaps = np.unpackbits(packed, axis=1, count=len(sums))
        yield (1 - 2.0 * swaps) @ sums
