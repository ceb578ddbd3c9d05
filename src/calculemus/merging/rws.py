"""Robust weight signatures: robustness against a corruption as a patch for the shallow layers."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from calculemus.checkpoint import Checkpoint, Patch, save_patch
from calculemus.errors import InvalidParameterError
from calculemus.events import note
from calculemus.merging.base import Numbers, Part, TensorMerge, scaled
from calculemus.merging.gathering import Products
from calculemus.merging.layers import address
from calculemus.params import AtLeast, Between


@dataclass(frozen=True)
class RobustWeightSignatures(TensorMerge):
    """Add to a clean model what robust models learned beside it, in the shallow layers.

    Source: Cai et al. 2023, arXiv:2302.12480, section 3, and its public code for what is averaged. The first
    model is the clean one; each further one learned to bear a corruption, from the same base. Of each robust
    model's task vector the part along the clean one is taken away, tensor by tensor. Norms and downsampling
    go towards the mean of the robust models, as in the code; here the strength counts for them too, so that
    a strength of 0 is the clean model. Deeper tensors are the clean model's.

    Attributes:
        keep_num: How many layers count as shallow, from the first; what comes before them does too.
        shallow: Pattern of the names of shallow tensors, in the place of ``keep_num``; for models whose
            tensors are not named after layers.
        alpha: Strength, shared by all robust models alike; a recipe may give each its own.
    """

    needs_base: ClassVar[bool] = True
    fewest: ClassVar[int] = 2
    takes_weights: ClassVar[bool] = False
    is_ordered: ClassVar[bool] = True

    keep_num: Annotated[int, AtLeast(0)] = 7  # public code, for VGG and ResNet
    shallow: str = ""
    alpha: Annotated[float, Between(0, 2)] = 1.0  # public code, which divides by the number of corruptions

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            re.compile(self.shallow)
        except re.error as error:
            raise InvalidParameterError(
                f"{type(self).__name__}: parameter 'shallow' is {self.shallow!r}: {error}; expected a "
                "regular expression"
            ) from error

    def is_shallow(self, name: str) -> bool:
        """Say whether a tensor belongs to the layers that are patched."""
        if self.shallow:
            return re.search(self.shallow, name) is not None
        at = address(name)
        return at.part in ("embed", "positions") if at.layer is None else at.layer < self.keep_num

    def gather(self) -> Products:
        """Sum the products of the task vectors."""
        return Products(lambda part: part.deltas())

    def merge(self, part: Part, found: Products) -> Numbers:
        """Patch the clean model's tensor, if it is a shallow one."""
        clean, *robust = part.inputs
        if not self.is_shallow(part.name):
            return clean
        strengths = [part.value("alpha", i, self.alpha) / len(robust) for i in range(1, len(part.inputs))]
        total = clean.copy()
        for place, strength in enumerate(strengths, 1):
            learned = part.inputs[place] - clean if _is_averaged(part.name) else signature(part, found, place)
            total += scaled(learned, strength)
        return total

    def save(self, path: Path, patched: Checkpoint, clean: Checkpoint) -> Patch:
        """Write the difference that the patch makes, of the shallow tensors only.

        Adding it is ``plan_patches``, taking it away the same with the scale -1.

        Raises:
            OutputError: The file cannot be written.
        """
        return save_patch(path, patched, clean, only=self.is_shallow)


def signature(part: Part, found: Products, model: int) -> Numbers:
    """Return a robust model's task vector without its part along the clean model's."""
    along, length = found.sums[model, 0], found.sums[0, 0]
    robust = part.inputs[model] - part.base
    if length == 0:
        if part.start == 0 and found.sums[model, model] > 0:
            note(f"rws: '{part.name}' is the same in the clean model and its base: nothing is projected out")
        return robust
    # In float64, since what is left may be a small difference of large numbers.
    clean = (part.inputs[0] - part.base).astype(np.float64)
    return (robust - along / length * clean).astype(np.float32)


def _is_averaged(name: str) -> bool:
    return address(name).part == "norm" or "downsample" in name
