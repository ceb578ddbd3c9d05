"""What a merge will read, compute and write: settled from headers before a byte of a tensor is touched."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from calculemus.checkpoint import DTYPES, Checkpoint, Dtype, Entry
from calculemus.checkpoint.fingerprint import fingerprint
from calculemus.checkpoint.header import NewTensor
from calculemus.merging.base import Numbers, Precision, TensorMerge
from calculemus.merging.matching import as_dtype, check_alike, check_models, check_names, check_weights
from calculemus.params import digest

SHARD_BYTES = 5_000_000_000
"""Most bytes of one file, where a tensor does not take more by itself."""

Values = Callable[[str, int], dict[str, float]]
"""For a tensor and a model, the settings that a recipe gives it."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is done with a whole tensor, such as turning its heads or choosing rows.

    Attributes:
        key: Names by content what is done.
        shape: Of what comes out.
        apply: Takes the numbers in the shape they have in their file; returns new ones.
    """

    key: str
    shape: tuple[int, ...]
    apply: Callable[[Numbers], Numbers]


@dataclass(frozen=True, slots=True)
class Step:
    """One tensor of the merged model.

    Attributes:
        tensor: What is written.
        base: Where the base has it; None where there is no base.
        inputs: Where each model has it; if it is copied, the first one is.
        weights: One for each model.
        values: Settings of each model on this tensor.
        is_as_it_was: Whether the one input is the merged tensor.
        extras: Where each of the plan's further checkpoints has it; None where it does not.
        changes: What is done with each whole tensor before it is merged, the base's first; empty for nothing.
    """

    tensor: NewTensor
    base: Entry | None
    inputs: tuple[Entry, ...]
    weights: tuple[float, ...]
    values: tuple[dict[str, float], ...]
    is_as_it_was: bool = False
    extras: tuple[Entry | None, ...] = ()
    changes: tuple[Change | None, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What is read side by side: of the base, if it is used, and of each model."""
        return ((self.base,) if self.base is not None else ()) + self.inputs

    @property
    def is_copy(self) -> bool:
        """Whether the bytes are taken as they are."""
        is_adapted = any(entry.low_rank is not None for entry in self.inputs)
        return (self.is_as_it_was and not is_adapted) or not self.inputs[0].dtype.is_float

    @property
    def n_bytes_read(self) -> int:
        """Bytes that one pass reads."""
        if self.is_copy:
            return sum(entry.n_bytes for entry in self.inputs)
        return sum(entry.n_bytes for entry in (*self.entries, *filter(None, self.extras)))


@dataclass(frozen=True)
class Plan:
    """A merge, settled.

    Attributes:
        method: Merges the tensors.
        steps: One for each tensor of the merged model, in order.
        parents: Fingerprints of the models, in the plan's order, the base first if there is one.
        seed: Of the method's draws.
        folder: Whose configuration and tokenizer the merged model gets.
        config: What changes in the configuration.
        read: Fingerprints of what is read beside the models.
        precision: What the merge is computed in.
    """

    method: TensorMerge
    steps: tuple[Step, ...]
    parents: tuple[str, ...]
    seed: int
    folder: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    read: tuple[str, ...] = ()
    precision: Precision = "float32"

    @property
    def digest(self) -> str:
        """Names by content everything that the merged bytes depend on."""
        steps = [
            [s.tensor.name, s.tensor.dtype.name, list(s.tensor.shape), list(s.weights), list(s.values)]
            + [change.key for change in s.changes if change is not None]
            for s in self.steps
        ]
        method = {"name": type(self.method).__name__, "params": self.method.params()}
        return digest([method, steps, list(self.parents), self.seed, list(self.read), self.precision])

    @property
    def n_bytes_written(self) -> int:
        """Bytes of the merged tensors."""
        return sum(step.tensor.n_bytes for step in self.steps)

    def shards(self, most: int = SHARD_BYTES) -> list[list[Step]]:
        """Share the tensors out to files, in order."""
        files: list[list[Step]] = [[]]
        size = 0
        for step in self.steps:
            if files[-1] and size + step.tensor.n_bytes > most:
                files.append([])
                size = 0
            files[-1].append(step)
            size += step.tensor.n_bytes
        return files


