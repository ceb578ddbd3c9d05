"""Headers of safetensors files: read, checked to the byte, and written.

A file is eight bytes with the length of the header, little-endian; the header, a JSON object that gives each
tensor its dtype, shape and place; and the tensors' bytes, which the places must cover without gap or overlap.
Source: the format's README, https://github.com/huggingface/safetensors.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calculemus.checkpoint.dtypes import DTYPES, Dtype
from calculemus.errors import CheckpointError
from calculemus.named import suggest

MOST_BYTES = 100_000_000
"""Longest header that readers of the format take."""
_LENGTH_BYTES = 8
_ALIGNMENT = 8
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@dataclass(frozen=True, slots=True)
class LowRank:
    """A change of a tensor by scale * B A.

    Attributes:
        a: The (rank, column) factor.
        b: The (row, rank) factor.
        scale: Of the product.
        is_turned: Whether the tensor has columns for rows.
    """

    a: "Entry"
    b: "Entry"
    scale: float
    is_turned: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a tensor is.

    Attributes:
        name: The tensor's.
        dtype: Its number format.
        shape: Sizes of its axes; none for a single number.
        path: Its file.
        start: Its first byte in the file.
        low_rank: What is added to the numbers there; None for nothing.
    """

    name: str
    dtype: Dtype
    shape: tuple[int, ...]
    path: Path
    start: int
    low_rank: LowRank | None = None

    @property
    def n_elements(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def n_bytes(self) -> int:
        """How many bytes it takes."""
        return self.n_elements * self.dtype.n_bytes


@dataclass(frozen=True, slots=True)
class Header:
    """What a file has.

    Attributes:
        path: The file.
        entries: Its tensors, in the order of their bytes.
        metadata: Texts by name.
        n_bytes: Of the file before the first tensor.
    """

    path: Path
    entries: tuple[Entry, ...]
    metadata: Mapping[str, str]
    n_bytes: int


def read_header(path: Path) -> Header:
    """Read and check the header of a file.

    Raises:
        CheckpointError: The file cannot be read, is no safetensors file, or a tensor in it is described
            wrongly.
    """
    doing = f"reading {path}"
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(_LENGTH_BYTES)
            length = _length(doing, head, size)
            text = file.read(length)
    except OSError as error:
        raise CheckpointError(f"{doing}: {error.strerror or error}; expected a safetensors file") from error
    if len(text) < length:
        raise CheckpointError(
            f"{doing}: the header ends after {len(text)} bytes; expected {length}. {_AGAIN}"
        )
    return _header(doing, path, text, size)


_AGAIN = "The file is cut off or damaged: fetch it again"


def _length(doing: str, head: bytes, size: int) -> int:
    if len(head) < _LENGTH_BYTES:
        raise CheckpointError(f"{doing}: the file has {len(head)} bytes; expected a header. {_AGAIN}")
    length = int.from_bytes(head, "little")
    most = min(MOST_BYTES, size - _LENGTH_BYTES)
    # A length may look like the first two bytes of a pickle (640 does), but no pickle like such a length.
    if length > most and head.startswith(_PICKLES):
        raise CheckpointError(
            f"{doing}: found a pickle file, which can run any program when it is read; expected a "
            "safetensors file. Convert it where you trust it: torch.load(..., weights_only=True), then "
            "safetensors.torch.save_file"
        )
    if length > most and head.startswith(b"GGUF"):
        raise CheckpointError(
            f"{doing}: found a GGUF file, whose numbers are quantised; expected the safetensors of the model "
            "that it was made from"
        )
    if length > most:
        raise CheckpointError(
            f"{doing}: it announces a header of {length} bytes in a file of {size}; expected at most {most}. "
            "It is no safetensors file, or it is cut off"
        )
    return length


def _header(doing: str, path: Path, text: bytes, size: int) -> Header:
    try:
        # Decoded here, since json would guess at other encodings.
        table = json.loads(text.decode("utf-8"), object_pairs_hook=lambda pairs: _unique(doing, pairs))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{doing}: the header is no JSON ({error}); expected an object. {_AGAIN}"
        ) from error
    if not isinstance(table, dict):
        raise CheckpointError(
            f"{doing}: the header is a {type(table).__name__}; expected an object. {_AGAIN}"
        )
    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError(f"{doing}: '__metadata__' is {metadata!r:.80}; expected an object of texts")
    start = _LENGTH_BYTES + len(text)
    placed = [_placed(doing, path, name, record, start) for name, record in table.items()]
    placed.sort(key=lambda pair: (pair[0].start, pair[1]))
    _check_cover(doing, placed, start, size)
    return Header(path, tuple(entry for entry, _ in placed), metadata, start)


