"""Patch files: a task vector with the names, by content, of the two models that it lies between."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint.bits import from_float32, to_float32
from calculemus.checkpoint.checkpoint import Checkpoint
from calculemus.checkpoint.dtypes import DTYPES, Dtype
from calculemus.checkpoint.fingerprint import fingerprint
from calculemus.checkpoint.header import NewTensor, read_header, write_header
from calculemus.checkpoint.task_vector import TaskVector
from calculemus.errors import CheckpointError
from calculemus.files import replacing

_KIND = "calculemus.patch"


@dataclass(frozen=True)
class Patch:
    """A task vector in a file.

    Attributes:
        deltas: The file's tensors.
        base: Fingerprint of the model that it starts from.
        tuned: Fingerprint of the model that it leads to.
    """

    deltas: Checkpoint
    base: str
    tuned: str

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a patch file; reads its header only.

        Raises:
            CheckpointError: It cannot be read, or is no patch.
        """
        metadata = read_header(path).metadata
        if metadata.get("kind") != _KIND or not {"base", "tuned"} <= set(metadata):
            raise CheckpointError(
                f"opening the patch {path}: it does not say between which models it lies; expected a file "
                "that was saved as a patch. To take the difference of two models, open both"
            )
        return cls(Checkpoint.open(path), metadata["base"], metadata["tuned"])

    @property
    def vector(self) -> TaskVector:
        """Its numbers."""
        return TaskVector.between(self.deltas)


def save_patch(
    path: Path,
    tuned: Checkpoint,
    base: Checkpoint,
    dtype: str = "F32",
    only: Callable[[str], bool] | None = None,
) -> Patch:
    """Write what a model learned on top of another one; a piece of a tensor at a time.

    Args:
        path: Of the file.
        tuned: The model.
        base: What it was made from.
        dtype: Of the differences; in F32 those of 16-bit models are exact but for the smallest of them.
        only: Says of a tensor's name whether it is written; all are if not given.

    Raises:
        CheckpointMismatchError: The models do not have the same tensors.
        CheckpointError: A file ends early, or a difference is infinite or none in the dtype.
        OutputError: The file cannot be written.
    """
    vector = TaskVector.between(tuned, base)
    kind = DTYPES[dtype]
    names = [name for name in vector.names if only is None or only(name)]
    tensors = [NewTensor(name, kind, vector.shape(name)) for name in names]
    metadata = {"format": "pt", "kind": _KIND, "base": fingerprint(base), "tuned": fingerprint(tuned)}
    head, _ = write_header(tensors, metadata)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(head)
        for name in names:
            for numbers in vector.pieces(name):
                file.write(_as_bytes(f"saving the patch {path}: '{name}'", numbers, kind))
    return Patch.open(path)


def _as_bytes(doing: str, numbers: NDArray[np.float32], dtype: Dtype) -> bytes:
    data = from_float32(numbers, dtype)
    is_finite = np.isfinite(to_float32(data, dtype))
    if not is_finite.all():
        raise CheckpointError(
            f"{doing} has a difference of {numbers[~is_finite][0]}; expected finite numbers of "
            f"{dtype.name}. Take another dtype, or a model that is whole"
        )
    return data
