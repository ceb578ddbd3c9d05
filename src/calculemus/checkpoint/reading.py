"""Reading bytes of files at given places; a file that ends early is an error, never a short answer."""

import os
from pathlib import Path
from typing import Any, Self

from calculemus.errors import CheckpointError


class OpenFile:
    """A file that is open for reading; several threads may read from it.

    Raises:
        CheckpointError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise _failed(path, error) from error

    def read(self, start: int, n_bytes: int) -> bytes:
        """Return bytes of the file.

        Raises:
            CheckpointError: The file ends before them, or cannot be read.
        """
        data = bytearray(n_bytes)
        self.read_into(start, data)
        return bytes(data)

    def read_into(self, start: int, out: Any) -> None:
        """Fill a buffer with the file's bytes from ``start`` on.

        Raises:
            CheckpointError: The file ends before the buffer is full, or cannot be read.
        """
        view, place = memoryview(out).cast("B") if memoryview(out).nbytes else memoryview(b""), start
        while view:
            try:
                n_bytes = os.preadv(self._descriptor, [view], place)
            except OSError as error:
                raise _failed(self.path, error) from error
            if not n_bytes:
                raise CheckpointError(
                    f"reading {self.path}: it ends at byte {place}; expected {len(view)} more. It became "
                    "shorter while it was read: fetch it again"
                )
            view, place = view[n_bytes:], place + n_bytes

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: Any) -> None:
        self.close()


def _failed(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(f"reading {path}: {error.strerror or error}; expected a file that can be read")
