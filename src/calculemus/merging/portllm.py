"""PortLLM: a patch that was trained on an old base, added to a newer one."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from calculemus.merging.base import Numbers, Part, Scope, TensorMerge
from calculemus.merging.carrying_over import carried_over
from calculemus.merging.portability import Moving
from calculemus.params import Between


@dataclass(frozen=True)
class PortLLM(TensorMerge):
    """Add to a new base what a model learned on top of an old one; nothing is trained.

    Source: Khan et al. 2024, arXiv:2410.10870: theta'_p = theta' + Delta W, with the patch
    Delta W = (alpha / r) B A of the old base. The base of the merge is the new one, theta'. Of its two models
    the first is the patched old one (theta + Delta W, for example ``OLD+ADAPTER``) and the second the old
    base theta, so that a patch may be an adapter as well as a whole fine-tuned model. Beforehand all is read
    once to see how far the base has moved; where it moved far, or the patch is empty, a note says so
    (``portability``). Where that limit lies is not in the paper: it is where our small experiment saw
    patches fail.

    Attributes:
        scale: Of the patch.
    """

    needs_base: ClassVar[bool] = True
    fewest: ClassVar[int] = 2
    most: ClassVar[int | None] = 2
    takes_weights: ClassVar[bool] = False
    is_ordered: ClassVar[bool] = True

    scale: Annotated[float, Between(-10, 10)] = 1.0  # paper: added as it is

    @property
    def gathering_scope(self) -> Scope:
        """The whole model: the report is of all tensors together."""
        return "model"

    def gather(self) -> Moving:
        """Measure how far the base has moved, and warn."""
        return Moving()

    def merge(self, part: Part, found: Moving) -> Numbers:
        """Add the patch to the new base."""
        return carried_over(part, self.scale)
