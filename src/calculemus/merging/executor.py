"""Runs a merge: streams runs of numbers through a method, in memory that the model's size does not change.

Each tensor is read, merged and written by one thread, run by run; several threads work on several tensors. A
run is as long as the second cache of a core likes it. What is written depends on the plan alone, not on
threads, the length of runs, or how inputs are cut into files.
"""

import math
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from calculemus.checkpoint import Entry
from calculemus.checkpoint.reading import OpenFile
from calculemus.errors import CheckpointError, MissingExtraError, NotConformingError
from calculemus.events import Progress, emit, note
from calculemus.merging.base import Gathering, Numbers, Part
from calculemus.merging.buffers import Buffers, Reader, narrow_into
from calculemus.merging.output import OutputFile, Target, disk_errors, finish, lay_out, open_journal
from calculemus.merging.plan import SHARD_BYTES, Plan, Step
from calculemus.rng import Rng

RUN = 1 << 16
"""Numbers of a run: 256 KiB of float32 for each model."""
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
        with disk_errors(folder):
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
        self._plan = plan
        self._files = files
        self._threads = threads
        self._run = run
        self._buffers: SimpleQueue[Buffers] = SimpleQueue()
        self._descriptors: dict[Path, int] = {}

    def through(self, todo: Sequence[Target]) -> Iterator[tuple[Target, int]]:
        """Write the tensors, the largest first; yields each with the bytes that were read for it."""
        if not todo:
            return
        total = sum(target.step.tensor.n_bytes for target in todo)
        most = max(self._length(step) for step in self._plan.steps)
        n_models = 1 + max(len(step.inputs) for step in self._plan.steps)
        for _ in range(self._threads):
            self._buffers.put(Buffers(n_models, most))
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
        found, n_read = self._gather_model()
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

    def _length(self, step: Step) -> int:
        """Return how many numbers of a tensor a run takes."""
        shape = step.tensor.shape
        n = max(1, math.prod(shape))
        if self._plan.method.locality == "tensor":
            return n
        if self._plan.method.locality == "row" and shape:
            row = shape[-1] or 1
            return min(n, max(row, self._run // row * row))
        return min(n, self._run)

    def _gather_model(self) -> tuple[Gathering | None, int]:
        """Run the first passes of a method that looks at the whole model; returns the bytes read, too."""
        found = self._plan.method.gather() if self._plan.method.gathering_scope == "model" else None
        n_read = 0
        while found is not None:
            for step in self._plan.steps:
                if not step.is_copy:
                    n_read += step.n_bytes_read
                    for part in self._parts(step):
                        found.take(part)
            if found.is_complete():
                break
        return found, n_read

    def _write(self, target: Target, found: Gathering | None) -> tuple[int, str]:
        """Write one tensor; returns the bytes that were read, and what a user should know."""
        step, descriptor = target.step, self._descriptors[target.path]
        if step.is_copy:
            return step.n_bytes_read, _copy(step, descriptor, target.start)
        n_passes = 1
        if self._plan.method.gathering_scope == "tensor":
            found = self._plan.method.gather()
            n_passes += self._gather(step, found)
        dtype = step.tensor.dtype
        for part in self._parts(step):
            values = _as_run(self._plan.method.merge(part, found), part)
            raw = np.empty(len(values) * dtype.n_bytes, np.uint8)
            if not narrow_into(values, dtype, raw):
                raise _not_finite(part, values, step)
            _write_all(descriptor, raw, target.start + part.start * dtype.n_bytes)
        return n_passes * step.n_bytes_read, ""

    def _gather(self, step: Step, found: Gathering | None) -> int:
        """Run the first passes over a tensor; returns how many there were."""
        n_passes = 0
        while found is not None:
            n_passes += 1
            for part in self._parts(step):
                found.take(part)
            if found.is_complete():
                break
        return n_passes

    def _parts(self, step: Step) -> Iterator[Part]:
        """Yield a tensor's runs; each is good until the next."""
        length, n_all = self._length(step), math.prod(step.tensor.shape)
        parents = self._plan.parents[-len(step.inputs) :]
        # The same model given twice is drawn for twice.
        rng = [
            Rng(self._plan.seed, ("merge", step.tensor.name, parent, parents[:i].count(parent)))
            for i, parent in enumerate(parents)
        ]
        entries = ((step.base,) if step.base is not None else ()) + step.inputs
        buffers = self._buffers.get()
        try:
            with Reader(entries, buffers) as reader:
                for start in range(0, n_all, length):
                    numbers = reader.read(start, min(length, n_all - start))
                    base, inputs = (numbers[0], numbers[1:]) if step.base is not None else (_NOTHING, numbers)
                    yield Part(
                        name=step.tensor.name,
                        shape=step.tensor.shape,
                        start=start,
                        base=base,
                        inputs=list(inputs),
                        weights=step.weights,
                        values=step.values,
                        rng=rng,
                    )
        finally:
            self._buffers.put(buffers)


_NOTHING = np.empty(0, np.float32)


def _as_run(values: Numbers, part: Part) -> Numbers:
    """Return what a method gave as flat float32, and see that it is one number for each of the run's."""
    run = np.ascontiguousarray(values, np.float32).reshape(-1)
    n = len(part.inputs[0])
    if len(run) != n:
        raise NotConformingError(
            f"merging '{part.name}': the method returned {len(run)} numbers for a run of {n}; expected one "
            "for each"
        )
    return run


def _not_finite(part: Part, values: Numbers, step: Step) -> CheckpointError:
    place = int(np.argmax(np.abs(np.nan_to_num(values, nan=np.inf))))
    return CheckpointError(
        f"merging '{part.name}': number {part.start + place} of the merged tensor is {values[place]:g}; "
        f"expected numbers that {step.tensor.dtype.name} can hold. Choose another dtype (float32 or "
        "bfloat16), or a smaller scale"
    )


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
