"""Linear merging: the weighted mean of models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calculemus.errors import InvalidParameterError
from calculemus.merging.base import Numbers, Part, TensorMerge

_NOTHING = 1e-8


@dataclass(frozen=True)
class Linear(TensorMerge):
    """Take the weighted mean of the models, a "soup" where they were trained from one base.

    Source: Wortsman et al. 2022, arXiv:2203.05482, section 2: the uniform soup; its greedy one, which looks
    at data, is not here. Weights that sum to 0 are refused, where other tools divide by it.

    Attributes:
        normalize: Divide by the sum of the weights; otherwise it is a weighted sum.
    """

    normalize: bool = True

    def check_weights(self, name: str, weights: Sequence[float]) -> None:
        """See that there is a sum to divide by."""
        if self.normalize:
            check_sum("linear", name, weights)

    def merge(self, part: Part, found: Any) -> Numbers:
        """Add the weighted models up."""
        merged = part.weighted(part.inputs)
        return merged / merged.dtype.type(sum(part.weights)) if self.normalize else merged


def check_sum(doing: str, name: str, weights: Sequence[float]) -> None:
    """See that weights can be divided by their sum.

    Raises:
        InvalidParameterError: It is 0, or nearly.
    """
    total = sum(weights)
    if abs(total) < _NOTHING:
        raise InvalidParameterError(
            f"{doing}: the weights of '{name}' sum to {total:g}; expected another sum to divide by. Change "
            "the weights, or merge by linear with normalize=false"
        )
