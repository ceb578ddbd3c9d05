"""One run's verdicts, counted along the problem set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calculemus.problems.problemset import ProblemSet
from calculemus.verdict import OUTCOMES, Outcome

Counts = NDArray[np.int32]
Table = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """How many of a run's samples have each outcome, for every problem of the set.

    Attributes:
        counts: One row for each problem, one column for each outcome in the order of ``OUTCOMES``.
    """

    counts: Counts

    @classmethod
    def count(cls, problems: ProblemSet, outcomes: Sequence[tuple[str, int, str]]) -> "Scores":
        """Count what a store returns: problem id, sample and outcome."""
        place = {problem.id: index for index, problem in enumerate(problems)}
        column = {outcome: index for index, outcome in enumerate(OUTCOMES)}
        counts = np.zeros((len(problems), len(OUTCOMES)), dtype=np.int32)
        for problem_id, _, outcome in outcomes:
            counts[place[problem_id], column[outcome]] += 1
        return cls(counts)

    @classmethod
    def placed(cls, n: int, outcomes: Iterable[tuple[int, str, int]]) -> "Scores":
        """Count over ``n`` problems what a store has counted: position, outcome and number of samples."""
        column = {outcome: index for index, outcome in enumerate(OUTCOMES)}
        counts = np.zeros((n, len(OUTCOMES)), dtype=np.int32)
        for position, outcome, samples in outcomes:
            counts[position, column[outcome]] += samples
        return cls(counts)

    @property
    def answered(self) -> Flags:
        """Which problems have a graded sample."""
        return self.counts.sum(axis=1) > 0

    def on(self, problems: Flags) -> "Scores":
        """Return the part on the problems marked."""
        return Scores(self.counts[problems])

    def total(self, outcome: Outcome) -> int:
        """Return how many samples have an outcome."""
        return int(self.counts[:, OUTCOMES.index(outcome)].sum())

    def table(self) -> Table:
        """Return 1 for a correct sample, 0 for another, NaN for none: one row a problem.

        A problem without any sample is one wrong sample. The order of samples within a problem is not kept;
        no figure of a comparison depends on it.
        """
        n = np.maximum(self.counts.sum(axis=1), 1)
        correct = self.counts[:, OUTCOMES.index("correct")]
        places = np.arange(n.max())
        return np.where(places < n[:, None], np.where(places < correct[:, None], 1.0, 0.0), np.nan)