def _unique(doing: str, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise CheckpointError(f"{doing}: '{twice}' stands in the header twice; expected every name once")
    return found


def _placed(doing: str, path: Path, name: str, record: Any, start: int) -> tuple[Entry, int]:
    """Return a tensor's entry and where its bytes end."""
    of = f"{doing}: the tensor {name!r:.200}"
    if any("\ud800" <= sign <= "\udfff" for sign in name):
        raise CheckpointError(f"{of} has half a sign in its name; expected Unicode text. {_AGAIN}")
    if not isinstance(record, dict) or set(record) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(f"{of} is described as {record!r:.80}; expected dtype, shape and data_offsets")
    dtype = DTYPES.get(record["dtype"]) if isinstance(record["dtype"], str) else None
    if dtype is None:
        found = str(record["dtype"])
        raise CheckpointError(
            f"{of} has the dtype {found!r:.40}; {suggest(found.upper(), DTYPES)}expected one of "
            f"{', '.join(DTYPES)}"
        )
    shape, offsets = record["shape"], record["data_offsets"]
    if not _is_numbers(shape) or not _is_numbers(offsets) or len(offsets) != 2:
        raise CheckpointError(
            f"{of} has the shape {shape!r:.40} and the place {offsets!r:.40}; expected whole numbers from 0"
        )
    entry = Entry(name, dtype, tuple(shape), path, start + offsets[0])
    if offsets[1] - offsets[0] != entry.n_bytes:
        raise CheckpointError(
            f"{of} has {offsets[1] - offsets[0]} bytes; expected {entry.n_bytes} for {dtype.name} of shape "
            f"{list(shape)}. {_AGAIN}"
        )
    return entry, start + offsets[1]


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(part) is int and part >= 0 for part in value)


def _check_cover(doing: str, placed: Sequence[tuple[Entry, int]], start: int, size: int) -> None:
    """See that the tensors lie one behind the other up to the end of the file."""
    reached = start
    for entry, stop in placed:
        if entry.start != reached:
            what = "overlaps the one before it" if entry.start < reached else "leaves a gap before it"
            raise CheckpointError(
                f"{doing}: the tensor '{entry.name}' begins at byte {entry.start} and {what}; expected "
                f"{reached}. {_AGAIN}"
            )
        reached = stop
    if reached != size:
        raise CheckpointError(
            f"{doing}: the tensors end at byte {reached} and the file at {size}; expected the same. {_AGAIN}"
        )


@dataclass(frozen=True, slots=True)
class NewTensor:
    """A tensor that is to be written."""

    name: str
    dtype: Dtype
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """How many bytes it will take."""
        return math.prod(self.shape) * self.dtype.n_bytes


def write_header(tensors: Iterable[NewTensor], metadata: Mapping[str, str]) -> tuple[bytes, dict[str, int]]:
    """Return the bytes before the first tensor, and where in the file each tensor is to begin."""
    table: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    starts: dict[str, int] = {}
    reached = 0
    for tensor in tensors:
        stop = reached + tensor.n_bytes
        table[tensor.name] = {
            "dtype": tensor.dtype.name,
            "shape": list(tensor.shape),
            "data_offsets": [reached, stop],
        }
        starts[tensor.name] = reached
        reached = stop
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    head = len(text).to_bytes(_LENGTH_BYTES, "little") + text
    return head, {name: start + len(head) for name, start in starts.items()}
