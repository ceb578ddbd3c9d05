"""Pre-flight on samples of numbers: damage, and whether the base is what the models were made from.

Runs of numbers are spread evenly over each tensor; sums over a tensor are extrapolated from its runs.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint import Checkpoint, Entry
from calculemus.checkpoint.bits import to_float32
from calculemus.checkpoint.low_rank import Change
from calculemus.checkpoint.reading import OpenFile
from calculemus.merging.layers import address
from calculemus.merging.preflight_findings import Finding

MOST_RUNS = 4096
"""Of one model: what makes the time independent of its size."""
_RUNS = 8
_RUN = 512
FAR = 0.5
"""A fine-tuned model lies nearer to its base than this share of the base's norm."""
UNRELATED = 0.7
"""Models of one base lie nearer to each other; the distance of unrelated ones is about 1.4 norms."""
ALIKE = 0.95
"""Task vectors of other data are nearly at right angles; a cosine above this has a cause in the base."""
_SHOWN = 3
_TABLES = ("embed", "head")


@dataclass
class _Sums:
    """Scalar products between differences, extrapolated to all sampled tensors.

    Attributes:
        n_models: The reference not counted.
        base: Square of the reference's norm.
        dots: (model, model) products of differences to the reference.
        differs: Of each model, whether any sample differs from the reference's.
    """

    n_models: int
    base: float = 0.0
    dots: NDArray[np.float64] = field(init=False)
    differs: list[bool] = field(init=False)

    def __post_init__(self) -> None:
        self.dots = np.zeros((self.n_models, self.n_models))
        self.differs = [False] * self.n_models

    def take(self, entry: Entry, samples: Sequence[NDArray[np.float32] | None]) -> None:
        """Take the samples of a tensor, the reference's first; None where a model has no such numbers."""
        base = samples[0]
        runs = [
            found for found in samples if base is not None and found is not None and found.size == base.size
        ]
        for i, found in enumerate(samples[1:]):
            self.differs[i] |= base is None or found is None or not np.array_equal(found, base)
        # Rows of embeddings may stand in another order, which says nothing about ancestors.
        is_table = address(entry.name).part in _TABLES
        if is_table or len(runs) < len(samples) or not all(np.isfinite(run).all() for run in runs):
            return
        stacked = np.stack(runs).astype(np.float64)
        deltas = stacked[1:] - stacked[0]
        # Each number stands for as many of the tensor's.
        weight = entry.n_elements / len(stacked[0])
        self.base += weight * float(stacked[0] @ stacked[0])
        self.dots += weight * (deltas @ deltas.T)


