"""Value heads: a linear map of the last hidden state to one number, kept beside a checkpoint."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from calculemus.errors import EngineError
from calculemus.files import replacing

SUFFIX = "_head.safetensors"
"""A head called ``value`` is in the file ``value_head.safetensors``."""
SQUASHES: dict[str, Callable[[float], float]] = {
    "none": lambda x: x,
    "sigmoid": lambda x: 0.5 * (1 + math.tanh(x / 2)),
    "tanh": math.tanh,
}


@dataclass(frozen=True, slots=True)
class ValueHead:
    """Gives a prefix the value ``squash(weight . hidden + bias)``.

    Attributes:
        weight: (width of the hidden states,), float32.
        bias: Added.
        squash: ``none``, ``sigmoid`` or ``tanh``.
        tokenizer: Digest of the tokenizer it was trained with; empty where unknown.

    Example:
        >>> import torch
        >>> ValueHead(torch.tensor([1.0, -1.0]), bias=0.5).value(torch.tensor([2.0, 1.0]))
        1.5
    """

    weight: Tensor
    bias: float = 0.0
    squash: str = "none"
    tokenizer: str = ""

    def __post_init__(self) -> None:
        if self.weight.ndim != 1 or self.squash not in SQUASHES:
            raise EngineError(
                f"making a value head: its weight has shape {tuple(self.weight.shape)}, and its squash is "
                f"{self.squash!r}; expected one dimension, and one of {', '.join(SQUASHES)}"
            )

    def value(self, hidden_state: Tensor) -> float:
        """Return the value of one hidden state; summed in float64, so that the batch has no say."""
        weight = self.weight.to(hidden_state.device, torch.float64)
        return SQUASHES[self.squash](float((hidden_state.double() * weight).sum()) + self.bias)

    def check_fits(self, name: str, d_model: int, tokenizer: str, engine: str) -> None:
        """See that it was made for a model.

        Args:
            name: Its own.
            d_model: Width of the model's hidden states.
            tokenizer: Digest of the model's tokenizer.
            engine: Whose model it is, for the message.

        Raises:
            EngineError: It was made for another width, or trained with another tokenizer.
        """
        if len(self.weight) != d_model:
            raise EngineError(
                f"{engine}: its value head '{name}' has {len(self.weight)} weights; expected {d_model}, the "
                "width of its hidden states. Use the head that was trained on this model"
            )
        if self.tokenizer and self.tokenizer != tokenizer:
            raise EngineError(
                f"{engine}: its value head '{name}' was trained with the tokenizer {self.tokenizer[:8]}; "
                f"expected the model's, {tokenizer[:8]}: the same ids mean other texts. Use the head that "
                "was trained on this model, or train one"
            )

    def save(self, path: Path) -> None:
        """Write it to a file.

        Raises:
            OutputError: The file cannot be written.
        """
        tensors = {"weight": self.weight.contiguous(), "bias": torch.tensor([self.bias], dtype=torch.float64)}
        if self.tokenizer:  # no second fact: their order in the file would change from run to run
            tensors["tokenizer"] = torch.tensor(list(self.tokenizer.encode()), dtype=torch.uint8)
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata={"squash": self.squash})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read it from a file.

        Raises:
            EngineError: The file is no value head.
        """
        try:
            with safe_open(path, framework="pt") as file:
                names = set(file.keys())
                weight = file.get_tensor("weight").float().reshape(-1)
                bias = float(file.get_tensor("bias").reshape(())) if "bias" in names else 0.0
                told = file.get_tensor("tokenizer").tolist() if "tokenizer" in names else []
                squash = (file.metadata() or {}).get("squash", "none")
                return cls(weight, bias, squash, bytes(told).decode())
        except (OSError, SafetensorError, RuntimeError) as error:
            raise EngineError(
                f"reading the value head '{path}': {error}; expected safetensors with 'weight', one number "
                "for each hidden unit, and perhaps 'bias'. Write it again with ValueHead.save"
            ) from error


def heads_beside(folder: Path) -> dict[str, ValueHead]:
    """Return the value heads in a checkpoint's folder, by name."""
    return {
        path.name.removesuffix(SUFFIX): ValueHead.load(path) for path in sorted(folder.glob(f"*{SUFFIX}"))
    }
