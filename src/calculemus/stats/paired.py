"""Compare two systems on the same problems."""

import numpy as np
from numpy.typing import ArrayLike

from calculemus.rng import Rng
from calculemus.stats.checks import check_confidence, whole
from calculemus.stats.estimate import Interval, PairedEstimate
from calculemus.stats.permutation import mcnemar, read_pair, swap_p_value
from calculemus.stats.quantiles import two_sided_normal, two_sided_t
from calculemus.stats.resample import RESAMPLES, RNG, bootstrap_t
from calculemus.stats.samples import Clusters, FloatArray, Samples, Units, read_units, standard_error
from calculemus.stats.tango import tango, tango_ends

# Under so many units the normal quantile promises too much.
_FEW_UNITS = 30


def compare(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Clusters | None = None,
    confidence: float = 0.95,
    rng: Rng = RNG,
    resamples: int = RESAMPLES,
) -> PairedEstimate:
    """Estimate how much better ``b`` is than ``a`` on the same problems, in the same order.

    - One sample of 0 or 1 a problem: Tango's score interval and the exact test of McNemar.
    - Several samples of 0 or 1, or clusters of problems: Tango's interval with an effective number of
      problems (see ``effective_tango``) and the sign-swap permutation test.
    - Any other quantity, such as tokens, seconds or partial credit: the symmetric studentised bootstrap over
      problems or clusters, under 8 of them Student's t, and the sign-swap test.

    The exact test is the more cautious: with few problems an interval may exclude 0 where p exceeds 0.05.

    Args:
        a: ``[problem, sample]`` of the first system, NaN where missing; or one number a problem.
        b: Of the second system.
        clusters: For each problem the id of its group, for example the seed of which it is a variant.
        confidence: Of the interval.
        rng: Where draws come from.
        resamples: How many.

    Raises:
        StatisticsError: Other problems in ``a`` than in ``b``, fewer than 2, or a problem without a sample.

    Example:
        >>> print(compare([0, 0, 1, 1, 0, 0, 0, 1], [1, 1, 1, 1, 0, 1, 1, 1]))
        +0.5 [+0.01339, +0.7848], p=0.12 (n=8, Tango, exact McNemar)
    """
    doing = "compare"
    check_confidence(confidence, doing)
    resamples = whole(resamples, "the number of resamples", 100, doing)
    first, second = read_pair(a, b, doing)
    units = read_units(clusters, first.n, doing)
    differences = second.means - first.means
    interval, method = difference_interval(first, second, units, confidence, rng, resamples)
    only_a = only_b = None
    if _is_table(first, second):
        only_a, only_b = int((differences < 0).sum()), int((differences > 0).sum())
    if only_a is not None and only_b is not None and units.are_problems:
        p_value, p_method = mcnemar(only_a, only_b), "exact McNemar"
    else:
        p_value, p_method = swap_p_value(differences, units, rng, resamples), "sign-swap permutation"
    delta = float(differences.mean())
    return PairedEstimate(delta, *interval, p_value, only_a, only_b, first.n, method, p_method)


def _is_table(first: Samples, second: Samples) -> bool:
    """Say whether the outcomes are a two-by-two table: one sample of 0 or 1 a problem."""
    return first.is_single and second.is_single and first.is_binary and second.is_binary


def difference_interval(
    first: Samples, second: Samples, units: Units, confidence: float, rng: Rng, resamples: int
) -> tuple[Interval, str]:
    """Return the interval of the mean difference and how it was made."""
    differences = second.means - first.means
    if _is_table(first, second) and units.are_problems:
        only_a, only_b = int((differences < 0).sum()), int((differences > 0).sum())
        return tango(only_a, only_b, first.n, confidence), "Tango"
    if first.is_binary and second.is_binary:
        most = min(first.n_samples, second.n_samples)
        return effective_tango(differences, units, most, confidence)
    # Turned so that the mean is positive: swapping the systems then mirrors the interval exactly.
    sign = -1.0 if differences.mean() < 0 else 1.0
    ends, method = bootstrap_t(sign * differences, units, confidence, rng, resamples, symmetric=True)
    return Interval(*sorted((sign * ends.low, sign * ends.high))), f"paired {method}"


def effective_tango(
    differences: FloatArray, units: Units, most: int, confidence: float
) -> tuple[Interval, str]:
    """Return Tango's interval for differences of shares, one a problem, when units are drawn.

    Problems count for as many as ``effective_problems`` says. Under 30 units the quantile is Student's t.

    Simulated coverage of the 95 % interval in 60 settings (2 or 8 samples, accuracies .1 to .95, gains 0 to
    .1, difficulties of the two systems unrelated to equal): 91.3 to 98.4 % with 30 problems, 93 to 97 % in 9
    of 10 settings; 93.2 to 95.9 % with 200. With 30 problems the plain paired t interval has 88.3 to 98.4 %,
    the BCa bootstrap 85 to 95 % and the studentised one 87 to 96 %, because few problems tell two systems
    apart and all three take the spread from those alone.

    Args:
        differences: One a problem.
        units: What is drawn.
        most: Samples of the system that has fewer, a limit to the effective number.
        confidence: Of the interval.
    """
    only_a, only_b = np.maximum(-differences, 0).mean(), np.maximum(differences, 0).mean()
    n = effective_problems(differences, units, most)
    is_few = units.n < _FEW_UNITS
    quantile = two_sided_t(confidence, units.n - 1) if is_few else two_sided_normal(confidence)
    low, high = tango_ends(only_a * n, only_b * n, n, quantile)
    few = f", t with {units.n - 1} df" if is_few else ""
    return Interval(float(low), float(high)), f"Tango, effective n{units.describe()}{few}"


def effective_problems(differences: FloatArray, units: Units, most: int) -> float:
    """Return how many single samples would give the mean of ``differences`` the variance that is observed.

    This is the effective sample size of survey statistics. With one sample a problem it is the number of
    problems; where units show no variance at all it is their number.
    """
    only_a, only_b = np.maximum(-differences, 0).mean(), np.maximum(differences, 0).mean()
    single = only_a + only_b - (only_b - only_a) ** 2
    # The variance of units as they are: the factor G/(G-1) would make single samples fewer than they are.
    observed = standard_error(differences, units) ** 2 * (units.n - 1) / units.n
    return min(single / observed, most) if observed > 1e-15 else units.n
