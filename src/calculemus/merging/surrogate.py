"""Quadratics through an activation: what a score is over coefficients, fitted to few of its values."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calculemus.errors import InvalidParameterError

Array = NDArray[np.float64]
Activation = Literal["sigmoid", "softplus", "identity"]
"""Of shares, of losses, and of what may be any number."""


@dataclass(frozen=True)
class Quadratic:
    """The function act(c'Ac / 2 + b'c + e).

    Attributes:
        matrix: A, symmetric.
        vector: b.
        constant: e.
        activation: What is applied to the quadratic.
    """

    matrix: Array
    vector: Array
    constant: float
    activation: Activation = "sigmoid"

    def __call__(self, points: Array) -> Array:
        """Return the values at (point, coefficient) points."""
        inside = np.einsum("pi,ij,pj->p", points, self.matrix, points) / 2 + points @ self.vector
        return _activate(inside + self.constant, self.activation)


@dataclass(frozen=True)
class QuadraticFit:
    """A quadratic that was fitted.

    Attributes:
        quadratic: It.
        left_out: For each point what a fit without it would have said; none where it alone settles a part of
            the fit.
    """

    quadratic: Quadratic
    left_out: tuple[float | None, ...]

    def mean_error(self, values: Array) -> float | None:
        """Return the mean distance of values from what fits without them say; None where none can."""
        known = [
            abs(said - v) for said, v in zip(self.left_out, values.tolist(), strict=True) if said is not None
        ]
        return sum(known) / len(known) if known else None


def n_unknowns(n: int) -> int:
    """Return how many numbers a quadratic in n coefficients has, the least of points to fit it to.

    Example:
        >>> [n_unknowns(n) for n in (1, 2, 3, 8)]
        [3, 6, 10, 45]
    """
    return (n + 1) * (n + 2) // 2


def fit_quadratic(
    points: Array, values: Array, activation: Activation = "sigmoid", ridge: float = 0.0
) -> QuadraticFit:
    """Fit a quadratic by least squares, behind the inverse of its activation.

    Args:
        points: (point, coefficient).
        values: Of the score at each; for the sigmoid between 0 and 1, for softplus above 0.
        activation: What is applied to the quadratic.
        ridge: Added to the diagonal of the normal equations, but for the constant.

    Raises:
        InvalidParameterError: There are fewer points than unknowns, a value that the activation does not
            have, or points on which several quadratics agree and no ridge to choose one.
    """
    n_points, n = points.shape
    if n_points < n_unknowns(n):
        raise InvalidParameterError(
            f"fitting a quadratic in {n} coefficients: there are {n_points} points; expected {n_unknowns(n)} "
            "or more. Try more merges"
        )
    inside = _invert(values, activation)
    design = _features(points)
    penalty = ridge * np.eye(design.shape[1])
    penalty[0, 0] = 0.0
    normal = design.T @ design + penalty
    if np.linalg.matrix_rank(normal) < len(normal):
        raise InvalidParameterError(
            f"fitting a quadratic in {n} coefficients: the {n_points} points do not tell all quadratics "
            "apart; expected points in general position. Draw others, or give a ridge"
        )
    solved = np.linalg.solve(normal, design.T)
    found = solved @ inside
    leverage = np.einsum("pi,ip->p", design, solved)
    left_out = [
        float(_activate(np.array(x - (x - said) / (1 - share)), activation)) if share < 1 - 1e-9 else None
        for x, said, share in zip(inside, design @ found, leverage, strict=True)
    ]
    return QuadraticFit(_quadratic(found, n, activation), tuple(left_out))


def _features(points: Array) -> Array:
    """Return 1, each coefficient, half of each square, and each product of two."""
    n = points.shape[1]
    pairs = [points[:, i] * points[:, j] for i in range(n) for j in range(i + 1, n)]
    return np.column_stack([np.ones(len(points)), points, points**2 / 2, *pairs])


def _quadratic(found: Array, n: int, activation: Activation) -> Quadratic:
    matrix = np.diag(found[1 + n : 1 + 2 * n])
    places = [(i, j) for i in range(n) for j in range(i + 1, n)]
    for (i, j), factor in zip(places, found[1 + 2 * n :], strict=True):
        matrix[i, j] = matrix[j, i] = factor
    return Quadratic(matrix, found[1 : 1 + n], float(found[0]), activation)


def _activate(inside: Array, activation: Activation) -> Array:
    if activation == "sigmoid":
        return np.exp(-np.logaddexp(0, -inside))
    return np.logaddexp(0, inside) if activation == "softplus" else inside


def _invert(values: Array, activation: Activation) -> Array:
    high = 1.0 if activation == "sigmoid" else math.inf
    is_inside = np.isfinite(values) if activation == "identity" else (values > 0) & (values < high)
    if not is_inside.all():
        raise InvalidParameterError(
            f"fitting a quadratic through {activation}: a value is {values[~is_inside][0]:g}; expected "
            f"values between 0 and {high:g}. Move shares of 0 and 1 inwards by half a problem"
        )
    if activation == "sigmoid":
        return np.log(values) - np.log1p(-values)
    return values + np.log(-np.expm1(-values)) if activation == "softplus" else values
