"""Figures of merges: accuracy relative to the experts, and what the base's abilities lost.

Source: He et al. 2025, arXiv:2505.10833: normalised performance is that of the merged model over that of the
task's expert, averaged over tasks.
"""

from collections.abc import Mapping

import numpy as np

from calculemus.errors import InvalidParameterError
from calculemus.rng import Rng
from calculemus.stats import Estimate, PairedEstimate, compare, mean
from calculemus.tuning.tasks import Score

Scores = Mapping[str, Score]
"""For each task what a model is worth on it."""
FEWEST_RIGHT = 5
"""Of what is divided by: with fewer right answers its own noise is as large as itself."""


def check_experts(experts: Scores) -> None:
    """See that there is something to relate accuracies to.

    Raises:
        InvalidParameterError: An expert solves so few problems that a ratio would be noise.
    """
    for name, score in experts.items():
        if sum(score.outcomes.values()) < FEWEST_RIGHT:
            raise InvalidParameterError(
                f"relating accuracies to experts: the expert of '{name}' has {score.estimate}; expected "
                f"{FEWEST_RIGHT} right answers at least. Train that expert longer, or leave its task out"
            )


def normalised(scores: Scores, experts: Scores, rng: Rng) -> Estimate:
    """Return the mean over tasks of accuracy over the expert's, with its 95 % interval.

    The interval is the bootstrap over problems, the same for both models, on the mean's linear part: a
    problem of task t with figures m and e counts as ``(m - R_t e) / accuracy of the expert`` around the ratio
    ``R_t``, which is the delta method for a ratio.

    Raises:
        InvalidParameterError: An expert's accuracy is 0 within noise.
    """
    check_experts(experts)
    n = sum(len(score.outcomes) for score in experts.values())
    ratios = {name: scores[name].accuracy / expert.accuracy for name, expert in experts.items()}
    centre = sum(ratios.values()) / len(ratios)
    values: list[float] = []
    for name, expert in experts.items():
        # A task counts as much as any other, however many problems it has.
        weight = n / len(experts) / len(expert.outcomes) / expert.accuracy
        values += [
            centre + weight * (scores[name].outcomes[unit] - ratios[name] * figure)
            for unit, figure in sorted(expert.outcomes.items())
        ]
    found = mean(np.array(values), rng=rng, resamples=2000)
    return Estimate(centre, found.low, found.high, n, n, f"{found.method}, delta method")


def forgetting(scores: Scores, base: Scores, rng: Rng) -> PairedEstimate | None:
    """Return how much accuracy on the base's abilities is gone; None where none were measured.

    Each problem counts alike. Below 0, abilities were gained.
    """
    units = [(name, unit) for name in sorted(base) for unit in sorted(base[name].outcomes)]
    if not units:
        return None
    before = [base[name].outcomes[unit] for name, unit in units]
    after = [scores[name].outcomes[unit] for name, unit in units]
    return compare(after, before, rng=rng, resamples=2000)
