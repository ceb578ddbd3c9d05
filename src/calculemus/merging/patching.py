"""Applying patches: adding stored task vectors to a model, and taking them away again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from calculemus.checkpoint import Checkpoint
from calculemus.checkpoint.fingerprint import fingerprint
from calculemus.checkpoint.header import NewTensor
from calculemus.checkpoint.patch import Patch
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging.base import Numbers, Part, TensorMerge
from calculemus.merging.matching import check_weights
from calculemus.merging.plan import Plan, Step


@dataclass(frozen=True)
class AddPatches(TensorMerge):
    """Add task vectors that are numbers already to a model."""

    needs_base: ClassVar[bool] = True

    def merge(self, part: Part, found: Any) -> Numbers:
        """Add the weighted task vectors."""
        return part.on_base(part.weighted(part.inputs), 1.0)


def plan_patches(target: Checkpoint, patches: Sequence[Patch], scales: Sequence[float] | None = None) -> Plan:
    """Settle the adding of patches to a model; the executor runs it like a merge.

    Tensors that no patch has are copied. The target may be another model than the patches' base: then they
    carry over what was learned.

    Args:
        target: The model.
        patches: What is added.
        scales: One for each patch; 1 each if not given, -1 takes a patch away again.

    Raises:
        InvalidParameterError: There is no patch, or not one finite scale for each.
        CheckpointMismatchError: A patch has a tensor that the model lacks, or has in another shape.
    """
    given = list(scales) if scales is not None else [1.0] * len(patches)
    if not patches or len(given) != len(patches):
        raise InvalidParameterError(
            f"applying patches to {target.name}: there are {len(patches)} and {len(given)} scales; expected "
            "one or more, and one scale for each"
        )
    prints = [fingerprint(patch.deltas) for patch in patches]
    # The order that the user gave must change nothing, not even the last bit of a sum.
    order = sorted(range(len(patches)), key=lambda i: (prints[i], given[i]))
    for patch in patches:
        _check_fits(patch.deltas, target)
    check_weights("*", given)
    steps = tuple(
        _step(name, target, [patches[i].deltas for i in order], [given[i] for i in order])
        for name in sorted(target.entries)
    )
    parents = (fingerprint(target), *(prints[i] for i in order))
    return Plan(AddPatches(), steps, parents, 0, target.folder)


def _check_fits(deltas: Checkpoint, target: Checkpoint) -> None:
    for name, entry in deltas.entries.items():
        other = target.entries.get(name)
        if other is None or other.shape != entry.shape:
            found = "which it lacks" if other is None else f"which has the shape {other.shape} there"
            raise CheckpointMismatchError(
                f"applying {deltas.name} to {target.name}: it changes '{name}' of shape {entry.shape}, "
                f"{found}; expected a patch between models of this make"
            )


def _step(name: str, target: Checkpoint, patches: Sequence[Checkpoint], scales: Sequence[float]) -> Step:
    entry = target.entries[name]
    having = [(p.entries[name], scale) for p, scale in zip(patches, scales, strict=True) if name in p.entries]
    tensor = NewTensor(name, entry.dtype, entry.shape)
    if not having:
        return Step(tensor, None, (entry,), (1.0,), ({},), is_as_it_was=True)
    entries, weights = zip(*having, strict=True)
    return Step(tensor, entry, entries, weights, ({},) * len(entries))
