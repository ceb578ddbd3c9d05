"""Tables put together row by row from rows of others, and written a few rows at a time."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint import Entry
from calculemus.checkpoint.bits import from_float32, to_float32
from calculemus.checkpoint.header import NewTensor, write_header
from calculemus.checkpoint.low_rank import Change
from calculemus.checkpoint.reading import OpenFile
from calculemus.files import replacing

NO_ROW = -1
_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Place:
    """A row of a table."""

    entry: Entry
    row: int


@dataclass(frozen=True)
class NewTable:
    """A table that is to be written.

    Attributes:
        entry: Where its own rows are; the new one has its name and dtype.
        rows: For each new row the own one, or ``NO_ROW``.
        borrowed: Where there is no own row, rows whose mean it is; zero if there are none.
    """

    entry: Entry
    rows: NDArray[np.int64]
    borrowed: Mapping[int, Sequence[Place]]

    @property
    def tensor(self) -> NewTensor:
        """What is written."""
        return NewTensor(self.entry.name, self.entry.dtype, (len(self.rows), *self.entry.shape[1:]))


def write_tables(path: Path, tables: Sequence[NewTable]) -> None:
    """Write tables into a file; rows that are taken as they are keep their bytes.

    Raises:
        CheckpointError: A file ends early, or cannot be read.
        OutputError: The file cannot be written.
    """
    head, _ = write_header([table.tensor for table in tables], {"format": "pt"})
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(head)
        for table in tables:
            for block in _blocks(table):
                file.write(block)


def _blocks(table: NewTable) -> Iterator[bytes]:
    with ExitStack() as opened:
        places = [place for borrowed in table.borrowed.values() for place in borrowed]
        # By what they are, since entries of one file are many.
        donors = {id(place.entry): place.entry for place in places}
        readers = {key: opened.enter_context(_Rows(entry)) for key, entry in donors.items()}
        own = opened.enter_context(_Rows(table.entry))
        size = max(1, _BLOCK_BYTES // max(1, own.row_bytes))
        for start in range(0, len(table.rows), size):
            yield b"".join(_pieces(table, start, min(len(table.rows), start + size), own, readers))


def _pieces(
    table: NewTable, start: int, stop: int, own: "_Rows", readers: Mapping[int, "_Rows"]
) -> Iterator[bytes]:
    """Yield the bytes of new rows: own ones in runs as they lie in the file, others one by one."""
    at = start
    while at < stop:
        first = int(table.rows[at])
        if first == NO_ROW:
            mean = _mean([readers[id(place.entry)].numbers(place.row, 1) for place in table.borrowed[at]])
            yield from_float32(np.zeros(own.width, np.float32) if mean is None else mean, own.entry.dtype)
            at += 1
            continue
        n = 1
        while at + n < stop and table.rows[at + n] == first + n:
            n += 1
        yield own.raw(first, n)
        at += n


def _mean(rows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32] | None:
    """Return the mean of rows; the same whatever their order, since each column is sorted first."""
    if not rows:
        return None
    return np.sort(np.stack(rows), axis=0).astype(np.float64).mean(axis=0).astype(np.float32)


class _Rows:
    """Rows of a table in a file that is open."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.width = math.prod(entry.shape[1:])
        self.row_bytes = self.width * entry.dtype.n_bytes
        self._file = OpenFile(entry.path)
        self._change = Change(entry.low_rank, _read) if entry.low_rank is not None else None

    def numbers(self, row: int, n: int) -> NDArray[np.float32]:
        """Return some rows in float32, flat."""
        data = self._file.read(self.entry.start + row * self.row_bytes, n * self.row_bytes)
        found = to_float32(data, self.entry.dtype)
        if self._change is not None:
            self._change.add_to(found, row * self.width)
        return found

    def raw(self, row: int, n: int) -> bytes:
        """Return the bytes of some rows, with what an adapter adds to them."""
        if self._change is not None:
            return from_float32(self.numbers(row, n), self.entry.dtype)
        return self._file.read(self.entry.start + row * self.row_bytes, n * self.row_bytes)

    def __enter__(self) -> "_Rows":
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()


def _read(entry: Entry) -> bytes:
    with OpenFile(entry.path) as file:
        return file.read(entry.start, entry.n_bytes)
