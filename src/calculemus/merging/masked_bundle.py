"""Many models in one bundle: the sum of their task vectors, and for each model one bit a weight.

    save_bundle(folder, {"math": math, "code": code}, base)
    bundle = MaskedBundle.open(folder)
    Executor().merge(bundle.plan("math", base), out)          # nearly the model itself

The bits are TALL masks; see ``tall_mask``. Only the base is needed besides, and it stays where it is.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint import DTYPES, Checkpoint, Entry, TaskVector, packed_mask
from calculemus.checkpoint.fingerprint import fingerprint
from calculemus.checkpoint.header import NewTensor, write_header
from calculemus.errors import CheckpointError, CheckpointMismatchError, InvalidParameterError
from calculemus.files import replacing
from calculemus.merging.base import Numbers
from calculemus.merging.patching import AddPatches
from calculemus.merging.plan import Change, Plan, Step
from calculemus.merging.tall_mask import THRESHOLD, THRESHOLDS, tall_masks

if TYPE_CHECKING:
    from calculemus.merging.calibration import Trial
    from calculemus.tuning.weights import Weights

_FILE = "bundle.json"
_VECTOR = "vector.safetensors"


@dataclass(frozen=True)
class MaskedBundle:
    """A sum of task vectors and a mask for each task.

    Attributes:
        vector: The sum.
        masks: By task, the packed bits of each tensor.
        base: Fingerprint of the model that the sum is added to.
        thresholds: By task, what its mask was made with.
    """

    vector: Checkpoint
    masks: Mapping[str, Checkpoint]
    base: str
    thresholds: Mapping[str, float]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a bundle; reads headers only.

        Raises:
            CheckpointError: It cannot be read.
        """
        try:
            found = json.loads((folder / _FILE).read_text("utf-8"))
            base, thresholds = str(found["base"]), {str(n): float(v) for n, v in found["tasks"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"opening the bundle {folder}: {type(error).__name__}: {error}; expected a folder that "
                "save_bundle wrote"
            ) from error
        masks = {task: Checkpoint.open(folder / _mask(i)) for i, task in enumerate(thresholds)}
        return cls(Checkpoint.open(folder / _VECTOR), masks, base, thresholds)

    @property
    def n_bytes(self) -> int:
        """Of the sum and all masks, the base not counted."""
        return self.vector.n_bytes + sum(mask.n_bytes for mask in self.masks.values())

    def task_vector(self, task: str) -> TaskVector:
        """Return what is added to the base for a task; its numbers are read when asked for.

        Raises:
            InvalidParameterError: There is no such task.
        """
        mask = self._mask(task)
        return TaskVector.between(self.vector) @ packed_mask({name: _bits(mask, name) for name in mask})

    def plan(self, task: str, base: Checkpoint) -> Plan:
        """Settle the making of one task's model; the executor runs it like a merge.

        Raises:
            InvalidParameterError: There is no such task.
            CheckpointMismatchError: It is another base than that of the bundle.
        """
        mask, found = self._mask(task), fingerprint(base)
        if found != self.base:
            raise CheckpointMismatchError(
                f"making the model of '{task}': the base {base.name} has the fingerprint {found}; expected "
                f"{self.base}, the one that the bundle was made with. Give that one"
            )
        steps = tuple(self._step(entry, mask) for _, entry in sorted(base.entries.items()))
        parents = (found, fingerprint(self.vector))
        return Plan(AddPatches(), steps, parents, 0, base.folder, read=(fingerprint(mask),))

    def _step(self, entry: Entry, mask: Checkpoint) -> Step:
        name, tensor = entry.name, NewTensor(entry.name, entry.dtype, entry.shape)
        if not entry.dtype.is_float:
            return Step(tensor, None, (entry,), (1.0,), ({},), is_as_it_was=True)

        def masked(numbers: Numbers) -> Numbers:
            kept = np.unpackbits(_bits(mask, name), count=numbers.size).astype(bool)
            return np.where(kept.reshape(numbers.shape), numbers, np.float32(0))

        change = Change(f"mask:{mask.digest()}", entry.shape, masked)
        return Step(tensor, entry, (self.vector.entry(name),), (1.0,), ({},), changes=(None, change))

    def counts(self) -> list[int]:
        """Return how many weights are used by no task, by exactly one, by two, and so on.

        The first are the catastrophic weights, the second the selfish ones; the others are general.
        """
        total = np.zeros(len(self.masks) + 1, np.int64)
        for name, entry in self.vector.entries.items():
            bits = [np.unpackbits(_bits(mask, name), count=entry.n_elements) for mask in self.masks.values()]
            users = np.sum(bits, axis=0, dtype=np.int64)
            total += np.bincount(users, minlength=len(total))
        return total.tolist()

    def _mask(self, task: str) -> Checkpoint:
        if task not in self.masks:
            raise InvalidParameterError(
                f"looking for the task '{task}' in a bundle: it has {', '.join(self.masks)}; expected one of "
                "these"
            )
        return self.masks[task]


def save_bundle(
    folder: Path,
    models: Mapping[str, Checkpoint],
    base: Checkpoint,
    thresholds: Sequence[float] | None = None,
) -> MaskedBundle:
    """Write the sum of task vectors and a mask for each; a piece of a tensor at a time.

    Args:
        folder: Where to.
        models: By task.
        base: What they were made from.
        thresholds: One for each mask; 0.4 each if not given, since there is no data to choose them by.

    Raises:
        InvalidParameterError: There is no model, or not one threshold for each, of 0 or more.
        CheckpointMismatchError: The models do not have the same tensors.
        CheckpointError: A file ends early.
        OutputError: The folder cannot be written.
    """
    limits = [THRESHOLD] * len(models) if thresholds is None else list(thresholds)
    if not models or len(limits) != len(models) or not all(limit >= 0 for limit in limits):
        raise InvalidParameterError(
            f"bundling {len(models)} models with the thresholds {limits}; expected one model or more, and a "
            "threshold for each, of 0 or more"
        )
    vectors = [TaskVector.between(model, base) for model in models.values()]
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, vectors, limits)
    found = {"base": fingerprint(base), "tasks": dict(zip(models, limits, strict=True))}
    with replacing(folder / _FILE) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return MaskedBundle.open(folder)


