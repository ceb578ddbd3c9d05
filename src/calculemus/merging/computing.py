"""The arithmetic of a merge: the runs of each tensor, read, gathered from and merged.

What comes out depends on the plan alone, not on threads, the length of runs, or how inputs are cut into
files.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint import Entry
from calculemus.errors import CheckpointError, NotConformingError
from calculemus.merging.base import Gathering, Numbers, Part, Precision
from calculemus.merging.buffers import Buffers, Reader, narrow_into
from calculemus.merging.plan import Change, Plan, Step
from calculemus.rng import Rng

RUN = 1 << 16
"""Numbers of a run: 256 KiB of float32 for each model."""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep products of matrices on the thread that asks for them: how they are cut up changes their bits."""
    from threadpoolctl import threadpool_limits  # late: it looks through all libraries that are loaded

    with threadpool_limits(1, user_api="blas"):
        yield


class Computing:
    """The arithmetic of one plan, in the memory of so many threads.

    Args:
        plan: What to compute.
        threads: Tensors at work at once.
        run: Numbers of a run, where a method needs no more of a tensor at once.
    """

    def __init__(self, plan: Plan, threads: int = 1, run: int = RUN) -> None:
        self._plan = plan
        self._run = run
        self._buffers: SimpleQueue[Buffers] = SimpleQueue()
        streamed = [step for step in plan.steps if not step.is_copy and not step.changes]
        most = max(map(self._length, streamed), default=0)
        n_models = max((len(step.entries) for step in streamed), default=0)
        for _ in range(threads):
            self._buffers.put(Buffers(n_models, most, plan.precision))

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

    def gather_model(self) -> tuple[Gathering | None, int]:
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

    def gather(self, step: Step, found: Gathering | None) -> tuple[Gathering | None, int]:
        """Run the first passes over a tensor, where its method wants them; returns how many there were."""
        if self._plan.method.gathering_scope == "model":
            return found, 0
        found, n_passes = self._plan.method.gather(), 0
        while found is not None:
            n_passes += 1
            for part in self._parts(step):
                found.take(part)
            if found.is_complete():
                break
        return found, n_passes

    def merged(self, step: Step, found: Gathering | None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield the bytes of a merged tensor, run by run, each with its place in the tensor."""
        dtype = step.tensor.dtype
        for part in self._parts(step):
            values = _as_run(self._plan.method.merge(part, found), part)
            raw = np.empty(len(values) * dtype.n_bytes, np.uint8)
            if not narrow_into(values, dtype, raw):
                raise _not_finite(part, values, step)
            yield part.start * dtype.n_bytes, raw

    def _parts(self, step: Step) -> Iterator[Part]:
        """Yield a tensor's runs; each is good until the next."""
        n_all = math.prod(step.tensor.shape)
        parents = self._plan.parents[-len(step.inputs) :]
        # The same model given twice is drawn for twice.
        rng = [
            Rng(self._plan.seed, ("merge", step.tensor.name, parent, parents[:i].count(parent)))
            for i, parent in enumerate(parents)
        ]
        for start, numbers in self._runs(step):
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
                extras=[_beside(e, start, len(numbers[0]), n_all, self._plan.precision) for e in step.extras],
            )

    def _runs(self, step: Step) -> Iterator[tuple[int, Sequence[Numbers]]]:
        """Yield where a run begins, and its numbers in the base, if it is used, and in each model."""
        if step.changes:
            pairs = zip(step.entries, step.changes, strict=True)
            yield 0, [_changed(entry, change, self._plan.precision) for entry, change in pairs]
            return
        length, n_all = self._length(step), math.prod(step.tensor.shape)
        buffers = self._buffers.get()
        try:
            with Reader(step.entries, buffers) as reader:
                for start in range(0, n_all, length):
                    yield start, list(reader.read(start, min(length, n_all - start)))
        finally:
            self._buffers.put(buffers)


_NOTHING: Numbers = np.empty(0, np.float32)


def read_whole(entry: Entry, precision: Precision = "float32") -> Numbers:
    """Return all numbers of a tensor, flat.

    Raises:
        CheckpointError: The file ends early, or a number is infinite or none.
    """
    with Reader([entry], Buffers(1, entry.n_elements, precision)) as reader:
        return reader.read(0, entry.n_elements)[0]


def _changed(entry: Entry, change: Change | None, precision: Precision) -> Numbers:
    """Return all numbers of a tensor, changed."""
    numbers = read_whole(entry, precision)
    if change is None:
        return numbers
    changed = np.asarray(change.apply(numbers.reshape(entry.shape)), precision, order="C")
    if changed.shape != change.shape:
        raise NotConformingError(
            f"changing '{entry.name}': {changed.shape} came out; expected {change.shape}, as the layout says"
        )
    return changed.reshape(-1)


def _beside(entry: Entry | None, start: int, n: int, n_all: int, precision: Precision) -> Numbers | None:
    """Return the run of a further tensor that lies beside the models'; all of it, if its size is another."""
    if entry is None:
        return None
    if entry.n_elements != n_all:
        return read_whole(entry, precision)
    with Reader([entry], Buffers(1, n, precision)) as reader:
        return reader.read(start, n)[0]


def _as_run(values: Numbers, part: Part) -> Numbers:
    """Return what a method gave, flat, and see that it is one number for each of the run's."""
    run = np.ascontiguousarray(values, part.inputs[0].dtype).reshape(-1)
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
