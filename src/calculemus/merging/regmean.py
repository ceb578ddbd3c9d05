"""RegMean: merging linear layers by the least squares of what they do to their own inputs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from calculemus.errors import InvalidParameterError
from calculemus.merging.calibration import Calibrated, CalibratedMerge, Trial
from calculemus.merging.gram_mean import GramMean, shrunk, solve
from calculemus.params import AtLeast, Between
from calculemus.tuning.tasks import Task
from calculemus.tuning.weights import Weights, carrying


@dataclass(frozen=True)
class RegMean(CalibratedMerge):
    """Merge each linear layer so that it does to each model's inputs what that model's layer does.

    Source: Jin et al. 2023, arXiv:2212.09849, section 3 and algorithm 1. Layers are those that torch calls
    ``Linear``; a head that is tied to the embeddings is averaged like them. A Gram matrix is the mean over
    inputs here, so that each task counts alike whatever the length of its inputs. RegMean++
    (arXiv:2508.03121) looks at what a layer gets from the merged layers before it; ``through_merged`` chooses
    it, at a pass over the inputs for each layer.

    Attributes:
        n_inputs: Of each task.
        shrink: What a Gram matrix's numbers off the diagonal are multiplied by (alpha).
        through_merged: Collect the inputs of a layer behind the merged layers before it.
    """

    quick: ClassVar[Mapping[str, Any]] = {"n_inputs": 16}

    n_inputs: Annotated[int, AtLeast(1)] = 256
    shrink: Annotated[float, Between(0, 1)] = 0.9  # paper, section 4.3
    through_merged: bool = False

    def calibrate(self, trial: Trial) -> Calibrated:
        """Collect the Gram matrices of each model on its own task.

        Raises:
            InvalidParameterError: There is not one task for each model, or the model has no linear layer.
        """
        pairs = list(trial.pairs("collecting Gram matrices"))
        layers = [name for name in linear_layers(trial.model) if name in trial.base_weights]
        if not layers:
            raise InvalidParameterError(
                f"merging by RegMean: {type(trial.model).__name__} has no layer of torch.nn.Linear; expected "
                "some. Merge it by linear"
            )
        collect = self._through_merged if self.through_merged else self._through_own
        grams = collect(trial, pairs, layers)
        record = {"inputs": self.n_inputs, "layers": len(layers)}
        return Calibrated(GramMean(self.shrink), {}, grams, record)

    def _through_own(
        self, trial: Trial, pairs: Sequence[tuple[Weights, Task]], layers: Sequence[str]
    ) -> list[Weights]:
        return [self._collect(trial, weights, task, layers) for weights, task in pairs]

    def _through_merged(
        self, trial: Trial, pairs: Sequence[tuple[Weights, Task]], layers: Sequence[str]
    ) -> list[Weights]:
        """Go through the layers in their order; merge each before the next is looked at."""
        found = [dict[str, Tensor]() for _ in pairs]
        merged = {
            name: torch.stack([weights[name] for weights, _ in pairs]).mean(dim=0)
            for name in trial.base_weights
            if name not in layers
        }
        for layer in layers:
            for grams, (weights, task) in zip(found, pairs, strict=True):
                grams |= self._collect(trial, {**weights, **merged}, task, [layer])
            matrices = [shrunk(grams[layer].double().numpy(), self.shrink) for grams in found]
            weights = [own[layer].double().numpy() for own, _ in pairs]
            merged[layer] = torch.from_numpy(solve(weights, matrices)).float()
        return list(found)

    def _collect(
        self, trial: Trial, weights: Weights, task: Task, layers: Sequence[str]
    ) -> dict[str, Tensor]:
        """Return the Gram matrix of the inputs of each layer, as the mean over the task's inputs."""
        rng, grams = trial.rng.child("regmean", task.name), dict[str, Tensor]()
        with carrying(trial.model, weights), watching(trial.model, layers, grams), torch.no_grad():
            for i in range(self.n_inputs):
                # One at a time: there is no padding that would count as an input.
                task.logits(trial.model, task.batch(1, rng.child(i)))
        return {name: (gram / self.n_inputs).float() for name, gram in grams.items()}


def linear_layers(model: nn.Module) -> list[str]:
    """Return the names of the weights of all linear layers, in the model's order."""
    return [f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)]


@contextmanager
def watching(model: nn.Module, layers: Sequence[str], grams: dict[str, Tensor]) -> Iterator[None]:
    """Add up the Gram matrices of what linear layers get; stop watching behind the block."""
    modules: Mapping[str, nn.Module] = dict(model.named_modules())

    def adder(name: str) -> Callable[..., None]:
        def add(module: nn.Module, args: tuple[Any, ...]) -> None:
            inputs = args[0].detach().flatten(0, -2).double()
            grams[name] = grams.get(name, torch.zeros(())) + inputs.T @ inputs

        return add

    hooks = [modules[name.removesuffix(".weight")].register_forward_pre_hook(adder(name)) for name in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