def choose_thresholds(trial: "Trial", values: Sequence[float] = THRESHOLDS) -> list[float]:
    """Return for each model the threshold at which its mask does best on its task's rows to choose by.

    Args:
        trial: With one task for each model, in the same order.
        values: What is tried; of those that do as well, the first is taken.

    Raises:
        InvalidParameterError: There is not one task for each model.
    """
    from calculemus.tuning.tasks import measure
    from calculemus.tuning.weights import carrying

    found = list[float]()
    for number, (_, task) in enumerate(trial.pairs("choosing thresholds of masks")):
        accuracies = list[float]()
        for value in values:
            with carrying(trial.model, masked_weights(trial, number, value)):
                accuracies.append(measure(trial.model, [task], "dev")[task.name].accuracy)
        found.append(values[accuracies.index(max(accuracies))])
    return found


def masked_weights(trial: "Trial", number: int, threshold: float) -> "Weights":
    """Return the base and what a model's mask leaves of the sum of all task vectors, in memory."""
    import torch

    weights = dict[str, torch.Tensor]()
    for name, at_base in trial.base_weights.items():
        deltas = [(tuned[name] - at_base).numpy() for tuned in trial.tuned_weights]
        total = _added(deltas)
        (mask,) = tall_masks([deltas[number]], total, [threshold])
        weights[name] = at_base + torch.from_numpy(np.where(mask, total, np.float32(0)))
    return weights


def _mask(number: int) -> str:
    return f"mask-{number}.safetensors"


def _bits(mask: Checkpoint, name: str) -> NDArray[np.uint8]:
    return np.frombuffer(mask.read_bytes(name), np.uint8)


def _added(arrays: Sequence[Numbers]) -> Numbers:
    return reduce(np.add, arrays)


def _write(folder: Path, vectors: Sequence[TaskVector], limits: Sequence[float]) -> None:
    names, numbers, bits = vectors[0].names, DTYPES["F32"], DTYPES["U8"]
    shapes = {name: vectors[0].shape(name) for name in names}
    n_bytes = {name: -(-int(np.prod(shape)) // 8) for name, shape in shapes.items()}
    tensors = [NewTensor(name, numbers, shapes[name]) for name in names]
    packed = [NewTensor(name, bits, (n_bytes[name],)) for name in names]
    paths = [folder / _VECTOR, *(folder / _mask(i) for i in range(len(vectors)))]
    with ExitStack() as stack:
        files = [stack.enter_context(stack.enter_context(replacing(path)).open("wb")) for path in paths]
        for file, held in zip(files, [tensors, *[packed] * len(vectors)], strict=True):
            file.write(write_header(held, {"format": "pt"})[0])
        for name in names:
            for total, masks in _runs(name, vectors, limits):
                for file, data in zip(files, [total, *map(np.packbits, masks)], strict=True):
                    file.write(data.tobytes())


def _runs(
    name: str, vectors: Sequence[TaskVector], limits: Sequence[float]
) -> Iterator[tuple[Numbers, list[NDArray[np.bool_]]]]:
    """Yield the sum and the masks of a tensor, in runs of whole bytes of bits."""
    for runs in zip(*(vector.pieces(name) for vector in vectors), strict=True):
        total = _added(runs)
        yield total, tall_masks(runs, total, limits)
