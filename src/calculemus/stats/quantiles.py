"""Quantiles and tails, to full double precision.

``scipy.special`` takes a quarter of a second to import and ``scipy.stats`` most of one, so the first is
imported where it is used and the second nowhere.
"""

from statistics import NormalDist


def normal_quantile(share: float) -> float:
    """Return the point below which a standard normal variable falls with probability ``share``."""
    return NormalDist().inv_cdf(share)


def two_sided_normal(confidence: float) -> float:
    """Return the half-width of a central normal interval, in standard deviations."""
    return normal_quantile((1 + confidence) / 2)


def two_sided_t(confidence: float, freedom: int) -> float:
    """Return the half-width of a central interval of Student's t with ``freedom`` degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))


def beta_quantile(share: float, a: float, b: float) -> float:
    """Return the point below which a Beta(a, b) variable falls with probability ``share``."""
    from scipy.special import betaincinv

    return float(betaincinv(a, b, share))


def beta_below(x: float, a: float, b: float) -> float:
    """Return the probability that a Beta(a, b) variable falls below ``x``."""
    from scipy.special import betainc

    return float(betainc(a, b, x))
