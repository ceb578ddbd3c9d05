"""Concrete subspace learning: a shared soft mask that lets task vectors disturb each other least."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor

from calculemus.merging.adamerging import BETAS
from calculemus.merging.calibration import Calibrated, CalibratedMerge, Trial
from calculemus.merging.masked_sum import Granularity, MaskedSum, n_covered
from calculemus.merging.shared_mask import SharedMask
from calculemus.params import AtLeast, Between
from calculemus.tuning.blending import Blend, Call, each_tensor
from calculemus.tuning.entropy import Uncertainty


@dataclass(frozen=True)
class Concrete(CalibratedMerge):
    """Learn a mask over all weights, shared by the tasks, without labels; merge what it lets through.

    In each step a mask is drawn. Around learnt coefficients (Concrete AdaMerging) these take a step under it
    first; then the logits of the mask take one. Both follow the entropy of what the merged model predicts.

    Source: Tang et al. 2023, arXiv:2312.06173, section 3 and algorithm 1; steps, rates and the division by a
    tensor's mean are those of the public code. There a mask is drawn for the merged model; here the chances
    themselves are the mask, so that the model is the same every time: ``evaluation`` chooses.

    Attributes:
        around: What merges the masked task vectors: one fixed coefficient, or one for each tensor of each
            task, learnt together with the mask.
        scale: The coefficient; where they are learnt, all of them before the first step (lambda).
        temperature: Of the relaxed coins.
        steps: Of Adam.
        lr: Of the mask's logits.
        coefficient_lr: Of the coefficients.
        n_rows: Inputs of each task in a step.
        granularity: What has a logit of its own: each weight costs as much memory as a further model.
        block_size: Numbers of a block.
        evaluation: The merged model's mask: the ``expected`` one, or one that is ``drawn``.
        least_classes: Batches of which fewer classes are predicted are not learned from.
    """

    quick: ClassVar[Mapping[str, Any]] = {"steps": 20}

    around: Literal["task_arithmetic", "adamerging"] = "task_arithmetic"
    scale: Annotated[float, Between(0, 1)] = 0.3  # public code
    temperature: Annotated[float, Between(0, 100, open_left=True)] = 0.5  # public code
    steps: Annotated[int, AtLeast(0)] = 2000  # public code, around task arithmetic; 1000 around AdaMerging
    lr: Annotated[float, AtLeast(0)] = 1e-3  # public code
    coefficient_lr: Annotated[float, AtLeast(0)] = 1e-3  # public code
    n_rows: Annotated[int, AtLeast(1)] = 16  # public code
    granularity: Granularity = "element"
    block_size: Annotated[int, AtLeast(1)] = 64
    evaluation: Literal["expected", "drawn"] = "expected"
    least_classes: Annotated[int, AtLeast(1)] = 2

    def calibrate(self, trial: Trial) -> Calibrated:
        """Learn the mask, and where they are wanted the coefficients.

        Raises:
            InvalidParameterError: The merged model never predicted more than one class of a batch, or the
                mask of a tensor let nothing through.
            CheckpointMismatchError: The models are not of one make.
        """
        blend = trial.blend(each_tensor)
        mask = SharedMask(trial.base_weights, self._covered, self.temperature)
        coefficients, record = self._learn(trial, blend, mask)
        with torch.no_grad():
            chances = mask.expected()
            is_drawn = self.evaluation == "drawn"
            extra = mask.rescaled(mask.draw(trial.rng.child("evaluation")) if is_drawn else chances)
        rows = dict(zip(blend.groups, coefficients.tolist(), strict=True))
        method = MaskedSum(granularity=self.granularity, block_size=self.block_size)
        return Calibrated(method, rows, (extra,), record)

    def _covered(self, shape: tuple[int, ...]) -> int:
        return n_covered(self.granularity, self.block_size, shape)

    def _learn(self, trial: Trial, blend: Blend, mask: SharedMask) -> tuple[Tensor, dict[str, Any]]:
        """Learn a mask in place; return (tensor, model) coefficients, and what the search saw."""
        uncertainty = Uncertainty(trial.tasks, self.n_rows, self.least_classes)
        coefficients, losses = blend.start(self.scale), list[float]()
        inner = torch.optim.Adam([coefficients], lr=self.coefficient_lr, betas=BETAS)
        outer = torch.optim.Adam(list(mask.logits.values()), lr=self.lr, betas=BETAS)
        for step in range(self.steps):
            loss = uncertainty.draw(trial.rng.child("rows", step))
            drawn = mask.whole(mask.rescaled(mask.draw(trial.rng.child("mask", step))))
            if self.around == "adamerging":
                coefficients.grad = coefficient_gradient(blend, coefficients, drawn, loss)
                inner.step()
                coefficients.clamp_(0, 1)
            losses.append(_set_mask_gradient(blend, coefficients, mask, drawn, loss))
            outer.step()
        uncertainty.check("learning a mask by Concrete")
        record = {
            "entropy": [losses[0], losses[-1]] if losses else [],
            "batches": uncertainty.n_batches,
            "collapsed": uncertainty.n_collapsed,
        }
        return coefficients, record


def coefficient_gradient(
    blend: Blend, coefficients: Tensor, drawn: Mapping[str, Tensor], loss: Callable[[Call], Tensor]
) -> Tensor:
    """Return the gradient on (tensor, model) coefficients of task vectors under a mask."""
    _, gradients = _on_weights(blend, coefficients, drawn, loss)
    out = torch.zeros_like(coefficients)
    for row, name in enumerate(blend.groups):
        if name in gradients:
            masked = gradients[name] * drawn[name].detach()
            for model in range(blend.n_models):
                out[row, model] = torch.sum(masked * blend.vector(model)[name])
    return out


def mask_gradient(
    blend: Blend, coefficients: Tensor, drawn: Mapping[str, Tensor], loss: Callable[[Call], Tensor]
) -> tuple[float, dict[str, Tensor]]:
    """Return a loss, and its gradient on each value of a mask."""
    value, gradients = _on_weights(blend, coefficients, drawn, loss)
    on_mask = {name: torch.zeros_like(values) for name, values in drawn.items()}
    for row, name in enumerate(blend.groups):
        if name in gradients:
            rows = coefficients[row].tolist()
            vectors = [blend.vector(model)[name] for model in range(blend.n_models)]
            total = sum((c * v for c, v in zip(rows, vectors, strict=True)), torch.zeros(()))
            on_mask[name] = gradients[name] * total
    return value, on_mask


def _on_weights(
    blend: Blend, coefficients: Tensor, drawn: Mapping[str, Tensor], loss: Callable[[Call], Tensor]
) -> tuple[float, dict[str, Tensor]]:
    fixed = {name: values.detach() for name, values in drawn.items()}
    return blend.weight_gradient(blend.weights(coefficients, [fixed] * blend.n_models), loss)


def _set_mask_gradient(
    blend: Blend,
    coefficients: Tensor,
    mask: SharedMask,
    drawn: Mapping[str, Tensor],
    loss: Callable[[Call], Tensor],
) -> float:
    """Give the logits of a mask their gradient, through the numbers that were drawn; return the loss."""
    value, on_mask = mask_gradient(blend, coefficients, drawn, loss)
    names = list(drawn)
    found = torch.autograd.grad(
        [drawn[name] for name in names], [mask.logits[name] for name in names], [on_mask[n] for n in names]
    )
    for name, gradient in zip(names, found, strict=True):
        mask.logits[name].grad = gradient
    return value
