"""The mean of models whose linear layers answer to their own inputs as they did before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from calculemus.errors import CheckpointMismatchError
from calculemus.merging.base import Numbers, Part, TensorMerge
from calculemus.merging.linear import check_sum
from calculemus.params import Between

Matrix = NDArray[np.float64]
RIDGE = 1e-6
"""Of the mean of a Gram matrix's diagonal; where no input ever reaches, the mean of the models stays."""


@dataclass(frozen=True)
class GramMean(TensorMerge):
    """Give each linear layer the weights that best do what each model's own did to its own inputs.

    These are the sum of W_i G_i times the inverse of the sum of the G_i, for weights W_i of shape (out, in)
    and Gram matrices G_i of the inputs, which are read beside the tensor in the models' order. All other
    tensors are averaged.

    Source: Jin et al. 2023, arXiv:2212.09849, section 3, equation 2.

    Attributes:
        shrink: What the Gram matrices' numbers off the diagonal are multiplied by (alpha).
    """

    locality: ClassVar = "tensor"
    is_ordered: ClassVar[bool] = True

    shrink: Annotated[float, Between(0, 1)] = 0.9

    def check_weights(self, name: str, weights: Sequence[float]) -> None:
        """See that there is a sum to divide by."""
        check_sum("regmean", name, weights)

    def merge(self, part: Part, found: Any) -> Numbers:
        """Solve for a linear layer's weights; take the mean of any other tensor."""
        held = [extra for extra in part.extras if extra is not None]
        if len(held) < len(part.inputs):
            total = part.weighted(part.inputs)
            return total / total.dtype.type(sum(part.weights))
        n_in = part.shape[-1]
        grams = [
            w * _gram(part, extra, n_in, self.shrink) for w, extra in zip(part.weights, held, strict=True)
        ]
        layers = [numbers.reshape(-1, n_in).astype(np.float64) for numbers in part.inputs]
        return solve(layers, grams).astype(part.inputs[0].dtype).ravel()


def solve(layers: Sequence[Matrix], grams: Sequence[Matrix]) -> Matrix:
    """Return the (out, in) matrix that is nearest to all layers, each by its Gram matrix."""
    wanted = np.sum([layer @ gram for layer, gram in zip(layers, grams, strict=True)], axis=0)
    return np.linalg.solve(np.sum(grams, axis=0), wanted.T).T


def shrunk(gram: Matrix, shrink: float) -> Matrix:
    """Return a Gram matrix with what is off its diagonal made smaller, and a ridge on the diagonal."""
    diagonal = np.diag(gram)
    ridge = RIDGE * (diagonal.mean() or 1.0)
    return shrink * gram + np.diag((1 - shrink) * diagonal + ridge)


def _gram(part: Part, extra: Numbers, n_in: int, shrink: float) -> Matrix:
    if extra.size != n_in * n_in:
        raise CheckpointMismatchError(
            f"merging '{part.name}': its layer takes {n_in} inputs, and the Gram matrix has {extra.size} "
            f"numbers; expected {n_in * n_in}. Collect the matrices again, with these models"
        )
    return shrunk(extra.reshape(n_in, n_in).astype(np.float64), shrink)
