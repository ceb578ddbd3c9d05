"""A soft mask over weights that is learnt: each value the chance of a coin, drawn in a relaxed way."""

from collections.abc import Callable, Mapping
from math import prod

import torch
from torch import Tensor

from calculemus.errors import InvalidParameterError
from calculemus.rng import Rng
from calculemus.tuning.weights import Weights

LEAST_MEAN = 1e-3
_TINY = 1e-7  # keeps the logarithms of a uniform number finite
_LEAST = 1e-30  # a few coins may all come out as next to nothing, and are divided by it all the same


class SharedMask:
    """Logits of a mask, one for each number of a tensor or for several together.

    Source: Tang et al. 2023, arXiv:2312.06173, section 3.1: the concrete distribution of Maddison et al. and
    Jang et al.

    Args:
        like: Tensors that are to be masked.
        covered: How many numbers of a tensor of some shape share a logit.
        temperature: Of the draws; the lower, the nearer they come to 0 and 1.

    Attributes:
        logits: By name, flat; 0 at first.
    """

    def __init__(self, like: Weights, covered: Callable[[tuple[int, ...]], int], temperature: float) -> None:
        self._shapes = {name: tuple(tensor.shape) for name, tensor in like.items()}
        self._covered = {name: covered(shape) for name, shape in self._shapes.items()}
        self._temperature = temperature
        self.logits = {
            name: torch.zeros(-(-prod(shape) // self._covered[name]), requires_grad=True)
            for name, shape in self._shapes.items()
        }

    def draw(self, rng: Rng) -> dict[str, Tensor]:
        """Return relaxed coins: sigmoid((logit + log u - log(1 - u)) / temperature), u uniform."""
        drawn = {}
        for name, logits in self.logits.items():
            uniform = torch.from_numpy(rng.child(name).generator().random(len(logits), "float32"))
            uniform = uniform.clamp(_TINY, 1 - _TINY)
            noise = uniform.log() - (1 - uniform).log()
            drawn[name] = torch.sigmoid((logits + noise) / self._temperature)
        return drawn

    def expected(self) -> dict[str, Tensor]:
        """Return the chance of each coin, sigmoid(logit): the mask without its noise.

        Raises:
            InvalidParameterError: The mask of a tensor lets next to nothing through.
        """
        chances = {name: torch.sigmoid(logits) for name, logits in self.logits.items()}
        for name, flat in chances.items():
            mean = float(flat.detach().mean()) if len(flat) else 1.0
            if mean < LEAST_MEAN:
                raise InvalidParameterError(
                    f"masking '{name}': the mean of its mask is {mean:.2g}; expected at least {LEAST_MEAN}, "
                    "to divide by. Learn at a lower rate, or for fewer steps"
                )
        return chances

    def rescaled(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the values of each tensor divided by their mean over its numbers."""
        return {
            name: flat / self._spread(name, flat).mean().clamp_min(_LEAST) if len(flat) else flat
            for name, flat in values.items()
        }

    def whole(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a value for each number, in the shapes of the tensors."""
        return {name: self._spread(name, flat).view(self._shapes[name]) for name, flat in values.items()}

    def _spread(self, name: str, flat: Tensor) -> Tensor:
        return flat.repeat_interleave(self._covered[name])[: prod(self._shapes[name])]
