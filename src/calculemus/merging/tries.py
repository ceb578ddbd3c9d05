"""Merges that were tried: their coefficients, what they are worth, and the trade-offs among them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calculemus.merging.calibration import Trial
from calculemus.merging.fronts import not_dominated

if TYPE_CHECKING:
    from calculemus.tuning.blending import Blend
    from calculemus.tuning.tasks import Split

Array = NDArray[np.float64]
Score = Callable[[Array], Array]
"""Takes the coefficients of a merge; gives what it is worth in each respect, from 0 to 1."""


@dataclass(frozen=True)
class Tried:
    """Merges that were measured.

    Attributes:
        points: (merge, coefficient).
        scores: (merge, task).
    """

    points: Array
    scores: Array

    def join(self, other: "Tried") -> "Tried":
        """Return both."""
        return Tried(np.vstack([self.points, other.points]), np.vstack([self.scores, other.scores]))

    @property
    def best(self) -> "Tried":
        """Those that no other one beats in every score."""
        kept = not_dominated(self.scores)
        return Tried(self.points[kept], self.scores[kept])

    def preferred(self, preference: Array) -> int:
        """Return the merge with the highest mean score, weighted by preference."""
        return int((self.scores @ preference).argmax())


@dataclass(frozen=True)
class Front:
    """What MAP found.

    Attributes:
        measured: Trade-offs that were measured; none beats another.
        predicted: (point, coefficient) trade-offs by the fits, most of them not measured.
        n_evaluations: How many scores of a merge on a task were taken.
        errors: For each task how far fits were off the merges that they had not seen, on average; None where
            there were too few merges to tell.
        r_squared: Share of the variance of what was measured behind the fits that these predicted, over all
            tasks; None where nothing varied.
    """

    measured: Tried
    predicted: Array
    n_evaluations: int
    errors: tuple[float | None, ...] = ()
    r_squared: float | None = None


@dataclass
class Counted:
    """Scores, and how many of them were asked for.

    Attributes:
        score: Of one merge.
        n: How many numbers it has given.
    """

    score: Score
    n: int = field(default=0)

    def __call__(self, points: Array) -> Tried:
        """Measure (merge, coefficient) merges."""
        scores = np.array([self.score(point) for point in points])
        self.n += scores.size
        return Tried(points, scores)


def score_of(trial: Trial, blend: "Blend | None" = None, split: "Split" = "dev") -> Score:
    """Return what measures a merge of a trial's models by its coefficients, in memory."""
    import torch

    made = blend or trial.blend()

    def score(coefficients: Array) -> Array:
        found = trial.measure(made.weights(torch.tensor(coefficients, dtype=torch.float32)[None]), split)
        return np.array([found[task.name].accuracy for task in trial.tasks])

    return score


def r_squared(promised: Array, measured: Array) -> float | None:
    """Return the share of the variance of what was measured that was promised; None where nothing varied."""
    variance = ((measured - measured.mean(axis=0)) ** 2).sum()
    return float(1 - ((measured - promised) ** 2).sum() / variance) if variance else None
