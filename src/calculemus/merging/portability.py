"""Whether a patch still fits a base that has moved on: how far it moved, and how the patch lies to that."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint import Checkpoint, TaskVector
from calculemus.events import note
from calculemus.merging.base import Numbers, Part

FAR = 0.3
"""Beyond this share of its length a base has moved far: small models lost a fifth of the patch there."""


@dataclass(frozen=True, slots=True)
class Portability:
    """How a patch lies to the way that its base went; lengths are shares of the old base's.

    Attributes:
        drift: Length of the way from the old base to the new one.
        size: Length of the patch.
        cosine: Of the angle between both; NaN where one of them is zero.
    """

    drift: float
    size: float
    cosine: float

    @property
    def correction(self) -> float:
        """What training on the new base would change of the patch: of second order, drift times size.

        Source: Khan et al. 2024, arXiv:2410.10870, which drops this term as small.
        """
        return self.drift * self.size

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know before trusting the patched model."""
        found = []
        if self.drift > FAR:
            found.append(
                f"the new base lies {self.drift:.2f} of the old one's length away from it; small models "
                f"lost much of their patches beyond {FAR:g}. Train the patch again, or measure the model"
            )
        if not self.size:
            found.append("the patch changes nothing: its two models are the same")
        return tuple(found)


@dataclass
class Moving:
    """Collects, over a whole model, what ``Portability`` is made of; ``note`` tells its warnings.

    Takes parts whose base is the new base and whose models are the tuned one and the old base.
    """

    products: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, 3)))

    def take(self, part: Part) -> None:
        """Add a run of numbers."""
        tuned, old = part.inputs
        self.add(part.base - old, tuned - old, old)

    def add(self, way: Numbers, patch: Numbers, old: Numbers) -> None:
        """Add the products of a run: of the base's way, the patch, and the old base."""
        rows = np.stack([way, patch, old]).astype(np.float64)
        self.products += rows @ rows.T

    def is_complete(self) -> bool:
        """Say that one pass is enough, and tell what a user should know."""
        for warning in self.portability().warnings:
            note(warning)
        return True

    def portability(self) -> Portability:
        """Return what was found."""
        way, patch, old = np.sqrt(np.diag(self.products)).tolist()
        cosine = float(self.products[0, 1]) / (way * patch) if way and patch else math.nan
        return Portability(_share(way, old), _share(patch, old), cosine)


def _share(length: float, whole: float) -> float:
    return length / whole if whole else math.inf if length else 0.0


def portability(new: Checkpoint, tuned: Checkpoint, old: Checkpoint) -> Portability:
    """Return how a patch, ``tuned - old``, lies to the way from the old base to a new one.

    Reads each model once; the patch may be an adapter on the old base (``checkpoint.with_adapter``).

    Raises:
        CheckpointMismatchError: The models do not have the same tensors.
        CheckpointError: A file ends early.
    """
    way, patch = TaskVector.between(new, old), TaskVector.between(tuned, old)
    moving = Moving()
    for name in patch.names:
        for runs in zip(way.pieces(name), patch.pieces(name), old.pieces(name), strict=True):
            moving.add(*runs)
    return moving.portability()
