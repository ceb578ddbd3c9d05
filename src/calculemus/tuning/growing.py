"""New layers that come in slowly: what they add to the stream is multiplied by a number that rises to 1."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass
class Mask:
    """What multiplies the additions of new layers.

    Attributes:
        value: From 0 for layers that are not there to 1 for layers that count in full.
    """

    value: float = 0.0


@contextmanager
def masked(projections: list[nn.Module], mask: Mask) -> Iterator[Mask]:
    """Have the outputs of projections into the stream multiplied by a mask; no hook stays behind.

    Source: Du et al. 2024, arXiv:2405.15319, the operator with random weights, after "masked" growth.

    Args:
        projections: Of the new layers, attention's and the MLP's.
        mask: Its value may change from step to step.
    """

    def scale(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        return output * mask.value

    hooks = [module.register_forward_hook(scale) for module in projections]
    try:
        yield mask
    finally:
        for hook in hooks:
            hook.remove()
