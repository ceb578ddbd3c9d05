"""Training: one loop for every model that is trained here, whatever it learns.

    for record in fitting(model, batches, loss, Fit(steps=300, lr=1e-3)):
        ...

The gradient of a step is that of the mean over all that its batches hold, however it is cut into batches.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from calculemus.params import AtLeast, Between, Configured

Model = TypeVar("Model", bound=nn.Module)
Batch = TypeVar("Batch")
Loss = Callable[[Model, Batch], tuple[Tensor, int]]
"""Gives the loss of a batch, summed over all that is learned, and how much that is."""


@dataclass(frozen=True)
class Fit(Configured):
    """How to train, and how long.

    The rate rises for ``warmup`` steps, stays, and falls to zero over the last ``cooldown`` share of them, so
    that a longer run goes through the same weights as a shorter one until that one cools down. Training in
    stages, each with a rate that rises and falls anew, is one fit after another.

    Attributes:
        steps: Steps of the optimiser.
        optimizer: ``muon`` for the matrices inside the layers with AdamW for the rest, or ``adamw`` for all.
        lr: Highest rate of AdamW.
        matrix_lr: Highest rate of Muon, scaled as for AdamW.
        weight_decay: Of matrices.
        warmup: Steps.
        cooldown: Share of the steps.
        clip: Largest norm of a gradient.
    """

    steps: Annotated[int, AtLeast(0)] = 1000
    optimizer: Literal["muon", "adamw"] = "muon"
    lr: Annotated[float, AtLeast(0)] = 3e-3
    matrix_lr: Annotated[float, AtLeast(0)] = 1e-2
    weight_decay: Annotated[float, AtLeast(0)] = 0.05
    warmup: Annotated[int, AtLeast(1)] = 50
    cooldown: Annotated[float, Between(0, 1)] = 0.3
    clip: Annotated[float, AtLeast(0)] = 1.0

    def rate(self, step: int) -> float:
        """Return the share of the highest rate at a step."""
        left = (self.steps - step) / (self.steps * self.cooldown) if self.cooldown else 1.0
        return min(1.0, (step + 1) / self.warmup, left)


@dataclass(frozen=True, slots=True)
class Record:
    """What one step saw.

    Attributes:
        step: Counted from 1.
        loss: Mean over all that the step learned from.
        seconds: Since the start, all runs of an interrupted training together.
    """

    step: int
    loss: float
    seconds: float


def fitting(
    model: Model,
    batches: Iterator[Sequence[Batch]],
    loss: Loss[Model, Batch],
    fit: Fit,
    *,
    only: Callable[[str], bool] | None = None,
    state: dict[str, Any] | None = None,
    until: int | None = None,
) -> Iterator[Record]:
    """Train a model in place; yield a record a step.

    Args:
        model: Changed.
        batches: What each step learns from, from the first step that is to be taken on.
        loss: Of one batch.
        fit: How.
        only: Says of a parameter's name whether it is trained; all that want gradients if not given.
        state: Filled, before each record, with what ``fitting`` needs to go on from there; where it is not
            empty, training goes on from it. The model's own weights are the caller's to keep.
        until: Stop after this step; the fit's last if not given.
    """
    state = {} if state is None else state
    with _frozen(model, only):
        optimizers = _optimizers(model, fit)
        for optimizer, saved in zip(optimizers, state.get("optimizers", []), strict=False):
            optimizer.load_state_dict(saved)
        start = state.get("step", 0)
        begun = time.perf_counter() - state.get("seconds", 0.0)
        model.train()
        for step in range(start, fit.steps if until is None else min(until, fit.steps)):
            mean = _learn(model, next(batches), loss, optimizers, fit, fit.rate(step))
            seconds = time.perf_counter() - begun
            state.update(step=step + 1, seconds=seconds)
            state["optimizers"] = [optimizer.state_dict() for optimizer in optimizers]
            yield Record(step + 1, mean, seconds)
    model.eval()


def fit_through(
    model: Model,
    batches: Iterator[Sequence[Batch]],
    loss: Loss[Model, Batch],
    fit: Fit,
    only: Callable[[str], bool] | None = None,
) -> list[float]:
    """Train a model in place to the end; return the loss of each step."""
    return [record.loss for record in fitting(model, batches, loss, fit, only=only)]


@contextmanager
def _frozen(model: nn.Module, only: Callable[[str], bool] | None) -> Iterator[None]:
    """Keep parameters that are not to be trained out of the gradient."""
    kept = [
        weight
        for name, weight in model.named_parameters()
        if only is not None and weight.requires_grad and not only(name)
    ]
    for weight in kept:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in kept:
            weight.requires_grad_(True)


def _optimizers(model: nn.Module, fit: Fit) -> list[torch.optim.Optimizer]:
    inside, matrices, vectors = [], [], []
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            is_inside = weight.dim() == 2 and ".layers." in name and fit.optimizer == "muon"
            (inside if is_inside else matrices if weight.dim() > 1 else vectors).append(weight)
    groups = [
        {"params": matrices, "weight_decay": fit.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=fit.lr, betas=(0.9, 0.95), fused=True)
    if not inside:
        return [adam]
    muon = torch.optim.Muon(
        inside,
        lr=fit.matrix_lr,
        weight_decay=fit.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    return [adam, muon]


def _learn(
    model: Model,
    parts: Sequence[Batch],
    loss: Loss[Model, Batch],
    optimizers: Sequence[torch.optim.Optimizer],
    fit: Fit,
    rate: float,
) -> float:
    """Take one step on the mean loss over all parts; return it."""
    total, n_learned = 0.0, 0
    for part in parts:
        summed, n = loss(model, part)
        summed.backward()
        total += summed.item()
        n_learned += n
    wanted = [weight for weight in model.parameters() if weight.grad is not None]
    for weight in wanted:
        assert weight.grad is not None
        weight.grad /= n_learned
    nn.utils.clip_grad_norm_(wanted, fit.clip)
    highest = [fit.lr, fit.matrix_lr]
    for optimizer, lr in zip(optimizers, highest, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = lr * rate
        optimizer.step()
        optimizer.zero_grad()
    return total / n_learned
