"""Several tries at a problem: the chance that one of k is right, and that a vote of k is."""

import math
from collections.abc import Hashable, Sequence

import numpy as np

from calculemus.errors import StatisticsError
from calculemus.rng import Rng
from calculemus.stats.checks import check_confidence, whole
from calculemus.stats.estimate import Estimate
from calculemus.stats.proportion import mean_share
from calculemus.stats.resample import RNG
from calculemus.stats.samples import Clusters, FloatArray, read_units
from calculemus.stats.vote import Ballot, counted_share, drawn_share, read_ballot


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Return the chance that at least one of ``k`` samples is right, from ``n`` of which some are.

    The unbiased estimate 1 - C(n - correct, k) / C(n, k): the share of all choices of k of the n samples that
    hold a right one. (1 - (1 - correct/n)^k would be biased low.)

    Raises:
        StatisticsError: ``k`` or ``correct`` exceeds ``n``.

    Example:
        >>> pass_at_k(n=4, correct=1, k=2)
        0.5
    """
    doing = "pass_at_k"
    n = whole(n, "the number of samples", 1, doing)
    correct = whole(correct, "the number of correct samples", 0, doing)
    k = whole(k, "k", 1, doing)
    if correct > n:
        raise StatisticsError(f"{doing}: {correct} of {n} samples are correct; expected at most {n}")
    if k > n:
        raise StatisticsError(f"{doing}: k is {k} and there are {n} samples; expected k of at most {n}")
    choices = math.comb(n, k)
    return (choices - math.comb(n - correct, k)) / choices


def pass_at_k_mean(
    counts: Sequence[tuple[int, int]],
    k: int,
    clusters: Clusters | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate the mean of ``pass_at_k`` over problems.

    With k = 1 it is the accuracy, and the interval is that of ``accuracy`` for several samples.

    Args:
        counts: For each problem (samples, correct samples).
        k: Samples that are chosen.
        clusters: For each problem the id of its group.
        confidence: Of the interval.

    Raises:
        StatisticsError: Fewer than 2 problems, or a problem with fewer than ``k`` samples.
    """
    doing = "pass_at_k_mean"
    _refuse_few(len(counts), doing)
    shares = np.array([pass_at_k(n, correct, k) for n, correct in counts])
    return _mean(shares, sum(n for n, _ in counts), clusters, confidence, doing)


def maj_at_k(
    groups: Sequence[Sequence[Hashable | None]],
    correct: Sequence[Sequence[bool]],
    k: int,
    weights: Sequence[Sequence[float]] | None = None,
    clusters: Clusters | None = None,
    confidence: float = 0.95,
    rng: Rng = RNG,
) -> Estimate:
    """Estimate the mean over problems of the chance that a vote of ``k`` samples is right.

    It is the expectation over all choices of k of a problem's samples, without replacement. The answer with
    the most votes, or the most weight, wins; t answers that tie share 1/t each; a vote in which nobody votes
    is wrong. Without weights it is exact, by counting. With weights it is exact for up to 20,000 choices a
    problem; beyond, 2,000 are drawn and the method states the Monte-Carlo error of the mean, which the
    interval holds already, because it is made of the spread of the problems' values.

    Args:
        groups: For each problem the class of each sample's answer, where equal answers share a class and None
            abstains.
        correct: For each problem whether each sample is right; a class is right or wrong as a whole.
        k: Samples that vote.
        weights: For each problem the weight of each sample's vote, at least 0.
        clusters: For each problem the id of its group.
        confidence: Of the interval.
        rng: Where draws come from.

    Raises:
        StatisticsError: Fewer than 2 problems, fewer than ``k`` samples, lists of different lengths, a class
            that is both right and wrong, or a weight below 0.

    Example:
        >>> votes = maj_at_k([["7", "7", "9"], ["3", None, "4"]], [[True, True, False], [True, False, False]], k=3)
        >>> votes.value
        0.75
    """  # noqa: E501  # doctest compares whole lines
    doing = "maj_at_k"
    k = whole(k, "k", 1, doing)
    _refuse_few(len(groups), doing)
    if len(correct) != len(groups) or (weights is not None and len(weights) != len(groups)):
        raise StatisticsError(
            f"{doing}: there are answers to {len(groups)} problems and verdicts on {len(correct)}"
            f"{'' if weights is None else f', weights for {len(weights)}'}; expected one list each a problem"
        )
    ballots = [
        read_ballot(groups[row], correct[row], None if weights is None else weights[row], k, row)
        for row in range(len(groups))
    ]
    shares, noise, drawn = _vote(ballots, k, rng)
    estimate = _mean(shares, sum(ballot.n for ballot in ballots), clusters, confidence, doing)
    if not drawn:
        return estimate
    stated = f"{estimate.method}, Monte-Carlo error {noise:.1g} in {drawn} of {len(groups)} problems"
    return Estimate(
        estimate.value, estimate.low, estimate.high, estimate.n_problems, estimate.n_samples, stated
    )


def _vote(ballots: Sequence[Ballot], k: int, rng: Rng) -> tuple[FloatArray, float, int]:
    """Return each problem's share, the standard error of their mean by drawing, and how many were drawn."""
    shares = np.empty(len(ballots))
    variance, drawn = 0.0, 0
    for row, ballot in enumerate(ballots):
        if ballot.weights is None:
            shares[row] = counted_share(ballot.right_sizes, ballot.wrong_sizes, ballot.abstaining, k)
            continue
        shares[row], error = drawn_share(ballot, k, rng)
        variance += error**2
        drawn += error > 0
    return shares, math.sqrt(variance) / len(ballots), drawn


def _refuse_few(n: int, doing: str) -> None:
    if n < 2:
        raise StatisticsError(f"{doing}: there are {n} problems; expected at least 2")


def _mean(
    shares: FloatArray, n_samples: int, clusters: Clusters | None, confidence: float, doing: str
) -> Estimate:
    check_confidence(confidence, doing)
    return mean_share(shares, n_samples, read_units(clusters, len(shares), doing), confidence)
