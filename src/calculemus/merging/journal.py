"""Which tensors of a merge are written: what a killed merge goes on from."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from calculemus.errors import OutputError

NAME = ".merge.jsonl"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Journal:
    """A file with what names the merge, and a line for each tensor whose bytes are in place.

    Lines follow the bytes that they speak of. Both survive the end of the process, however it ends. A power
    cut can take bytes and leave the line, so the journal of an earlier start of the machine counts for
    nothing.

    Args:
        folder: Of the merged model.
        digest: Of the plan and of the files' layout; the journal of another one counts for nothing.

    Attributes:
        is_same: Whether there was a journal of this merge.
        done: Names of the tensors that are written.

    Raises:
        OutputError: Another process is merging into the folder, or the file cannot be written.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self._path = folder / NAME
        self._head = {"merge": digest, "boot": _boot()}
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        _lock(self._file, folder)
        lines = self._whole_lines()
        self.is_same = bool(lines) and lines[0] == self._head
        self.done = {line["done"] for line in lines[1:]} if self.is_same else set[str]()

    def _whole_lines(self) -> Sequence[dict[str, str]]:
        """Return the lines, and cut off one that was being written when the process ended."""
        data = os.pread(self._file, os.fstat(self._file).st_size, 0)
        whole = data[: data.rfind(b"\n") + 1]
        os.ftruncate(self._file, len(whole))
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except ValueError:
            return []

    def restart(self) -> None:
        """Forget all that was written."""
        os.ftruncate(self._file, 0)
        self.done = set()
        self._write(self._head)

    def add(self, name: str) -> None:
        """Note that a tensor is written."""
        self._write({"done": name})

    def _write(self, line: dict[str, str]) -> None:
        data = (json.dumps(line) + "\n").encode()
        while data:
            data = data[os.write(self._file, data) :]

    def close(self) -> None:
        """Close the file, which stays."""
        os.close(self._file)

    def remove(self) -> None:
        """Remove the file: the merge is whole."""
        self._path.unlink()


def _boot() -> str:
    with suppress(OSError):
        return _BOOT.read_text("ascii").strip()
    return ""


def _lock(descriptor: int, folder: Path) -> None:
    """Keep other processes from merging into the folder until the file is closed."""
    try:
        import fcntl
    except ImportError:  # a system without such locks
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise OutputError(
            f"merging into {folder}: another process is merging into it; expected a folder of its own for "
            "each. Wait, or name another one"
        ) from error
