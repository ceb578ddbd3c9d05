"""AdaMerging: coefficients of task vectors, learnt from how unsure the merged model is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor

from calculemus.events import note
from calculemus.merging.base import TensorMerge
from calculemus.merging.calibration import Calibrated, CalibratedMerge, Trial
from calculemus.merging.elected import ElectedSum
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.plan import plan_merge
from calculemus.merging.task_arithmetic import TaskArithmetic
from calculemus.params import AtLeast, Between
from calculemus.tuning.blending import Blend, each_tensor, one_group
from calculemus.tuning.entropy import Uncertainty
from calculemus.tuning.weights import Weights

BETAS = (0.9, 0.999)  # of Adam; paper, section 4.1
_KEPT = 20


@dataclass(frozen=True)
class AdaMerging(CalibratedMerge):
    """Learn one coefficient for each task vector, or for each of its tensors, on inputs without labels.

    Source: Yang et al. 2023, arXiv:2310.02575, sections 3.2 and 3.3. What the paper calls a layer is a tensor
    with a name of its own, as in the public code, which also keeps coefficients in [0, 1]. The paper learns
    on the test inputs themselves; here it is on inputs that the task draws, other than those it is measured
    with. The paper has no guard against a batch of one class: ``least_classes=1`` takes ours away.

    Attributes:
        per: What has a coefficient of its own: a ``task``, or each ``layer`` of each task.
        trim: First trim the task vectors and drop what an election of signs went against (AdaMerging++).
        density: Share of a task vector that trimming leaves.
        start: All coefficients before the first step (lambda).
        steps: Of Adam.
        lr: Of Adam.
        n_rows: Inputs of each task in a step.
        least_classes: Batches of which fewer classes are predicted are not learned from.
    """

    quick: ClassVar[Mapping[str, Any]] = {"steps": 20}

    per: Literal["task", "layer"] = "layer"
    trim: bool = False
    density: Annotated[float, Between(0, 1, open_left=True)] = 0.2  # as TIES; paper, section 3.2
    start: Annotated[float, Between(0, 1)] = 0.3  # paper, section 4.1
    steps: Annotated[int, AtLeast(0)] = 500  # public code
    lr: Annotated[float, AtLeast(0)] = 1e-3  # paper, section 4.1
    n_rows: Annotated[int, AtLeast(1)] = 16  # paper, section 4.1
    least_classes: Annotated[int, AtLeast(1)] = 2

    def calibrate(self, trial: Trial) -> Calibrated:
        """Learn the coefficients.

        Raises:
            InvalidParameterError: The merged model never predicted more than one class of a batch.
            CheckpointMismatchError: The models are not of one make.
        """
        group = each_tensor if self.per == "layer" else one_group
        method = ElectedSum(self.density) if self.trim else TaskArithmetic(scale=1.0)
        tuned = _alone(method, trial) if self.trim else trial.tuned_weights
        blend = Blend(trial.model, trial.base_weights, tuned, group)
        coefficients, record = self._learn(trial, blend)
        rows = dict(zip(blend.groups, coefficients.tolist(), strict=True))
        return Calibrated(method, {name: rows[group(name)] for name in trial.base_weights}, (), record)

    def _learn(self, trial: Trial, blend: Blend) -> tuple[Tensor, dict[str, Any]]:
        """Return (group, model) coefficients, and what the search saw."""
        uncertainty = Uncertainty(trial.tasks, self.n_rows, self.least_classes)
        coefficients, losses = blend.start(self.start), list[float]()
        adam = torch.optim.Adam([coefficients], lr=self.lr, betas=BETAS)
        for step in range(self.steps):
            loss, coefficients.grad = blend.gradient(
                coefficients, uncertainty.draw(trial.rng.child("rows", step))
            )
            losses.append(loss)
            adam.step()
            coefficients.clamp_(0, 1)
        uncertainty.check("learning coefficients by AdaMerging")
        at_end = float(((coefficients == 0) | (coefficients == 1)).float().mean())
        if at_end == 1:
            note("adamerging: all coefficients came to lie at 0 or 1, the ends of what is allowed")
        return coefficients, {
            "entropy": _thinned(losses),
            "batches": uncertainty.n_batches,
            "collapsed": uncertainty.n_collapsed,
            "at_an_end": at_end,
        }


def _alone(method: TensorMerge, trial: Trial) -> list[Weights]:
    """Return the base with each model's part of a merge alone."""
    found = list[Weights]()
    for chosen in range(len(trial.models)):
        weights = [float(model == chosen) for model in range(len(trial.models))]
        plan = plan_merge(method, trial.models, trial.base, weights=weights, dtype="float32")
        merged = merge_in_memory(plan)
        found.append({name: torch.from_numpy(numbers) for name, numbers in merged.items()})
    return found


def _thinned(losses: Sequence[float]) -> list[float]:
    """Return the first loss, the last, and a few between."""
    step = max(1, len(losses) // _KEPT)
    return [*losses[:-1:step], *losses[-1:]]
