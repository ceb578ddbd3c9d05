"""What stored task vectors are like: how long in which layer and part, and how they lie to each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calculemus.checkpoint import Checkpoint, Patch, TaskVector, sign_conflicts
from calculemus.checkpoint.bits import from_float32, to_float32
from calculemus.checkpoint.fingerprint import fingerprint
from calculemus.merging.layers import PARTS, address


@dataclass(frozen=True)
class VectorFacts:
    """What one task vector is like.

    Attributes:
        norm: Euclidean, of all numbers.
        by_layer: Norms of layers; None stands for what is outside of layers.
        by_part: Norms of parts, such as ``q`` or ``norm``.
        n_parameters: How many numbers it has.
    """

    norm: float
    by_layer: dict[int | None, float]
    by_part: dict[str, float]
    n_parameters: int


def describe(patch: Patch) -> VectorFacts:
    """Return what a stored task vector is like; reads all of it once.

    Raises:
        CheckpointError: The file ends early.
    """
    norms = patch.vector.norms()
    layers: dict[int | None, list[float]] = {}
    parts: dict[str, list[float]] = {}
    for name, norm in norms.items():
        at = address(name)
        layers.setdefault(at.layer, []).append(norm)
        parts.setdefault(at.part, []).append(norm)
    order = sorted(layers, key=lambda layer: -1 if layer is None else layer)
    return VectorFacts(
        math.hypot(*norms.values()),
        {layer: math.hypot(*layers[layer]) for layer in order},
        {part: math.hypot(*parts[part]) for part in PARTS if part in parts},
        patch.deltas.n_parameters,
    )


@dataclass(frozen=True)
class Between:
    """How task vectors lie to each other.

    Attributes:
        cosines: (vector, vector) of the angles; NaN beside one that is zero.
        conflicts: (vector, vector) share of numbers on whose sign they disagree, of those that one changes.
        together: The same share for all of them at once.
    """

    cosines: list[list[float]]
    conflicts: list[list[float]]
    together: float


def compare(vectors: Sequence[TaskVector], norms: Sequence[float]) -> Between:
    """Return how task vectors lie to each other.

    Args:
        vectors: Two or more.
        norms: Of each.

    Raises:
        CheckpointMismatchError: They have other tensors, or other shapes.
    """
    n = len(vectors)
    cosines = [[1.0 if norm else math.nan] * n for norm in norms]
    conflicts = [[0.0] * n for _ in vectors]
    for i in range(n):
        for j in range(i + 1, n):
            size = norms[i] * norms[j]
            cosines[i][j] = cosines[j][i] = vectors[i].dot(vectors[j]) / size if size else math.nan
            conflicts[i][j] = conflicts[j][i] = sign_conflicts([vectors[i], vectors[j]])
    together = conflicts[0][1] if n == 2 else sign_conflicts(vectors)
    return Between(cosines, conflicts, together)


@dataclass(frozen=True)
class Return:
    """How well a patch leads from the base back to the model it was taken from.

    Attributes:
        n_numbers: How many there are.
        n_other: How many come back with other bits.
        largest_error: Of a number that comes back.
    """

    n_numbers: int
    n_other: int
    largest_error: float


def measure_return(patch: Patch, tuned: Checkpoint, base: Checkpoint) -> Return:
    """Return how well a patch, applied to the base, gives the model again.

    Raises:
        CheckpointError: A file ends early.
    """
    n_numbers, n_other, largest = 0, 0, 0.0
    for name in patch.vector.names:
        dtype = base.entry(name).dtype
        runs = zip(base.pieces(name), patch.vector.pieces(name), tuned.pieces(name), strict=True)
        for before, delta, expected in runs:
            found = to_float32(from_float32(before + delta, dtype), dtype)
            n_numbers += len(found)
            n_other += int(np.count_nonzero(found != expected))
            largest = max(largest, float(np.max(np.abs(found - expected), initial=0.0)))
    return Return(n_numbers, n_other, largest)


def match(patch: Patch, model: Checkpoint) -> str:
    """Say what a model is to a patch: its ``base``, its ``tuned``, of the same ``make``, or ``no`` match."""
    fits = all(
        name in model.entries and model.entries[name].shape == entry.shape
        for name, entry in patch.deltas.entries.items()
    )
    if not fits:
        return "no"
    return {patch.base: "base", patch.tuned: "tuned"}.get(fingerprint(model), "make")
