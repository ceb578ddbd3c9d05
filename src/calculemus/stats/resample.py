"""The bootstrap: draw units again, with replacement, and see how the mean moves."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from calculemus.rng import Rng
from calculemus.stats.checks import check_confidence, whole
from calculemus.stats.estimate import Estimate, Interval
from calculemus.stats.quantiles import two_sided_t
from calculemus.stats.samples import Clusters, FloatArray, Units, read_samples, read_units, standard_error

RESAMPLES = 10_000
RNG = Rng(0)
# Draws held at once, which bounds the memory of any number of problems and resamples.
CHUNK = 1 << 20
# More units than this are pooled at random before they are drawn: 10,000 resamples of 200,000 problems would
# take a minute and tell nothing more.
_POOLS = 2_000
# A studentised mean beyond this comes from a resample of equal values, which has no spread.
_OUT_OF_REACH = 1e6
# Fewer units than this are not resampled: see ``bootstrap_t``.
_FEW_UNITS = 8


def pooled(rows: FloatArray, rng: Rng) -> FloatArray:
    """Return ``rows``, one a unit, in an order that does not depend on theirs; very many are added in pools.

    Sums of units that are pooled at random are themselves independent and alike, so a bootstrap or a
    sign-swap test of the pools is one of the units.
    """
    ordered = rows[np.lexsort(rows.T[::-1])]
    if len(ordered) <= _POOLS:
        return ordered
    shuffled = ordered[rng.child("pools").generator().permutation(len(ordered))]
    return np.add.reduceat(shuffled, np.arange(_POOLS) * len(ordered) // _POOLS, axis=0)


def bootstrap_weights(n: int, resamples: int, rng: Rng) -> Iterator[FloatArray]:
    """Yield, in chunks of resamples, how often each of ``n`` units is drawn."""
    generator = rng.child("bootstrap").generator()
    step = max(1, CHUNK // n)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = generator.integers(n, size=(count, n)) + n * np.arange(count)[:, np.newaxis]
        yield np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n).astype(np.float64)


def studentised_means(totals: FloatArray, sizes: FloatArray, rng: Rng, resamples: int) -> FloatArray:
    """Return (mean of the resample - mean) / standard error of the resample, for each resample.

    Each row of ``totals`` and ``sizes`` is a unit; the mean is the ratio of their sums.
    """
    sizes, totals = pooled(np.column_stack([sizes, totals]), rng).T
    residuals = totals - totals.sum() / sizes.sum() * sizes
    terms = np.column_stack([residuals, sizes, residuals**2, residuals * sizes, sizes**2])
    sums = np.vstack([weights @ terms for weights in bootstrap_weights(len(terms), resamples, rng)])
    shift = sums[:, 0] / sums[:, 1]
    # Squares of (residual - shift · size), expanded so that one product with the weights gives all terms.
    squares = sums[:, 2] - 2 * shift * sums[:, 3] + shift**2 * sums[:, 4]
    floor = 1e-16 * np.max(sums[:, 2])
    factor = len(terms) / (len(terms) - 1)
    return shift * sums[:, 1] / np.sqrt(factor * np.maximum(squares, floor))


def bootstrap_t(
    values: FloatArray, units: Units, confidence: float, rng: Rng, resamples: int, *, symmetric: bool
) -> tuple[Interval, str]:
    """Return the studentised bootstrap interval of the mean of ``values``, one a problem, and its name.

    Under 8 units it is Student's interval instead: resamples of four figures are often one or two of them
    again and again, whose spread says nothing. With 4 normal units the simulated coverage at 95 % is 95.5 %
    for Student's t and 98.6 % for the bootstrap, which is 2.5 times as wide in the median and 9 times as wide
    in one of ten. With 4 differences of exponential skew the two have 87 and 96 %.

    Where the spread is zero the interval is the mean itself. There are never fewer than 2 units.

    Args:
        values: One a problem.
        units: What is drawn.
        confidence: Of the interval.
        rng: Where draws come from.
        resamples: How many.
        symmetric: Whether both ends are as far from the mean, as fits a difference; otherwise each end has
            its own tail, as fits a skewed quantity.
    """
    mean, error = float(values.mean()), standard_error(values, units)
    where = units.describe()
    if error <= 1e-12 * abs(mean):
        return Interval(mean, mean), f"no spread{where}"
    if units.n < _FEW_UNITS:
        return _students(mean, error, units, confidence)
    studentised = studentised_means(units.sums(values), units.sizes, rng, resamples)
    if symmetric:
        above = float(np.quantile(np.abs(studentised), confidence))
        below = -above
    else:
        tail = (1 - confidence) / 2
        below, above = (float(q) for q in np.quantile(studentised, [tail, 1 - tail]))
    if max(-below, above) > _OUT_OF_REACH:
        return _students(mean, error, units, confidence)
    return Interval(mean - above * error, mean - below * error), f"bootstrap-t{where}"


def _students(mean: float, error: float, units: Units, confidence: float) -> tuple[Interval, str]:
    half = two_sided_t(confidence, units.n - 1) * error
    return Interval(mean - half, mean + half), f"Student's t{units.describe()}"


def mean(
    x: ArrayLike,
    clusters: Clusters | None = None,
    confidence: float = 0.95,
    rng: Rng = RNG,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Estimate the mean over problems of any quantity: tokens, seconds, FLOPs.

    The interval is the studentised bootstrap over problems or clusters. With 30 problems its simulated
    coverage at 95 % is 95.4 % for a normal quantity, 94.3 % for an exponential one and 92.7 % for a lognormal
    one of spread 1; BCa has 94.1, 92.1 and 89.1 %, Student's t 95.4, 92.7 and 87.4 %. Student's t takes over
    under 8 problems or clusters, and where many resamples have no spread, as if one problem differs.

    Args:
        x: ``[problem, sample]``, NaN where missing; or one number a problem.
        clusters: For each problem the id of its group.
        confidence: Of the interval.
        rng: Where draws come from.
        resamples: How many.

    Raises:
        StatisticsError: Fewer than 2 problems or clusters, a problem without a sample, an infinite sample.
    """
    doing = "mean"
    check_confidence(confidence, doing)
    resamples = whole(resamples, "the number of resamples", 100, doing)
    samples = read_samples(x, doing)
    units = read_units(clusters, samples.n, doing)
    interval, method = bootstrap_t(samples.means, units, confidence, rng, resamples, symmetric=False)
    value = float(samples.means.mean())
    return Estimate(value, *interval, samples.n, samples.n_samples, method, is_share=False)
