"""DuET: old and new task vectors weighed tensor by tensor by their lengths, and heads joined end to end."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np

from calculemus.checkpoint import Checkpoint, Entry
from calculemus.checkpoint.header import NewTensor
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging.base import Numbers, Part, TensorMerge, scaled
from calculemus.merging.gathering import Products
from calculemus.merging.plan import Change, Plan, Step, plan_merge
from calculemus.params import AtLeast, Between


@dataclass(frozen=True)
class Duet(TensorMerge):
    """Add the old and the new task vector to the base, the longer one with the larger share.

    Source: Monga et al. 2025, arXiv:2506.21260, by public summaries; the paper was not read. The first model
    is the one before the new task, the second the one behind it. A layer is a tensor. Heads are not summed:
    the new one's rows come behind the old one's; see ``plan_duet``.

    Attributes:
        alpha_base: Share of the old task vector where both are as long.
        gamma: Most by which that share moves.
        epsilon: Added to the length of the sum.
        heads: Pattern of the names of heads; none if empty.
    """

    needs_base: ClassVar[bool] = True
    fewest: ClassVar[int] = 2
    most: ClassVar[int | None] = 2
    takes_weights: ClassVar[bool] = False
    is_ordered: ClassVar[bool] = True

    alpha_base: Annotated[float, Between(0, 1)] = 0.5  # our own
    gamma: Annotated[float, Between(0, 1)] = 0.2  # our own
    epsilon: Annotated[float, AtLeast(0)] = 1e-8  # our own
    heads: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            re.compile(self.heads)
        except re.error as error:
            raise InvalidParameterError(
                f"{type(self).__name__}: parameter 'heads' is {self.heads!r}: {error}; expected a "
                "regular expression"
            ) from error

    def is_head(self, name: str) -> bool:
        """Say whether a tensor is a head's."""
        return bool(self.heads) and re.search(self.heads, name) is not None

    def gather(self) -> Products:
        """Sum the squares of the old and the new task vector, and of their sum."""
        return Products(_vectors)

    def merge(self, part: Part, found: Products) -> Numbers:
        """Add both task vectors by their shares; a head's rows stand in one of the two alone."""
        if not len(part.base):
            return part.inputs[0] + part.inputs[1]
        old, new, together = (math.sqrt(found.sums[i, i]) for i in range(3))
        alpha = self.share(old, new, together)
        tau_old, tau_new = part.deltas()
        return part.on_base(scaled(tau_old, alpha) + scaled(tau_new, 1 - alpha), 1.0)

    def share(self, old: float, new: float, together: float) -> float:
        """Return the old task vector's share (alpha_l), from both lengths and that of their sum."""
        difference, length = old - new, together + self.epsilon
        # Without an epsilon two opposed vectors of one length say nothing.
        ratio = difference / length if length else math.copysign(math.inf, difference) if difference else 0.0
        return self.alpha_base + self.gamma * math.tanh(ratio)


def _vectors(part: Part) -> Sequence[Numbers]:
    if not len(part.base):
        return part.inputs
    old, new = part.deltas()
    return old, new, old + new


def plan_duet(method: Duet, old: Checkpoint, new: Checkpoint, base: Checkpoint) -> Plan:
    """Settle the merge of two models whose heads may have other sizes; they are joined row by row.

    Raises:
        InvalidParameterError: The pattern matches no tensor, or all of them.
        CheckpointMismatchError: The models do not fit each other; or heads that cannot be joined.
    """
    names = [name for name in old if method.is_head(name)]
    if len(names) in (0, len(old)):
        raise InvalidParameterError(
            f"DuET: the pattern of heads '{method.heads}' matches {len(names)} of the {len(old)} tensors of "
            f"{old.name}; expected some of them, and not all"
        )
    shared = [
        replace(model, entries={n: e for n, e in model.entries.items() if not method.is_head(n)})
        for model in (old, new, base)
    ]
    plan = plan_merge(method, shared[:2], shared[2])
    return replace(plan, steps=(*plan.steps, *(_joined(old.entry(n), new.entry(n)) for n in names)))


def _joined(old: Entry, new: Entry) -> Step:
    """Return the step that puts the new head's rows behind the old one's."""
    if not old.shape or old.shape[1:] != new.shape[1:] or not (old.dtype.is_float and new.dtype.is_float):
        raise CheckpointMismatchError(
            f"DuET: joining the head '{old.name}': the old one is {old.dtype.name} {old.shape}, the new one "
            f"{new.dtype.name} {new.shape}; expected rows of one length of floating-point numbers"
        )
    n_rows = old.shape[0] + new.shape[0]
    shape = (n_rows, *old.shape[1:])
    changes = (_padded(old, 0, shape), _padded(new, old.shape[0], shape))
    tensor = NewTensor(old.name, old.dtype, shape)
    return Step(tensor, None, (old, new), (1.0, 1.0), ({}, {}), changes=changes)


def _padded(head: Entry, before: int, shape: tuple[int, ...]) -> Change:
    """Return what puts a head's rows at their place among zeros."""

    def apply(numbers: Numbers) -> Numbers:
        rows = np.zeros(shape, np.float32)
        rows[before : before + head.shape[0]] = numbers
        return rows

    return Change(f"rows {before} of {shape[0]}", shape, apply)
