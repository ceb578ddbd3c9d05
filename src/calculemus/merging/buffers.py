"""The memory of one thread of a merge: taken once, of a size that the model's does not change."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint import Dtype, Entry
from calculemus.checkpoint.low_rank import Change
from calculemus.checkpoint.reading import OpenFile
from calculemus.errors import CheckpointError
from calculemus.merging.base import Numbers, Precision

_NUMPY = {"F64": np.float64, "F32": np.float32, "F16": np.float16}


class Buffers:
    """Arrays of one thread.

    Args:
        n_models: How many models are read side by side, the base included.
        most: Longest run, in numbers.
        dtype: In which merges are computed.

    Attributes:
        raw: Room for a run's bytes in any dtype.
        numbers: (model, number) a run of each model.
    """

    def __init__(self, n_models: int, most: int, dtype: Precision = "float32") -> None:
        self.raw: NDArray[np.uint8] = np.empty(8 * most, np.uint8)
        self.numbers: Numbers = np.empty((n_models, most), dtype)


class Reader:
    """Reads runs of some tensors side by side, each from a file of its own.

    Args:
        entries: The tensors, equally long.
        buffers: Where the numbers go; they are good until the next run is read.
    """

    def __init__(self, entries: Sequence[Entry], buffers: Buffers) -> None:
        self._entries = entries
        self._buffers = buffers
        self._files: list[OpenFile] = []
        self._changes: list[Change | None] = []
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        # Opened for one tensor only: many models in many files would need more open files than a process
        # may have.
        with ExitStack() as opened:
            self._files = [opened.enter_context(OpenFile(entry.path)) for entry in self._entries]
            self._changes = [_change(entry) for entry in self._entries]
            self._closing = opened.pop_all()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._closing.close()

    def read(self, start: int, n: int) -> Numbers:
        """Return (tensor, number) the numbers from ``start`` on.

        Raises:
            CheckpointError: A file ends early, or a number is infinite or none.
        """
        out = self._buffers.numbers[: len(self._entries), :n]
        for file, entry, change, row in zip(self._files, self._entries, self._changes, out, strict=True):
            raw = self._buffers.raw[: n * entry.dtype.n_bytes]
            file.read_into(entry.start + start * entry.dtype.n_bytes, raw)
            is_finite = widen_into(raw, entry.dtype, row)
            if change is not None:
                change.add_to(row, start)
                is_finite = bool(np.isfinite(row).all())
            if not is_finite:
                place = int(np.flatnonzero(~np.isfinite(row))[0])
                raise CheckpointError(
                    f"merging '{entry.name}': number {start + place} in {entry.path} is {row[place]}; "
                    f"expected finite numbers of {row.dtype.name}. The model is damaged, or its training "
                    "diverged: leave it out"
                )
        return out


def _change(entry: Entry) -> Change | None:
    """Return what an adapter adds to a tensor."""

    def read(factor: Entry) -> bytes:
        with OpenFile(factor.path) as file:
            return file.read(factor.start, factor.n_bytes)

    return Change(entry.low_rank, read) if entry.low_rank is not None else None


def widen_into(raw: NDArray[np.uint8], dtype: Dtype, out: Numbers) -> bool:
    """Write the numbers of some bytes as float32 or float64; says whether all are finite."""
    from calculemus.merging.kernels import widen

    if dtype.name == "BF16":
        return widen(raw.view(np.uint16), out)
    with np.errstate(over="ignore"):
        np.copyto(out, raw.view(_NUMPY[dtype.name]), casting="same_kind")
    return _are_finite(out)


def _are_finite(numbers: Numbers) -> bool:
    from calculemus.merging.kernels import are_finite

    return are_finite(numbers) if numbers.dtype == np.float32 else bool(np.isfinite(numbers).all())


def narrow_into(values: Numbers, dtype: Dtype, raw: NDArray[np.uint8]) -> bool:
    """Write numbers as bytes of a dtype, rounded once; says whether all are finite."""
    from calculemus.merging.kernels import narrow, narrow_long

    if dtype.name == "BF16":
        return (narrow if values.dtype == np.float32 else narrow_long)(values, raw.view(np.uint16))
    out = raw.view(_NUMPY[dtype.name])
    with np.errstate(over="ignore"):
        np.copyto(out, values, casting="same_kind")
    return _are_finite(values) and (values.dtype.itemsize <= out.itemsize or bool(np.isfinite(out).all()))
