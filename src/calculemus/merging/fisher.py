"""Fisher merging: a mean of models that trusts each where it is sure of itself."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from calculemus.merging.calibration import Calibrated, CalibratedMerge, Trial
from calculemus.merging.fisher_mean import FisherMean
from calculemus.params import AtLeast, Between
from calculemus.rng import Rng
from calculemus.tuning.blending import Blend, Call
from calculemus.tuning.tasks import Task
from calculemus.tuning.weights import Weights


@dataclass(frozen=True)
class Fisher(CalibratedMerge):
    """Weight each number of each model by its diagonal Fisher information, and take the mean.

    The information is that of the posterior's normal approximation: how fast the model's own predictions
    change with the number, squared, in the mean over inputs. Labels are drawn from the model, so none are
    read.

    Source: Matena and Raffel 2022, arXiv:2111.09832, section 3.2. The paper sums over all labels where there
    are few; here one is drawn for each answer, as it does where there are many. The floor, and the division
    of each model's information by its norm, are those of public code for merging many tasks: a model that is
    sure of everything does not outvote the others.

    Attributes:
        n_inputs: Of each task, one gradient each.
        floor: Least information of a number, after division by the norm.
        normalize: Divide the information of each model by its norm.
    """

    quick: ClassVar[Mapping[str, Any]] = {"n_inputs": 16}

    n_inputs: Annotated[int, AtLeast(1)] = 256
    floor: Annotated[float, Between(0, 1, open_left=True)] = 1e-6
    normalize: bool = True

    def calibrate(self, trial: Trial) -> Calibrated:
        """Estimate the information of each model on its own task.

        Raises:
            InvalidParameterError: There is not one task for each model.
        """
        blend, extras = trial.blend(), list[Weights]()
        for weights, task in trial.pairs("estimating Fisher information"):
            rng = trial.rng.child("fisher", task.name)
            found = diagonal_fisher(blend, weights, task, self.n_inputs, rng)
            extras.append(_normalized(found) if self.normalize else found)
        return Calibrated(FisherMean(self.floor), {}, extras, {"inputs": self.n_inputs})


def diagonal_fisher(blend: Blend, weights: Weights, task: Task, n_inputs: int, rng: Rng) -> dict[str, Tensor]:
    """Return the mean square of each weight's gradient of the log-probability of labels that the model draws.

    Args:
        blend: Runs the model.
        weights: Of the model.
        task: Gives inputs; those of an LM must be prompts.
        n_inputs: How many.
        rng: Names the draws of inputs and of labels.
    """
    total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for i in range(n_inputs):
        batch = task.batch(1, rng.child("input", i))

        def logprob(call: Call, batch: object = batch, i: int = i) -> Tensor:
            logprobs = torch.log_softmax(task.logits(call, batch), dim=-1)
            labels = drawn_labels(logprobs.detach(), rng.child("label", i))
            return logprobs.gather(1, labels[:, None]).sum()

        _, gradients = blend.weight_gradient(weights, logprob)
        for name, gradient in gradients.items():
            total[name] += gradient.square() / n_inputs
    return total


def drawn_labels(logprobs: Tensor, rng: Rng) -> Tensor:
    """Return a label for each row of (row, class) log-probabilities, drawn by them."""
    reached = logprobs.double().exp().cumsum(dim=1)
    uniform = torch.from_numpy(rng.generator().random((len(logprobs), 1)))
    return torch.searchsorted(reached, uniform * reached[:, -1:], right=True).squeeze(1)


def _normalized(found: Weights) -> dict[str, Tensor]:
    norm = math.sqrt(sum(float(values.double().square().sum()) for values in found.values()))
    return {name: values / norm if norm else values for name, values in found.items()}
