"""Statistics: every figure with its interval, what it rests on, and how it was made.

Outcomes are tables ``x[problem, sample]``, NaN where a sample is missing, with an optional cluster id for
each problem. Systems are compared on the same problems; all draws come from a given ``Rng``; no result
depends on the order of the problems.
"""

from calculemus.stats.attempts import maj_at_k, pass_at_k, pass_at_k_mean
from calculemus.stats.bayes import beta_posterior, probability_better
from calculemus.stats.estimate import Estimate, Interval, PairedEstimate
from calculemus.stats.many import benjamini_hochberg, holm, separable_groups
from calculemus.stats.paired import compare
from calculemus.stats.pareto import FrontPoint, pareto
from calculemus.stats.permutation import mcnemar, permutation_test
from calculemus.stats.power import (
    problems_needed,
    problems_needed_unpaired,
    visible_gain,
    visible_gain_unpaired,
)
from calculemus.stats.proportion import accuracy, proportion
from calculemus.stats.resample import mean
from calculemus.stats.tango import tango

__all__ = [
    "Estimate",
    "FrontPoint",
    "Interval",
    "PairedEstimate",
    "accuracy",
    "benjamini_hochberg",
    "beta_posterior",
    "compare",
    "holm",
    "maj_at_k",
    "mcnemar",
    "mean",
    "pareto",
    "pass_at_k",
    "pass_at_k_mean",
    "permutation_test",
    "probability_better",
    "problems_needed",
    "problems_needed_unpaired",
    "proportion",
    "separable_groups",
    "tango",
    "visible_gain",
    "visible_gain_unpaired",
]
