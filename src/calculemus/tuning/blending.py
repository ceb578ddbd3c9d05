"""Models that are a base and a sum of task vectors, each times a coefficient; and gradients on those.

    blend = Blend(model, base, [adder, multiplier])
    loss, gradient = blend.gradient(coefficients, lambda call: entropy(call(inputs)))

The gradient on a coefficient is one ordinary backward pass and a dot product: the graph does not go through
the models that are blended. Source: the chain rule on theta = theta_0 + sum of lambda_t tau_t.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.tuning.weights import Weights, check_fits

Call = Callable[..., Any]
"""Runs a model on its arguments."""
Group = Callable[[str], str]
"""Names the group that a tensor belongs to; the tensors of a group share their coefficients."""


def one_group(name: str) -> str:
    """Have all tensors share one coefficient a model."""
    return "*"


def each_tensor(name: str) -> str:
    """Give each tensor coefficients of its own."""
    return name


class Blend:
    """All the models base + sum of coefficient times task vector.

    Args:
        model: Of their make; its own weights are not looked at and not changed.
        base: Weights of the base.
        tuned: Weights of each model that was made from it.
        group: Which tensors share coefficients.

    Attributes:
        groups: Names of the groups, in order.
        n_models: How many task vectors there are.

    Raises:
        InvalidParameterError: There is no tuned model.
        CheckpointMismatchError: Tensors are missing, or have other shapes.
    """

    def __init__(
        self, model: nn.Module, base: Weights, tuned: Sequence[Weights], group: Group = one_group
    ) -> None:
        if not tuned:
            raise InvalidParameterError(
                "blending models: there is none; expected at least one beside the base"
            )
        check_fits(model, base, "blending models")
        for number, weights in enumerate(tuned, 1):
            if {n: w.shape for n, w in weights.items()} != {n: w.shape for n, w in base.items()}:
                raise CheckpointMismatchError(
                    f"blending models: model {number} does not have the tensors of the base; expected models "
                    "of one make"
                )
        self._model = model
        self._base = dict(base)
        self._vectors = [{name: weights[name] - base[name] for name in base} for weights in tuned]
        self.groups = list(dict.fromkeys(group(name) for name in base))
        self._group_of = {name: self.groups.index(group(name)) for name in base}
        self.n_models = len(tuned)

    def vector(self, model: int) -> Weights:
        """Return a task vector."""
        return self._vectors[model]

    def start(self, value: float) -> Tensor:
        """Return (group, model) coefficients that are all the same."""
        return torch.full((len(self.groups), self.n_models), value)

    def weights(self, coefficients: Tensor, masks: Sequence[Weights] | None = None) -> dict[str, Tensor]:
        """Return the weights of a blend.

        Args:
            coefficients: (group, model).
            masks: For each model what its task vector is multiplied by, element by element; None for 1.
        """
        merged = {}
        for name, at_base in self._base.items():
            row = coefficients[self._group_of[name]]
            total = at_base.clone()
            for model, vector in enumerate(self._vectors):
                part = vector[name] if masks is None else vector[name] * masks[model][name]
                total = total + row[model] * part
            merged[name] = total
        return merged

    def call(self, weights: Weights) -> Call:
        """Return what runs the model with some weights."""
        return lambda *args, **kwargs: functional_call(self._model, dict(weights), args, kwargs)

    def gradient(self, coefficients: Tensor, loss: Callable[[Call], Tensor]) -> tuple[float, Tensor]:
        """Return a loss and its gradient on the coefficients, (group, model)."""
        value, gradients = self.weight_gradient(self.weights(coefficients), loss)
        out = torch.zeros_like(coefficients)
        for name, gradient in gradients.items():
            for model, vector in enumerate(self._vectors):
                out[self._group_of[name], model] += torch.sum(gradient * vector[name])
        return value, out

    def weight_gradient(
        self, weights: Weights, loss: Callable[[Call], Tensor]
    ) -> tuple[float, dict[str, Tensor]]:
        """Return a loss and its gradient on each weight that has a part in it."""
        leaves = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
        value = loss(self.call(leaves))
        found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
        return float(value.detach()), {
            name: gradient for name, gradient in zip(leaves, found, strict=True) if gradient is not None
        }
