"""Runs a merge: streams runs of numbers through a method, in memory that the model's size does not change.

Each tensor is read, merged and written by one thread, run by run; several threads work on several tensors. A
run is as long as the second cache of a core likes it. What is written depends on the plan alone, not on
threads, the length of runs, or how inputs are cut into files.
"""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calculemus.checkpoint import Entry
from calculemus.checkpoint.reading import OpenFile
from calculemus.errors import MissingExtraError
from calculemus.events import Progress, emit, note
from calculemus.merging.base import Gathering
from calculemus.merging.computing import RUN, Computing, one_blas_thread
from calculemus.merging.output import OutputFile, Target, disk_errors, finish, lay_out, open_journal
from calculemus.merging.plan import SHARD_BYTES, Plan, Step

THREADS = min(4, os.cpu_count() or 1)
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge took.

    Attributes:
        folder: Of the merged model.
        seconds: Wall-clock.
        bytes_read: Of tensors.
        bytes_written: Of tensors.
        n_resumed: Tensors that an earlier, interrupted merge had written.
    """

    folder: Path
    seconds: float
    bytes_read: int
    bytes_written: int
    n_resumed: int


class Executor:
    """Runs merges.

    Args:
        threads: Tensors at work at once.
        run: Numbers of a run, where a method needs no more of a tensor at once.
        shard_bytes: Most bytes of an output file.
    """

    def __init__(self, threads: int = THREADS, run: int = RUN, shard_bytes: int = SHARD_BYTES) -> None:
        try:
            import numba  # noqa: F401  # only to say so before any work
        except ImportError as error:
            raise MissingExtraError("merging models", "numba", "merge") from error
        self._threads = max(1, threads)
        self._run = max(1, run)
        self._shard_bytes = shard_bytes

    def merge(self, plan: Plan, folder: Path) -> Merged:
        """Merge into a folder, going on from an earlier merge of the same plan.

        Raises:
            OutputError: The folder holds a model, another process merges into it, or the disk is full.
            CheckpointError: A file ends early, or numbers that are read or written are not finite.
        """
        begun = time.perf_counter()
        with disk_errors(folder), one_blas_thread():
            files = lay_out(plan, folder, self._shard_bytes)
            journal = open_journal(plan, files, folder)
            try:
                targets = [target for file in files for target in file.targets]
                todo = [target for target in targets if target.step.tensor.name not in journal.done]
                n_read = 0
                for target, n_bytes in _Work(plan, files, self._threads, self._run).through(todo):
                    journal.add(target.step.tensor.name)
                    n_read += n_bytes
                finish(plan, files, folder)
                journal.remove()
            finally:
                journal.close()
        n_written = sum(target.step.tensor.n_bytes for target in todo)
        seconds = time.perf_counter() - begun
        return Merged(folder, seconds, n_read, n_written, len(targets) - len(todo))


class _Work:
    """The work on the tensors of one merge."""

    def __init__(self, plan: Plan, files: Sequence[OutputFile], threads: int, run: int) -> None:
        self._files = files
        self._threads = threads
        self._computing = Computing(plan, threads, run)
        self._descriptors: dict[Path, int] = {}

    def through(self, todo: Sequence[Target]) -> Iterator[tuple[Target, int]]:
        """Write the tensors, the largest first; yields each with the bytes that were read for it."""
        if not todo:
            return
        total = sum(target.step.tensor.n_bytes for target in todo)
        self._descriptors = {file.path: os.open(file.path, os.O_WRONLY) for file in self._files}
        n_done = 0
        emit(Progress("merging, MB", 0, total // _MEGABYTE))
        try:
            for target, n_read in self._in_threads(todo):
                yield target, n_read
                n_done += target.step.tensor.n_bytes
                emit(Progress("merging, MB", n_done // _MEGABYTE, total // _MEGABYTE))
        finally:
            emit(Progress("merging, MB", n_done // _MEGABYTE, total // _MEGABYTE, finished=True))
            for descriptor in self._descriptors.values():
                os.close(descriptor)

    def _in_threads(self, todo: Sequence[Target]) -> Iterator[tuple[Target, int]]:
        found, n_read = self._computing.gather_model()
        with ThreadPoolExecutor(self._threads) as pool:
            largest = sorted(todo, key=lambda target: -target.step.tensor.n_bytes)
            try:
                running = {pool.submit(self._write, target, found): target for target in largest}
                for future in as_completed(running):
                    n_bytes, advice = future.result()
                    if advice:
                        note(advice)
                    yield running[future], n_read + n_bytes
                    n_read = 0
            finally:
                # On an error nothing new begins; what is at work still uses the open files.
                pool.shutdown(cancel_futures=True)

    def _write(self, target: Target, found: Gathering | None) -> tuple[int, str]:
        """Write one tensor; returns the bytes that were read, and what a user should know."""
        step, descriptor = target.step, self._descriptors[target.path]
        if step.is_copy:
            return step.n_bytes_read, _copy(step, descriptor, target.start)
        found, n_passes = self._computing.gather(step, found)
        for place, raw in self._computing.merged(step, found):
            _write_all(descriptor, raw, target.start + place)
        return (1 + n_passes) * step.n_bytes_read, ""


def _copy(step: Step, descriptor: int, place: int) -> str:
    """Copy the bytes of a tensor that no arithmetic is done with; returns what a user should know."""
    entry = step.inputs[0]
    is_same = True
    for offset in range(0, entry.n_bytes, 4 * RUN):
        n_bytes = min(4 * RUN, entry.n_bytes - offset)
        pieces = [_piece(other, offset, n_bytes) for other in step.inputs]
        is_same = is_same and all(piece == pieces[0] for piece in pieces)
        _write_all(descriptor, pieces[0], place + offset)
    if is_same:
        return ""
    return (
        f"'{entry.name}' holds {entry.dtype.name} and is not the same in all models: the one in {entry.path} "
        "is kept, since such numbers are not merged"
    )


def _piece(entry: Entry, offset: int, n_bytes: int) -> bytes:
    with OpenFile(entry.path) as file:
        return file.read(entry.start + offset, n_bytes)


def _write_all(descriptor: int, data: Any, place: int) -> None:
    """Write bytes at a place of a file."""
    view = memoryview(data)
    while view:
        n_bytes = os.pwrite(descriptor, view, place)
        view, place = view[n_bytes:], place + n_bytes
