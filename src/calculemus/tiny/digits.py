"""Small images of digits and a small encoder of them: tasks that are learned in seconds, for merges.

The images are scikit-learn's: 1,797 handwritten digits of 8 by 8 pixels. A domain changes all of them in one
way. The encoder knows no labels: each task reads its answer off the encoder's features with a head of its
own, which is frozen after the base was trained, as text embeddings are in models like CLIP.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calculemus.errors import MissingExtraError
from calculemus.rng import Rng
from calculemus.tuning.blending import Call
from calculemus.tuning.tasks import Split

SIDE = 8
N_LABELS = 10
_SPLITS = {"train": slice(0, 1000), "dev": slice(1000, 1300), "test": slice(1300, None)}
DOMAINS = ("plain", "turned", "inverted", "noisy", "mirrored", "shifted", "blurred", "scrambled")


class DigitEncoder(nn.Module):
    """A residual network from images to features; smooth, and without state of its own.

    Args:
        width: Of the features.
        n_layers: How many blocks.
    """

    def __init__(self, width: int = 64, n_layers: int = 4) -> None:
        super().__init__()
        self.embed = nn.Linear(SIDE * SIDE, width)
        self.layers = nn.ModuleList(_Block(width) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, images: Tensor) -> Tensor:
        """Return (image, width) features of (image, pixel) images."""
        hidden = self.embed(images)
        for layer in self.layers:
            hidden = layer(hidden)
        return self.norm(hidden)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up_proj = nn.Linear(width, 2 * width)
        self.down_proj = nn.Linear(2 * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.down_proj(nn.functional.gelu(self.up_proj(self.norm(hidden))))


def fresh(rng: Rng, width: int = 64, n_layers: int = 4) -> DigitEncoder:
    """Return an encoder with new weights, the same ones for the same stream."""
    model = DigitEncoder(width, n_layers)
    draws = rng.generator()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                drawn = draws.normal(0, weight.shape[1] ** -0.5, tuple(weight.shape))
                weight.copy_(torch.from_numpy(drawn.astype(np.float32)))
            elif weight.dim() == 1 and not bool((weight == 1).all()):
                weight.zero_()
    return model


@dataclass(frozen=True, eq=False)
class DigitTask:
    """Reading the digits of one domain.

    Attributes:
        name: Of the task.
        domain: One of ``DOMAINS``.
        head: (label, width) what reads the answer off the features.
        labels: Digits that the task is about.
    """

    name: str
    domain: str
    head: Tensor
    labels: tuple[int, ...] = tuple(range(N_LABELS))

    def batch(self, n: int, rng: Rng) -> Tensor:
        """Draw images of the part that is for training, without their labels."""
        return self.rows(n, rng)[0]

    def rows(self, n: int, rng: Rng) -> tuple[Tensor, Tensor]:
        """Draw images with their labels, each counted from 0 among the task's."""
        images, answers = self.examples("train")
        chosen = rng.generator().integers(len(images), size=n)
        return images[chosen], answers[chosen]

    def logits(self, call: Call, batch: Tensor) -> Tensor:
        """Return (image, label) logits."""
        return call(batch) @ self.head.T

    def loss(self, model: nn.Module, rows: tuple[Tensor, Tensor]) -> tuple[Tensor, int]:
        """Return the summed cross-entropy of images with labels, and how many there are."""
        images, answers = rows
        return nn.functional.cross_entropy(self.logits(model, images), answers, reduction="sum"), len(images)

    def outcomes(self, model: nn.Module, split: Split) -> Mapping[str, float]:
        """Return 1 or 0 for each image of a split: whether it is read right."""
        images, answers = self.examples(split)
        with torch.no_grad():
            right = self.logits(model, images).argmax(dim=1) == answers
        return {f"{self.name}/{split}/{i}": float(is_right) for i, is_right in enumerate(right.tolist())}

    def examples(self, split: str) -> tuple[Tensor, Tensor]:
        """Return all images of a part with their labels, counted from 0 among the task's."""
        images, digits = _domain(self.domain)
        images, digits = images[_SPLITS[split]], digits[_SPLITS[split]]
        kept = np.isin(digits, self.labels)
        answers = np.searchsorted(self.labels, digits[kept])
        return torch.from_numpy(images[kept]), torch.from_numpy(answers)


@cache
def _domain(domain: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the images of a domain, (image, pixel) from 0 to 1, and their digits, in a shuffled order."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError("reading the images of digits", "scikit-learn", "claims") from error
    found: Any = load_digits()
    order = Rng(0, ("digits", "order")).generator().permutation(len(found.target))
    images = (found.images[order] / 16).astype(np.float32)
    changed = _change(images, domain)
    return np.ascontiguousarray(changed.reshape(len(images), -1)), found.target[order].astype(np.int64)


def _change(images: NDArray[np.float32], domain: str) -> NDArray[np.float32]:
    draws = Rng(0, ("digits", domain)).generator()
    if domain == "noisy":
        return images + draws.normal(0, 0.3, images.shape).astype(np.float32)
    if domain == "scrambled":
        flat = images.reshape(len(images), -1)
        return flat[:, draws.permutation(flat.shape[1])]
    if domain == "blurred":
        sums = images + np.roll(images, 1, 1) + np.roll(images, 1, 2) + np.roll(images, (1, 1), (1, 2))
        return sums / np.float32(4)
    return {
        "plain": images,
        "turned": np.rot90(images, axes=(1, 2)),
        "inverted": 1 - images,
        "mirrored": images[:, :, ::-1],
        "shifted": np.roll(images, 2, axis=2),
    }[domain]
