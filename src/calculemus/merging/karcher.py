"""Karcher mean: the point of a sphere that is nearest to several models, as slerp is for two."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from calculemus.merging.base import Numbers, Part, TensorMerge, scaled
from calculemus.merging.gathering import Products
from calculemus.merging.linear import check_sum
from calculemus.params import AtLeast

_NOTHING = 1e-8
_BALANCED = 1e-12


@dataclass(frozen=True)
class Karcher(TensorMerge):
    """Take each tensor's mean direction on the sphere, and the mean of the lengths.

    Source: Karcher 1977, doi:10.1002/cpa.3160300502, for the mean; mergekit 0.1.5 for its use on models,
    there without weights. The mean is a sum of the models times factors, so that the search for it needs no
    more than their scalar products, once. Directions that balance out have no mean: there the weighted sum
    stays.

    Attributes:
        max_steps: Most steps of the search; with 0 it is the direction of the mean of unit vectors, which
            is what mergekit's ``multislerp`` comes to.
    """

    max_steps: Annotated[int, AtLeast(0)] = 100

    def check_weights(self, name: str, weights: Sequence[float]) -> None:
        """See that there is a sum to divide by."""
        check_sum("karcher", name, weights)

    def gather(self) -> Products:
        """Sum the products of the tensors."""
        return Products(lambda part: part.inputs)

    def merge(self, part: Part, found: Products) -> Numbers:
        """Add up the tensors by their factors in the mean."""
        weights = np.array(part.weights) / sum(part.weights)
        factors = mean_factors(found.sums, weights, self.max_steps)
        first, *others = map(scaled, part.inputs, factors.tolist())
        return sum(others, start=first)


def mean_factors(
    products: NDArray[np.float64], weights: NDArray[np.float64], max_steps: int
) -> NDArray[np.float64]:
    """Return the factors of vectors in their mean on the sphere, times the mean of their lengths."""
    lengths = np.sqrt(np.diag(products))
    is_some = lengths > 0
    if not is_some.any():
        return weights
    lengths_or_1 = np.where(is_some, lengths, 1.0)
    cosines = products / np.outer(lengths_or_1, lengths_or_1)
    shares = np.where(is_some, weights, 0.0)
    if abs(shares.sum()) < _NOTHING or shares @ cosines @ shares < _BALANCED:
        return weights
    mean = _on_sphere(shares / shares.sum(), cosines)
    for _ in range(max_steps):
        step = _tangent(mean, shares / shares.sum(), cosines)
        length = float(np.sqrt(max(0.0, step @ cosines @ step)))
        if length < _NOTHING:
            break
        mean = _on_sphere(np.cos(length) * mean + np.sin(length) * step / length, cosines)
    return float(weights @ lengths) * mean / lengths_or_1


def _on_sphere(factors: NDArray[np.float64], cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    return factors / np.sqrt(factors @ cosines @ factors)


def _tangent(
    mean: NDArray[np.float64], shares: NDArray[np.float64], cosines: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the weighted mean of the ways from the mean to each vector, by the factors of the vectors."""
    towards = np.clip(cosines @ mean, -1, 1)
    angles = np.arccos(towards)
    # numpy's sinc(x) is sin(pi x) / (pi x); from the opposite point there is no shortest way.
    stretch = np.divide(shares, np.sinc(angles / np.pi), out=np.zeros_like(shares), where=towards > -1)
    return stretch - (stretch @ towards) * mean
