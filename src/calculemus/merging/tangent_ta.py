"""Task arithmetic in the tangent space: training a model's linear approximation in the place of the model."""

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.utils._pytree import tree_map

from calculemus.errors import InvalidParameterError
from calculemus.params import AtLeast, Configured
from calculemus.tuning.fitting import Batch, Fit, Loss, fit_through
from calculemus.tuning.weights import Weights, weights_of


class Linearized(nn.Module):
    """A model's first-order Taylor polynomial in its weights, around those it has now.

    f_lin(x; theta) = f(x; theta_0) + J(x) (theta - theta_0), the Jacobian J taken at theta_0; one product of
    it with a vector gives both. Dropout is off and buffers stay as they are, in training too.

    Args:
        model: Copied, twice.

    Attributes:
        moving: Holds the weights theta, under the model's own names; it is never run.
        start: The model at theta_0.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.moving = copy.deepcopy(model)
        self.start = copy.deepcopy(model).requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "Linearized":
        """Set the mode of this module alone: the model inside stays as it is for use."""
        del mode
        return super().train(False)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the polynomial's value.

        Raises:
            InvalidParameterError: The model has a step without derivatives in forward mode.
        """
        at = dict(self.start.named_parameters())
        moved = {name: weight - at[name] for name, weight in self.moving.named_parameters()}

        def run(weights: dict[str, Tensor]) -> Any:
            return functional_call(self.start, weights, args, kwargs)

        try:
            with warnings.catch_warnings():
                # On its first use torch compiles parts of itself in a way that it has since deprecated.
                warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
                value, change = jvp(run, (at,), (moved,))  # type: ignore[misc]  # a pair, without has_aux
        except (NotImplementedError, RuntimeError) as error:
            if "forward" not in str(error):
                raise
            raise InvalidParameterError(
                f"linearising {type(self.start).__name__}: {str(error).splitlines()[0]:.200}; expected steps "
                "with derivatives in forward mode. Open the model with attn_implementation='eager', and "
                "without steps that write in place"
            ) from error
        return tree_map(torch.add, value, change)


@dataclass(frozen=True)
class TangentTaskArithmetic(Configured):
    """Fine-tune a model's linear approximation; the task vectors are added like any others.

    Source: Ortiz-Jimenez et al. 2023, arXiv:2305.12827, section 4, and its appendix for the settings. The
    weights that come out can be used in the linear model, which is what the claim is about, or in the model
    itself.

    Attributes:
        steps: Of the optimiser, AdamW.
        lr: Highest rate. It falls in a straight line, where the paper's follows a cosine.
        weight_decay: Of matrices.
        warmup: Steps.

    Example:
        >>> tuned = TangentTaskArithmetic().train(model, batches, task.loss)      # doctest: +SKIP
        >>> task_vector = {name: tuned[name] - base[name] for name in base}       # doctest: +SKIP
    """

    steps: Annotated[int, AtLeast(0)] = 2000  # paper, appendix
    lr: Annotated[float, AtLeast(0)] = 1e-5  # paper, appendix
    weight_decay: Annotated[float, AtLeast(0)] = 0.1  # paper, appendix
    warmup: Annotated[int, AtLeast(1)] = 200  # paper, appendix

    def train(
        self, model: nn.Module, batches: Iterator[Sequence[Batch]], loss: Loss[Linearized, Batch]
    ) -> dict[str, Tensor]:
        """Return the weights of the linear model behind its training; the model itself stays as it was.

        Args:
            model: Where the approximation is taken.
            batches: What each step learns from.
            loss: Of one batch; it is called with the linear model.
        """
        linear = Linearized(model)
        fit = Fit(
            steps=self.steps,
            optimizer="adamw",
            lr=self.lr,
            weight_decay=self.weight_decay,
            warmup=self.warmup,
            cooldown=1.0,
        )
        fit_through(linear, batches, loss, fit)
        return weights_of(linear.moving)


def moved(base: Weights, vectors: Sequence[Weights], coefficients: Sequence[float]) -> dict[str, Tensor]:
    """Return the base with task vectors added, each times its coefficient."""
    return {
        name: weight + sum(c * vector[name] for c, vector in zip(coefficients, vectors, strict=True))
        for name, weight in base.items()
    }


def disentanglement_error(
    predict: Callable[[Weights, int], Tensor],
    base: Weights,
    vectors: Sequence[Weights],
    coefficients: Sequence[float],
) -> float:
    """Return how much task vectors disturb each other: the error xi of the paper, section 3.

    It is the sum over tasks of the share of a task's inputs of which the model with all task vectors says
    something else than the model with the task's own alone.

    Args:
        predict: Gives what a model with some weights says of each input of a task.
        base: What the vectors are added to.
        vectors: One for each task.
        coefficients: One for each vector.
    """
    together = moved(base, vectors, coefficients)
    error = 0.0
    for task, (vector, coefficient) in enumerate(zip(vectors, coefficients, strict=True)):
        alone = moved(base, [vector], [coefficient])
        error += float((predict(alone, task) != predict(together, task)).double().mean())
    return error
