"""Task vectors: what models learned on top of others, as numbers that can be added, scaled and masked.

    vector = (tuned - base) * 0.4 + (other - base) @ mask

Nothing is computed until numbers are asked for, and then a piece of a tensor at a time.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError

Numbers = NDArray[np.float32]
Mask = Callable[[str, int, Numbers], NDArray[np.bool_]]
"""For a tensor's name, the place of a run's first number and the run: which of its numbers are kept."""


@dataclass(frozen=True)
class Term:
    """One summand of a task vector: scale * (tuned - base), and zero where a mask says so.

    Attributes:
        tuned: What was learned, or the sum of it and the base.
        base: What it was made from; None where ``tuned`` is the difference already.
        scale: Of the difference.
        masks: All of them must keep a number.
    """

    tuned: Checkpoint
    base: Checkpoint | None
    scale: float = 1.0
    masks: tuple[Mask, ...] = ()

    def pieces(self, name: str) -> Iterator[Numbers]:
        """Yield the runs of a tensor."""
        start = 0
        tuned = self.tuned.pieces(name)
        bases = self.base.pieces(name) if self.base is not None else None
        for numbers in tuned:
            delta = numbers - next(bases) if bases is not None else numbers
            delta = delta * np.float32(self.scale)
            for mask in self.masks:
                delta = np.where(mask(name, start, delta), delta, np.float32(0))
            yield delta
            start += len(delta)


@dataclass(frozen=True)
class TaskVector:
    """A sum of terms, tensor by tensor, in float32.

    Attributes:
        terms: Added in their order.
        names: Of its tensors, in order; only those of floating-point numbers.

    Example:
        >>> vector = TaskVector.between(tuned, base) * 0.4          # doctest: +SKIP
        >>> vector.cosine(TaskVector.between(other, base))          # doctest: +SKIP
        0.03
    """

    terms: tuple[Term, ...]
    names: tuple[str, ...]

    @classmethod
    def between(cls, tuned: Checkpoint, base: Checkpoint | None = None) -> "TaskVector":
        """Return ``tuned - base``.

        Args:
            tuned: A model, or without a base a task vector that was saved.
            base: What it was made from.

        Raises:
            CheckpointMismatchError: A tensor is missing or has another shape in one of them.
        """
        names = tuple(sorted(name for name, entry in tuned.entries.items() if entry.dtype.is_float))
        if base is not None:
            _check_same(tuned, base, names)
        return cls((Term(tuned, base),), names)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return self.terms[0].tuned.entry(name).shape

    def __mul__(self, scale: float) -> "TaskVector":
        return replace(self, terms=tuple(replace(term, scale=term.scale * scale) for term in self.terms))

    __rmul__ = __mul__

    def __neg__(self) -> "TaskVector":
        return self * -1.0

    def __add__(self, other: "TaskVector") -> "TaskVector":
        _check_same(self.terms[0].tuned, other.terms[0].tuned, self.names, other.names)
        return replace(self, terms=self.terms + other.terms)

    def __sub__(self, other: "TaskVector") -> "TaskVector":
        return self + -other

    def __matmul__(self, mask: Mask) -> "TaskVector":
        return replace(self, terms=tuple(replace(term, masks=(*term.masks, mask)) for term in self.terms))

    def pieces(self, name: str) -> Iterator[Numbers]:
        """Yield the runs of a tensor, flat.

        Raises:
            CheckpointError: There is no tensor of that name, or a file ends early.
        """
        for first, *others in zip(*(term.pieces(name) for term in self.terms), strict=True):
            total = first
            for numbers in others:
                total = total + numbers
            yield total

    def read(self, name: str) -> Numbers:
        """Return a tensor.

        Raises:
            CheckpointError: There is no tensor of that name, or a file ends early.
        """
        runs = list(self.pieces(name))
        flat = np.concatenate(runs) if runs else np.empty(0, np.float32)
        return flat.reshape(self.shape(name))

    def norms(self) -> dict[str, float]:
        """Return the Euclidean norm of each tensor."""
        return {name: math.sqrt(math.fsum(_dot(x, x) for x in self.pieces(name))) for name in self.names}

    def norm(self) -> float:
        """Return the Euclidean norm of all numbers."""
        return math.hypot(*self.norms().values())

    def dot(self, other: "TaskVector") -> float:
        """Return the scalar product with another one, in float64."""
        _check_same(self.terms[0].tuned, other.terms[0].tuned, self.names, other.names)
        return math.fsum(
            _dot(mine, theirs)
            for name in self.names
            for mine, theirs in zip(self.pieces(name), other.pieces(name), strict=True)
        )

    def cosine(self, other: "TaskVector") -> float:
        """Return the cosine of the angle to another one; NaN where one of them is zero."""
        size = self.norm() * other.norm()
        return self.dot(other) / size if size else math.nan


def sign_conflicts(vectors: Sequence[TaskVector]) -> float:
    """Return the share of numbers on whose sign the task vectors disagree, of those that any of them changes.

    Raises:
        CheckpointMismatchError: They have other tensors, or other shapes.
    """
    n_changed, n_conflicts = 0, 0
    for vector in vectors[1:]:
        _check_same(vectors[0].terms[0].tuned, vector.terms[0].tuned, vectors[0].names, vector.names)
    for name in vectors[0].names if vectors else ():
        for runs in zip(*(vector.pieces(name) for vector in vectors), strict=True):
            together = np.stack(runs)
            rises, falls = (together > 0).any(axis=0), (together < 0).any(axis=0)
            n_changed += np.count_nonzero(np.logical_or(rises, falls))
            n_conflicts += np.count_nonzero(np.logical_and(rises, falls))
    return n_conflicts / n_changed if n_changed else 0.0


def packed_mask(bits: Mapping[str, NDArray[np.uint8]]) -> Mask:
    """Return a mask of packed bits.

    Args:
        bits: By name of the tensor, eight numbers a byte as ``np.packbits`` puts them; of a tensor without
            any, all numbers are kept.
    """

    def keeps(name: str, start: int, numbers: Numbers) -> NDArray[np.bool_]:
        if name not in bits:
            return np.ones(len(numbers), bool)
        first, stop = start // 8, -(-(start + len(numbers)) // 8)
        found = np.unpackbits(bits[name][first:stop])[start % 8 :][: len(numbers)]
        return found.astype(bool)

    return keeps


def _dot(a: Numbers, b: Numbers) -> float:
    return float(np.dot(a.astype(np.float64), b.astype(np.float64)))


def _check_same(
    one: Checkpoint, other: Checkpoint, names: Sequence[str], others: Sequence[str] | None = None
) -> None:
    """See that two models have the same tensors in the same shapes."""
    doing = f"subtracting {other.name} from {one.name}" if others is None else "joining two task vectors"
    missing = sorted(set(names) - set(other.entries)) if others is None else sorted(set(names) ^ set(others))
    if missing:
        raise CheckpointMismatchError(
            f"{doing}: one of them lacks '{missing[0]}' and {len(missing) - 1} more; expected the same "
            "tensors. Take models that were made from one base"
        )
    for name in names:
        if one.entries[name].shape != other.entries[name].shape:
            raise CheckpointMismatchError(
                f"{doing}: '{name}' has the shape {one.entries[name].shape} and {other.entries[name].shape}; "
                "expected the same. Take models that were made from one base"
            )
