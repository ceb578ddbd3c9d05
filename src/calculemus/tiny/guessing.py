"""A family of models with random weights, made in a moment: what calibrated merges are checked on.

Experts are the base with noise on it, and the right answers of a task are what its expert says: so each
expert is perfect at its own task, and no training is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from calculemus.checkpoint import Checkpoint
from calculemus.rng import Rng
from calculemus.tiny.digits import SIDE, DigitEncoder, fresh
from calculemus.tuning.blending import Call
from calculemus.tuning.tasks import Split
from calculemus.tuning.weights import weights_of, write_weights

N_LABELS = 5
_WIDTH, _LAYERS = 8, 2
_ROWS = 24
_NOISE = 0.1


@dataclass(frozen=True, eq=False)
class GuessTask:
    """Saying what an expert says of random inputs.

    Attributes:
        name: Of the task.
        expert: Knows the answers.
        head: (label, width) what reads answers off features.
        seen: Which splits' answers were looked at, in order; a note for those who check.
    """

    name: str
    expert: nn.Module
    head: Tensor
    seen: list[str]

    def batch(self, n: int, rng: Rng) -> Tensor:
        """Draw inputs."""
        return _noise(rng.child("inputs"), (n, SIDE * SIDE))

    def logits(self, call: Call, batch: Tensor) -> Tensor:
        """Return (row, label) logits."""
        return call(batch) @ self.head.T

    def outcomes(self, model: nn.Module, split: Split) -> Mapping[str, float]:
        """Return 1 or 0 for each input of a split: whether the model agrees with the expert."""
        self.seen.append(split)
        inputs = self.batch(_ROWS, Rng(0, ("guessing", self.name, split)))
        with torch.no_grad():
            said, right = (self.logits(one, inputs).argmax(dim=1) for one in (model, self.expert))
        agreed = (said == right).tolist()
        return {f"{self.name}/{split}/{i}": float(is_right) for i, is_right in enumerate(agreed)}


@dataclass(frozen=True)
class GuessFamily:
    """A base, its experts, and their tasks, in the same order."""

    base: Checkpoint
    experts: tuple[Checkpoint, ...]
    tasks: tuple[GuessTask, ...]

    def model(self) -> DigitEncoder:
        """Return a module of their make, with the base's weights."""
        return fresh(_rng("base"), _WIDTH, _LAYERS).eval()


def guess_family(folder: Path, n: int = 3) -> GuessFamily:
    """Write a base and experts into a folder."""
    base = fresh(_rng("base"), _WIDTH, _LAYERS).eval()
    head = _noise(_rng("head"), (N_LABELS, _WIDTH))
    experts, tasks = list[Checkpoint](), list[GuessTask]()
    for number in range(n):
        expert = fresh(_rng("base"), _WIDTH, _LAYERS).eval()
        with torch.no_grad():
            for name, weight in expert.named_parameters():
                weight += _NOISE * _noise(_rng("expert", number, name), tuple(weight.shape))
        experts.append(write_weights(weights_of(expert), folder / f"expert-{number}"))
        tasks.append(GuessTask(f"guess-{number}", expert, head, []))
    return GuessFamily(write_weights(weights_of(base), folder / "base"), tuple(experts), tuple(tasks))


def _rng(*names: str | int) -> Rng:
    return Rng(0, ("guessing", *names))


def _noise(rng: Rng, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(rng.generator().standard_normal(shape, "float32"))
