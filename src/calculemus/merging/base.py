"""What a merge is: arithmetic on tensors of one name, told part by part.

    @dataclass(frozen=True)
    class TaskArithmetic(TensorMerge):
        needs_base: ClassVar[bool] = True
        scale: float = 1.0

        def merge(self, part: Part, found: None) -> Numbers:
            return part.base + self.scale * part.weighted(part.deltas())

A method sees runs of numbers of a tensor in float32, or in float64 where the plan asks for it, never files,
and never the whole model. The executor reads, converts, rounds once and writes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from calculemus.errors import InvalidParameterError
from calculemus.params import Configured
from calculemus.rng import Rng

Numbers = NDArray[np.float32 | np.float64]
Precision = Literal["float32", "float64"]
Locality = Literal["element", "row", "tensor"]
"""What a part must hold: any run of numbers, whole rows (of the last axis), or the whole tensor."""
Scope = Literal["tensor", "model"]


def scaled(numbers: Numbers, factor: float) -> Numbers:
    """Return numbers times a factor, which is rounded as they are first."""
    return numbers * numbers.dtype.type(factor)


@dataclass(frozen=True, slots=True)
class Part:
    """A run of the numbers of one tensor, in every model.

    Attributes:
        name: The tensor's name in the merged model.
        shape: The whole tensor's.
        start: First number of the run, counted through the tensor.
        base: Numbers of the base model; empty where the method needs none.
        inputs: Numbers of each model; their order depends on the user's only if the method is ordered.
        weights: One for each model.
        values: For each model the settings that a recipe gives it for this tensor, in place of the method's.
        rng: Names the run's draws of each model; depends on seed, tensor and model.
        extras: Numbers of what else the plan reads, such as masks or statistics: the run's, or all of a
            tensor of another size; None where it has no such tensor.
    """

    name: str
    shape: tuple[int, ...]
    start: int
    base: Numbers
    inputs: Sequence[Numbers]
    weights: Sequence[float]
    values: Sequence[dict[str, float]]
    rng: Sequence[Rng]
    extras: Sequence[Numbers | None] = ()

    @property
    def n_rows(self) -> int:
        """Rows of the last axis that the run holds, where it holds whole ones."""
        return len(self.inputs[0]) // (self.shape[-1] if self.shape else 1)

    def deltas(self) -> list[Numbers]:
        """Return the task vectors: what each model adds to the base."""
        return [numbers - self.base for numbers in self.inputs]

    def weighted(self, numbers: Sequence[Numbers]) -> Numbers:
        """Return the sum of one array a model, each times the model's weight."""
        from calculemus.merging.fused import add_weighted

        total = scaled(numbers[0], self.weights[0])
        for array, weight in zip(numbers[1:], self.weights[1:], strict=True):
            add_weighted(total, array, total.dtype.type(weight))
        return total

    def weighted_deltas(self) -> Numbers:
        """Return ``weighted(deltas())``; quicker, since the task vectors are not kept."""
        from calculemus.merging.fused import add_weighted_delta

        total = scaled(self.inputs[0] - self.base, self.weights[0])
        for array, weight in zip(self.inputs[1:], self.weights[1:], strict=True):
            add_weighted_delta(total, array, self.base, total.dtype.type(weight))
        return total

    def on_base(self, numbers: Numbers, scale: float) -> Numbers:
        """Return ``base + numbers * scale``; ``numbers`` is used up."""
        from calculemus.merging.fused import scale_onto

        scale_onto(numbers, self.base, numbers.dtype.type(scale))
        return numbers

    def value(self, setting: str, model: int, default: float) -> float:
        """Return a setting of one model on this tensor: the recipe's, or else the method's own."""
        return self.values[model].get(setting, default)

    def uniforms(self, model: int) -> Numbers:
        """Return a number of [0, 1) for each of the run's, the same whichever way the tensor is cut."""
        from calculemus.merging.kernels import draw_uniforms

        out = np.empty(len(self.inputs[model]), np.float32)
        # The generator wants an odd key without small patterns; the hash of the path gives that.
        draw_uniforms(np.uint64(self.rng[model].key % 2**64 | 1), self.start, out)
        return out


class Gathering(Protocol):
    """What a first pass over a tensor, or over the whole model, collects."""

    def take(self, part: Part) -> None:
        """Take a run of numbers; runs come in order, and together they are the tensor."""
        ...

    def is_complete(self) -> bool:
        """Say, behind a pass, whether all is known; if not, all runs come once more."""
        ...


@dataclass(frozen=True)
class TensorMerge(Configured):
    """Base of the methods that merge tensor by tensor; settings are its fields.

    Attributes:
        needs_base: Whether there must be a base model.
        locality: What a part must hold.
        scope: Whether ``gather`` collects for each tensor or once for the model.
        fewest: How many models there must be, the base not counted.
        most: How many there may be; None for any number.
        takes_weights: Whether models may weigh differently.
        is_ordered: Whether it matters which model comes first.
    """

    needs_base: ClassVar[bool] = False
    locality: ClassVar[Locality] = "element"
    fewest: ClassVar[int] = 1
    most: ClassVar[int | None] = None
    takes_weights: ClassVar[bool] = True
    is_ordered: ClassVar[bool] = False

    def check_weights(self, name: str, weights: Sequence[float]) -> None:
        """See that the method can use the weights of a tensor; asked before any work.

        Raises:
            InvalidParameterError: It cannot.
        """
        if not self.takes_weights and len(set(weights)) > 1:
            raise InvalidParameterError(
                f"{type(self).__name__}: the weights of '{name}' are {', '.join(map(str, weights))}; "
                "expected none, since it weighs models by itself. Leave them out"
            )

    @property
    def gathering_scope(self) -> Scope:
        """Whether ``gather`` collects for each tensor, or once for the whole model."""
        return "tensor"

    def gather(self) -> Gathering | None:
        """Return what collects in a first pass what ``merge`` has to know; None where it is nothing."""
        return None

    def merge(self, part: Part, found: Any) -> Numbers:
        """Return the merged numbers of a part.

        Args:
            part: The numbers.
            found: What ``gather`` returned, complete; None where it returned None.
        """
        raise NotImplementedError