def plan_merge(
    method: TensorMerge,
    models: Sequence[Checkpoint],
    base: Checkpoint | None = None,
    *,
    weights: Sequence[float] | None = None,
    values: Values | None = None,
    dtype: str | None = None,
    seed: int = 0,
    extras: Sequence[Checkpoint] = (),
    precision: Precision = "float32",
) -> Plan:
    """Settle a merge.

    Args:
        method: Merges the tensors.
        models: What is merged.
        base: What they were made from.
        weights: One for each model; 1 each if not given.
        values: Settings that depend on tensor and model.
        dtype: Of the merged model's floating-point tensors; None for the base's, or else the widest.
        seed: Of the method's draws.
        extras: What else the method reads beside each tensor, such as masks or statistics; see ``Part``.
        precision: What the merge is computed in; each number is rounded once, when it is written.

    Raises:
        InvalidParameterError: The method needs a base, another number of models, or one finite weight for
            each.
        CheckpointMismatchError: A tensor is not in every model, or has another shape or kind in one of them.
    """
    check_models(method, models, base, weights)
    given = list(weights) if weights is not None else [1.0] * len(models)
    prints = _tell_apart(models)
    # The order that the user gave must change nothing, not even the last bit of a sum.
    order = list(range(len(models)))
    if not method.is_ordered:
        order.sort(key=lambda i: (prints[i], given[i]))
    reference = base or models[order[0]]
    for model in models:
        check_names(model, reference)
    wanted = None if dtype is None else as_dtype(dtype)
    ordered = [models[i] for i in order]
    # In the order of names: that of files and bytes is the same model's, however it is cut into files.
    steps = [
        _step(name, ordered, base, method, [given[i] for i in order], wanted)
        for name in sorted(reference.entries, key=_natural)
    ]
    if values is not None:
        steps = [_with_values(step, values, order) for step in steps]
    for step in steps:
        check_weights(step.tensor.name, step.weights)
        if not step.is_copy:
            method.check_weights(step.tensor.name, step.weights)
    if extras:
        steps = [replace(s, extras=tuple(x.entries.get(s.tensor.name) for x in extras)) for s in steps]
    read = tuple(fingerprint(extra) for extra in extras)
    parents = ((fingerprint(base),) if base else ()) + tuple(prints[i] for i in order)
    config = {} if dtype is None else {_dtype_name(reference): dtype}
    return Plan(method, tuple(steps), parents, seed, reference.folder, config, read, precision)


def _tell_apart(models: Sequence[Checkpoint]) -> list[str]:
    """Return a name by content for each model; by all of it, where samples do not tell two models apart."""
    prints = [fingerprint(model) for model in models]
    if len(set(prints)) == len(prints):
        return prints
    return [
        model.digest() if prints.count(found) > 1 else found
        for model, found in zip(models, prints, strict=True)
    ]


def _natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts names by the numbers in them: layer 9 before layer 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _dtype_name(model: Checkpoint) -> str:
    """Return what its configuration calls the dtype: newer ones say 'dtype'."""
    return "dtype" if "dtype" in model.config else "torch_dtype"


def _step(
    name: str,
    models: Sequence[Checkpoint],
    base: Checkpoint | None,
    method: TensorMerge,
    weights: Sequence[float],
    dtype: Dtype | None,
) -> Step:
    entries = [model.entries[name] for model in models]
    first = base.entries[name] if base is not None else entries[0]
    for model, entry in zip(models, entries, strict=True):
        check_alike(first, entry, model)
    if not first.dtype.is_float:
        # The base's, if there is one, is the one that is copied.
        inputs = (first, *entries) if base is not None else tuple(entries)
        return Step(NewTensor(name, first.dtype, first.shape), None, inputs, (), ())
    out = dtype or (first.dtype if base is not None else _widest(entries))
    at_base = first if base is not None and method.needs_base else None
    return Step(
        NewTensor(name, out, first.shape), at_base, tuple(entries), tuple(weights), ({},) * len(entries)
    )


def _widest(entries: Sequence[Entry]) -> Dtype:
    """Return the dtype that holds the numbers of all: the longest one, or float32 where two are as long."""
    longest = max(entry.dtype.n_bytes for entry in entries)
    names = sorted({entry.dtype.name for entry in entries if entry.dtype.n_bytes == longest})
    return DTYPES[names[0] if len(names) == 1 else "F32"]


def _with_values(step: Step, values: Values, order: Sequence[int]) -> Step:
    if step.is_copy:
        return step
    given = [dict(values(step.tensor.name, i)) for i in order]
    weights = [given[place].pop("weight", weight) for place, weight in enumerate(step.weights)]
    return replace(step, weights=tuple(weights), values=tuple(given))