def check_samples(models: Sequence[Checkpoint], base: Checkpoint | None) -> Iterator[Finding]:
    """Yield what samples of the numbers show.

    Raises:
        CheckpointError: A file ends early, or cannot be read.
    """
    given = [base if base is not None else models[0], *(models if base is not None else models[1:])]
    sums = _Sums(len(given) - 1)
    damaged: dict[str, list[str]] = {}
    names = [name for name, entry in given[0].entries.items() if entry.dtype.is_float and entry.n_elements]
    n_runs = max(1, min(_RUNS, MOST_RUNS // max(1, len(names))))
    for name in names:
        entries = [model.entries.get(name) for model in given]
        samples = [sample(entry, n_runs) if _is_readable(entry) else None for entry in entries]
        for model, found in zip(given, samples, strict=True):
            if found is not None and not np.isfinite(found).all():
                damaged.setdefault(model.name, []).append(name)
        sums.take(given[0].entries[name], samples)
    for model in given:
        if model.name in damaged:
            yield _damage(model, damaged[model.name])
    yield from _judge(given, sums, has_base=base is not None)


def _is_readable(entry: Entry | None) -> bool:
    return entry is not None and entry.dtype.is_float and entry.n_elements > 0


def sample(entry: Entry | None, n_runs: int = _RUNS) -> NDArray[np.float32]:
    """Return runs of a tensor's numbers, spread evenly and joined; all of a small one."""
    if entry is None:
        return np.empty(0, np.float32)
    n = entry.n_elements
    starts = [0] if n <= n_runs * _RUN else [(n - _RUN) * i // max(1, n_runs - 1) for i in range(n_runs)]
    length = n if n <= n_runs * _RUN else _RUN
    found = []
    with ExitStack() as opened:
        file = opened.enter_context(OpenFile(entry.path))
        change = Change(entry.low_rank, _read) if entry.low_rank is not None else None
        for start in starts:
            data = file.read(entry.start + start * entry.dtype.n_bytes, length * entry.dtype.n_bytes)
            numbers = to_float32(data, entry.dtype)
            if change is not None:
                change.add_to(numbers, start)
            found.append(numbers)
    return np.concatenate(found)


def _read(entry: Entry) -> bytes:
    with OpenFile(entry.path) as file:
        return file.read(entry.start, entry.n_bytes)


def _damage(model: Checkpoint, names: Sequence[str]) -> Finding:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    shown = ", ".join(f"'{name}' in {model.entries[name].path.name}" for name in names[:_SHOWN])
    return Finding(
        "error",
        "numbers",
        f"{model.name} has numbers that are infinite or none: {shown}{more}",
        "finite numbers of float32",
        "The model is damaged, or its training diverged: fetch it again, or leave it out",
    )


def _judge(given: Sequence[Checkpoint], sums: _Sums, *, has_base: bool) -> Iterator[Finding]:
    """Say what the lengths of the differences and the angles between them mean."""
    reference, models = given[0], given[1:]
    size = math.sqrt(sums.base)
    lengths = [math.sqrt(max(0.0, float(sums.dots[i, i]))) for i in range(len(models))]
    for model, length, differs in zip(models, lengths, sums.differs, strict=True):
        if not differs:
            what = "the base itself" if has_base else f"the same model as {reference.name}"
            yield Finding(
                "note", "ancestor", f"{model.name} is {what}, as far as samples show", fix="Leave it out"
            )
        elif size and length / size > (FAR if has_base else UNRELATED):
            yield _far(model, reference, length / size, has_base=has_base)
    if has_base:
        yield from _judge_angles(models, reference, sums, lengths)


def _far(model: Checkpoint, reference: Checkpoint, ratio: float, *, has_base: bool) -> Finding:
    if has_base:
        return Finding(
            "warning",
            "ancestor",
            f"{model.name} lies {ratio:.2f} times the norm of {reference.name} away from it",
            f"at most {FAR:g} for a model that was made from it",
            f"{reference.name} looks like the wrong base: name the model that {model.name} was trained from "
            "as --base",
        )
    return Finding(
        "warning",
        "ancestor",
        f"{model.name} and {reference.name} lie {ratio:.2f} norms apart",
        f"at most {UNRELATED:g} for models that were made from one",
        "Averages of models without a common ancestor do not work: leave one of them out",
    )


def _judge_angles(
    models: Sequence[Checkpoint], reference: Checkpoint, sums: _Sums, lengths: Sequence[float]
) -> Iterator[Finding]:
    for i in range(len(models)):
        for j in range(i + 1, len(models)):
            product = lengths[i] * lengths[j]
            cosine = float(sums.dots[i, j]) / product if product else 0.0
            if cosine <= ALIKE:
                continue
            apart = float(sums.dots[i, i] + sums.dots[j, j] - 2 * sums.dots[i, j])
            if apart <= 1e-12 * product:
                yield Finding(
                    "note",
                    "ancestor",
                    f"{models[i].name} and {models[j].name} are the same model, as far as samples show",
                    fix="Leave one of them out, or give it a weight",
                )
                continue
            yield Finding(
                "warning",
                "ancestor",
                f"the task vectors of {models[i].name} and {models[j].name} have a cosine of {cosine:.3f}",
                f"at most {ALIKE:g}",
                f"Both seem to be made from a later model than {reference.name}: name that one as --base",
            )
