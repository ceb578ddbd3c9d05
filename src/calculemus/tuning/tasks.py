"""Tasks: what models that are merged are good at, drawn from without labels and measured with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from calculemus.rng import Rng
from calculemus.stats import Estimate, proportion
from calculemus.tuning.blending import Call

Split = Literal["dev", "test"]


class Task(Protocol):
    """One thing that a model can be good at."""

    @property
    def name(self) -> str:
        """Of the task."""
        ...

    def batch(self, n: int, rng: Rng) -> Any:
        """Draw inputs without their labels."""
        ...

    def logits(self, call: Call, batch: Any) -> Tensor:
        """Return (row, class) what a model says of a batch, at every place where it has to answer."""
        ...

    def outcomes(self, model: nn.Module, split: Split) -> Mapping[str, float]:
        """Return 1 or 0 for each problem of a split: whether the model solves it."""
        ...


@dataclass(frozen=True, slots=True)
class Score:
    """What a model is worth on a task.

    Attributes:
        outcomes: For each problem 1 or 0.
    """

    outcomes: Mapping[str, float]

    @property
    def accuracy(self) -> float:
        """Share of the problems that were solved."""
        return sum(self.outcomes.values()) / len(self.outcomes)

    @property
    def estimate(self) -> Estimate:
        """The share with its 95 % interval, as ``stats.proportion`` gives it."""
        return proportion(round(sum(self.outcomes.values())), len(self.outcomes))


def mean_accuracy(scores: Mapping[str, Score]) -> float:
    """Return the mean over tasks, each counted alike."""
    return sum(score.accuracy for score in scores.values()) / len(scores)


def measure(model: nn.Module, tasks: Sequence[Task], split: Split) -> dict[str, Score]:
    """Return what a model is worth on each task."""
    return {task.name: Score(task.outcomes(model, split)) for task in tasks}
