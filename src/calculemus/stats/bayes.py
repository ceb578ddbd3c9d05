"""Posteriors with Jeffreys' prior, for people who have few problems and want a probability."""

from calculemus.errors import StatisticsError
from calculemus.stats.checks import check_confidence, whole
from calculemus.stats.estimate import Estimate
from calculemus.stats.quantiles import beta_below, beta_quantile


def beta_posterior(correct: int, n: int, confidence: float = 0.95) -> Estimate:
    """Return mean and central interval of the posterior of a share: Beta(correct + 1/2, wrong + 1/2).

    Raises:
        StatisticsError: Counts that are none.

    Example:
        >>> print(beta_posterior(9, 10))
        86.4% [61.9, 98.9] (n=10, Jeffreys)
    """
    doing = "beta_posterior"
    check_confidence(confidence, doing)
    n = whole(n, "the number of problems", 1, doing)
    correct = whole(correct, "the number of correct problems", 0, doing)
    if correct > n:
        raise StatisticsError(f"{doing}: {correct} of {n} problems are correct; expected at most {n}")
    a, b = correct + 0.5, n - correct + 0.5
    tail = (1 - confidence) / 2
    return Estimate(a / (a + b), beta_quantile(tail, a, b), beta_quantile(1 - tail, a, b), n, n, "Jeffreys")


def probability_better(only_a: int, only_b: int) -> float:
    """Return the posterior probability that ``b`` is better than ``a`` on the same problems.

    Of the problems that tell the two apart, b's share is Beta(only_b + 1/2, only_a + 1/2); b is better where
    it exceeds one half.

    Raises:
        StatisticsError: Counts that are none.

    Example:
        >>> round(probability_better(5, 15), 3)
        0.989
    """
    doing = "probability_better"
    only_a = whole(only_a, "the number that only a solved", 0, doing)
    only_b = whole(only_b, "the number that only b solved", 0, doing)
    return beta_below(0.5, only_a + 0.5, only_b + 0.5)
