"""Pre-flight on costs: bytes, room on the disk, and about how long a merge takes."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from calculemus.checkpoint import DTYPES, Checkpoint, Entry
from calculemus.checkpoint.dtypes import BY_TORCH_NAME
from calculemus.merging.preflight_findings import Finding

_PROBE_BYTES = 32_000_000
_BLOCK = 1_000_000
_FASTEST = 2_000_000_000
"""Bytes a second that a merge computes on at most, however fast the disk is."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Of disks, in bytes a second."""

    read: float
    write: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What a merge takes.

    Attributes:
        bytes_read: Of tensors, in one pass; some methods take two.
        bytes_written: Of tensors.
        seconds: About, in one pass; None where the speed of the disks is not known.
        bytes_free: On the disk of the merged model; None where it is not known yet.
        folder: Where the merged model is to go.
    """

    bytes_read: int
    bytes_written: int
    seconds: float | None
    bytes_free: int | None
    folder: str | None


def estimate(
    models: Sequence[Checkpoint],
    base: Checkpoint | None,
    out: Path | None,
    dtype: str | None,
    speed: Speed | None,
) -> Costs:
    """Return what a merge takes, from sizes and the speed of disks.

    Args:
        models: What is merged.
        base: What they were made from.
        out: Folder of the merged model.
        dtype: Of the merged model.
        speed: Measured if not given: what was read lately is fast, as it will be for the merge.
    """
    given = [*models, *((base,) if base is not None else ())]
    n_read = sum(model.n_bytes for model in given)
    reference = base if base is not None else models[0]
    size = DTYPES[BY_TORCH_NAME[dtype]].n_bytes if dtype in BY_TORCH_NAME else None
    n_written = sum(_written(entry, given, size, base) for entry in reference.entries.values())
    parent = _existing(out) if out is not None else None
    measured = speed or _measure(given, parent)
    seconds = None
    if measured is not None:
        seconds = max(n_read / measured.read + n_written / measured.write, n_read / _FASTEST)
    free = shutil.disk_usage(parent).free if parent is not None else None
    return Costs(n_read, n_written, seconds, free, None if out is None else str(out))


def _written(entry: Entry, given: Sequence[Checkpoint], size: int | None, base: Checkpoint | None) -> int:
    """Return how many bytes a merged tensor takes: in the wished dtype, the base's, or the widest."""
    if not entry.dtype.is_float:
        return entry.n_bytes
    if size is None and base is None:
        found = [model.entries[entry.name] for model in given if entry.name in model.entries]
        size = max(other.dtype.n_bytes for other in found)
    return entry.n_elements * (size or entry.dtype.n_bytes)


def _existing(path: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    whole = path.absolute()
    return next(folder for folder in (whole, *whole.parents) if folder.is_dir())


def _measure(given: Sequence[Checkpoint], folder: Path | None) -> Speed | None:
    """Read and write for a moment; None where the system does not let it."""
    paths = [entry.path for model in given for entry in model.entries.values()]
    try:
        largest = max(dict.fromkeys(paths), key=lambda path: path.stat().st_size)
        read = _read_speed(largest)
        return Speed(read, _write_speed(folder) if folder is not None else read)
    except (OSError, ValueError):
        return None


def _read_speed(path: Path) -> float:
    begun, n_read = time.perf_counter(), 0
    with path.open("rb", buffering=0) as file:
        while n_read < _PROBE_BYTES:
            block = file.read(_BLOCK)
            if not block:
                break
            n_read += len(block)
    return max(1, n_read) / max(1e-9, time.perf_counter() - begun)


def _write_speed(folder: Path) -> float:
    begun = time.perf_counter()
    # It has no name: nothing is left, however the process ends.
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_PROBE_BYTES // _BLOCK):
            file.write(b"\1" * _BLOCK)
        file.flush()
        os.fsync(file.fileno())
    return _PROBE_BYTES / max(1e-9, time.perf_counter() - begun)


def check_room(costs: Costs) -> Iterator[Finding]:
    """Yield an error where the disk has no room for the merged model."""
    if costs.bytes_free is not None and costs.bytes_free < costs.bytes_written:
        short = costs.bytes_written - costs.bytes_free
        yield Finding(
            "error",
            "disk",
            f"there are {costs.bytes_free / 1e9:.1f} GB free for {costs.folder}",
            f"{costs.bytes_written / 1e9:.1f} GB",
            f"Free {short / 1e9:.1f} GB, or name a folder on another disk with --out",
        )
