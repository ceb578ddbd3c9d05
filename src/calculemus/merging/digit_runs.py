"""What the claims that train readers of digits of their own share; see ``contest`` for families as units."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import nn

from calculemus.checkpoint import Checkpoint
from calculemus.claim import Lab, Measured
from calculemus.merging import contest
from calculemus.merging.base import TensorMerge
from calculemus.merging.plan import plan_merge
from calculemus.rng import Rng
from calculemus.tiny.digit_family import batches
from calculemus.tiny.digits import DigitTask
from calculemus.tuning.fitting import Fit, fit_through
from calculemus.tuning.tasks import Score, Split
from calculemus.tuning.weights import Weights, carrying, weights_of, write_weights

N_FAMILIES = {"smoke": 2, "small": 10}


def by_family(lab: Lab, measured: Callable[[int], float]) -> Measured:
    """Return one figure of an arm a family, of as many families as the lab's size asks for."""
    return contest.by_family(lab, N_FAMILIES.get(lab.size, N_FAMILIES["small"]), measured)


def fine_tuned(start: nn.Module, task: DigitTask, fit: Fit, rng: Rng) -> Weights:
    """Return what a model's weights become when a copy of it learns a task whose head stays."""
    model = copy.deepcopy(start)
    fit_through(model, batches(task, rng), task.loss, fit)
    return weights_of(model)


def accuracy(model: nn.Module, weights: Weights, task: DigitTask, split: Split = "test") -> float:
    """Return the share of a task's images that a model with some weights reads right."""
    with carrying(model, weights):
        return Score(task.outcomes(model, split)).accuracy


def merged(method: TensorMerge, base: Checkpoint, models: Sequence[Weights]) -> Weights:
    """Return the weights of a merge of models that were never written."""
    with TemporaryDirectory() as folder:
        written = [write_weights(weights, Path(folder) / str(i)) for i, weights in enumerate(models)]
        return contest.weights_of_plan(plan_merge(method, written, base if method.needs_base else None))
