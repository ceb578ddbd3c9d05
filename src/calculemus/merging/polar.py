"""Coefficients by length and direction, and where among them to try next."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[np.float64]
Place = tuple[int, ...]
"""A bin: which third of the lengths, and which half of each angle."""

_RADII = (0.2, 0.8)  # public code of MAP, for coefficients up to 1
_N_RADII = 3
_N_ANGLES = 2


@dataclass(frozen=True)
class Bins:
    """Parts of the space of coefficients that are not negative.

    Attributes:
        n: How many coefficients there are.
        most: The largest one; lengths are from 0.2 to 0.8 of it.
    """

    n: int
    most: float = 1.0

    def at_random(self, draws: Generator) -> Place:
        """Return a bin, each as likely as another."""
        return (int(draws.integers(_N_RADII)), *draws.integers(_N_ANGLES, size=self.n - 1).tolist())

    def draw(self, place: Place, draws: Generator) -> Array:
        """Return coefficients of a bin."""
        low, high = (self.most * end for end in _RADII)
        radius = low + (high - low) * (place[0] + draws.uniform()) / _N_RADII
        angles = (np.array(place[1:]) + draws.uniform(size=self.n - 1)) / _N_ANGLES * np.pi / 2
        return radius * direction(angles)

    def of(self, point: Array) -> Place:
        """Return the bin of coefficients; the nearest one of those that are too short or too long."""
        low, high = (self.most * end for end in _RADII)
        radius = int(np.clip((np.linalg.norm(point) - low) / (high - low) * _N_RADII, 0, _N_RADII - 1))
        angles = np.clip(angles_of(point) / (np.pi / 2) * _N_ANGLES, 0, _N_ANGLES - 1).astype(int)
        return (radius, *angles.tolist())

    def choose(
        self, points: Array, errors: Array, size: int, temperature: float, draws: Generator
    ) -> list[Place]:
        """Return bins to try next: the more likely, the larger and the more uneven the errors in them.

        A bin is worth mean + std / 2 of the errors of its points; one without points as much as the worst.
        Bins are drawn by the softmax of what they are worth.

        Args:
            points: (point, coefficient) that were tried.
            errors: Of each; NaN where unknown.
            size: How many bins.
            temperature: Of the softmax.
            draws: Where chance comes from.
        """
        found: dict[Place, list[float]] = {}
        for point, error in zip(points, errors.tolist(), strict=True):
            if np.isfinite(error):
                found.setdefault(self.of(point), []).append(error)
        places = [tuple(place) for place in np.ndindex(_N_RADII, *[_N_ANGLES] * (self.n - 1))]
        worth = {place: float(np.mean(some) + np.std(some) / 2) for place, some in found.items()}
        worst = max(worth.values(), default=0.0)
        values = np.array([worth.get(place, worst) for place in places]) / temperature
        chances = np.exp(values - values.max())
        return [places[i] for i in draws.choice(len(places), size, p=chances / chances.sum()).tolist()]


def direction(angles: Array) -> Array:
    """Return the unit vector of angles, each from 0 to a right angle: none of its numbers is negative.

    Example:
        >>> direction(np.array([0.0, 1.0])).tolist()
        [1.0, 0.0, 0.0]
    """
    sines = np.concatenate([[1.0], np.cumprod(np.sin(angles))])
    return sines * np.concatenate([np.cos(angles), [1.0]])


def angles_of(point: Array) -> Array:
    """Return the angles of a vector whose numbers are not negative; see ``direction``."""
    return np.array([np.arctan2(np.linalg.norm(point[i + 1 :]), point[i]) for i in range(len(point) - 1)])
