"""How unsure a model is of unlabelled inputs: the loss of merges that adapt themselves without labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from calculemus.errors import InvalidParameterError
from calculemus.rng import Rng
from calculemus.tuning.blending import Call
from calculemus.tuning.tasks import Task


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of each row of (row, class) logits, in nats."""
    logprobs = torch.log_softmax(logits, dim=-1)
    return -(logprobs.exp() * logprobs).sum(dim=-1)


@dataclass
class Uncertainty:
    """The mean entropy of predictions, summed over tasks, on batches that are drawn anew for each step.

    Entropy is least where a model says the same of everything. A batch of which too few classes are predicted
    is therefore not learned from.

    Attributes:
        tasks: What is predicted.
        n_rows: Of a batch.
        least_classes: Fewest classes that a batch must have among its predictions.
        n_batches: How many were looked at so far.
        n_collapsed: Of how many too few classes were predicted.
    """

    tasks: Sequence[Task]
    n_rows: int
    least_classes: int
    n_batches: int = field(default=0, init=False)
    n_collapsed: int = field(default=0, init=False)

    def draw(self, rng: Rng) -> Callable[[Call], Tensor]:
        """Return the loss on one batch of each task."""
        batches = [task.batch(self.n_rows, rng.child(task.name)) for task in self.tasks]

        def loss(call: Call) -> Tensor:
            pairs = zip(self.tasks, batches, strict=True)
            return torch.stack([self._of(task.logits(call, batch)) for task, batch in pairs]).sum()

        return loss

    def _of(self, logits: Tensor) -> Tensor:
        mean = entropy(logits).mean()
        is_collapsed = len(logits.argmax(dim=-1).unique()) < self.least_classes
        self.n_batches += 1
        self.n_collapsed += is_collapsed
        return mean * 0 if is_collapsed else mean  # the graph stays whole for what else there is

    def check(self, doing: str) -> None:
        """See that there was something to learn from.

        Raises:
            InvalidParameterError: Every batch had collapsed.
        """
        if self.n_batches and self.n_collapsed == self.n_batches:
            raise InvalidParameterError(
                f"{doing}: in all {self.n_batches} batches fewer than {self.least_classes} classes were "
                "predicted; expected inputs of several classes, since entropy alone rewards a model that "
                "says the same of all. Draw batches from more of the inputs, or larger ones"
            )
