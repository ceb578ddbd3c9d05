"""A base encoder of digits and experts made from it: what merges of digit readers are tried on."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from calculemus.checkpoint import Checkpoint
from calculemus.params import AtLeast, Configured, digest
from calculemus.rng import Rng
from calculemus.tiny.digits import N_LABELS, DigitEncoder, DigitTask, fresh
from calculemus.tiny.kept import kept
from calculemus.tuning.fitting import Fit, fit_through
from calculemus.tuning.threads import one_thread
from calculemus.tuning.weights import read_weights, weights_of, write_weights

_VERSION = 1  # raised when the same settings would make other weights
_HEADS = "heads.safetensors"
_ROWS = 64


@dataclass(frozen=True)
class DigitRecipe(Configured):
    """How a base and its experts are made.

    Attributes:
        domains: What there is an expert for; see ``digits.DOMAINS``.
        copies: Experts of each domain, which see its images in other orders.
        base_steps: Steps in which the base and the heads learn all domains together.
        expert_steps: Steps in which an expert learns its own, from the base, with a frozen head.
        lr: Highest learning rate of an expert.
        width: Of the encoder.
        n_layers: Of the encoder.
        seed: Of weights and of the order of images.
    """

    domains: tuple[str, ...] = ("plain", "turned", "inverted", "noisy")
    copies: Annotated[int, AtLeast(1)] = 1
    base_steps: Annotated[int, AtLeast(1)] = 15
    expert_steps: Annotated[int, AtLeast(0)] = 300
    lr: Annotated[float, AtLeast(0)] = 2e-3
    width: Annotated[int, AtLeast(1)] = 64
    n_layers: Annotated[int, AtLeast(1)] = 4
    seed: Annotated[int, AtLeast(0)] = 0


@dataclass(frozen=True)
class DigitFamily:
    """A base, its experts, and their tasks, in the same order.

    Attributes:
        recipe: How they were made.
        base: What the experts were made from.
        experts: One for each task.
        tasks: One for each domain.
    """

    recipe: DigitRecipe
    base: Checkpoint
    experts: tuple[Checkpoint, ...]
    tasks: tuple[DigitTask, ...]

    def model(self, checkpoint: Checkpoint | None = None) -> DigitEncoder:
        """Return an encoder with the weights of a checkpoint; the base's if not given."""
        model = DigitEncoder(self.recipe.width, self.recipe.n_layers)
        model.load_state_dict(read_weights(checkpoint or self.base))
        return model.eval()


def digit_family(recipe: DigitRecipe | None = None, cache: Path | None = None) -> DigitFamily:
    """Return a base and its experts; train them where the cache has none, in seconds.

    Raises:
        MissingExtraError: scikit-learn, which brings the images, is not installed.
    """
    recipe = recipe or DigitRecipe()
    name = f"digits-{digest([recipe.params(), _VERSION])[:16]}"
    folder = kept(name, lambda made: _make(recipe, made), cache)
    heads = load_file(folder / _HEADS)
    each = [(domain, copy) for domain in recipe.domains for copy in range(recipe.copies)]
    tasks = tuple(DigitTask(domain, domain, heads[domain]) for domain, _ in each)
    experts = tuple(Checkpoint.open(folder / f"{domain}-{copy}") for domain, copy in each)
    return DigitFamily(recipe, Checkpoint.open(folder / "base"), experts, tasks)


def batches(task: DigitTask, rng: Rng, n: int = _ROWS) -> Iterator[Sequence[tuple[Tensor, Tensor]]]:
    """Yield batches of images with labels without end."""
    step = 0
    while True:
        yield [task.rows(n, rng.child(task.name, step))]
        step += 1


def _make(recipe: DigitRecipe, folder: Path) -> None:
    with one_thread():
        base, heads = _train_base(recipe)
        write_weights(weights_of(base), folder / "base")
        save_file(dict(heads), folder / _HEADS)
        for domain, head in heads.items():
            for copy in range(recipe.copies):
                expert = _train_expert(recipe, base, DigitTask(domain, domain, head), copy)
                write_weights(weights_of(expert), folder / f"{domain}-{copy}")


class _Multitask(nn.Module):
    """An encoder with heads that learn too."""

    def __init__(self, recipe: DigitRecipe, rng: Rng) -> None:
        super().__init__()
        self.encoder = fresh(rng.child("encoder"), recipe.width, recipe.n_layers)
        shape = (len(recipe.domains), N_LABELS, recipe.width)
        drawn = rng.child("heads").generator().normal(0, recipe.width**-0.5, shape)
        self.heads = nn.ParameterList(torch.from_numpy(head).float() for head in drawn)

    def task(self, number: int, domain: str) -> DigitTask:
        """Return a task with the head as it is now."""
        return DigitTask(domain, domain, self.heads[number])


def _train_base(recipe: DigitRecipe) -> tuple[DigitEncoder, Mapping[str, Tensor]]:
    """Train an encoder and a head for each domain, all together."""
    rng = Rng(recipe.seed, ("digits", "base"))
    model = _Multitask(recipe, rng)
    tasks = [model.task(number, domain) for number, domain in enumerate(recipe.domains)]
    streams = [batches(task, rng) for task in tasks]
    together = (
        [(task, rows) for task, stream in zip(tasks, streams, strict=True) for rows in next(stream)]
        for _ in range(recipe.base_steps)
    )

    def loss(model: _Multitask, part: tuple[DigitTask, tuple[Tensor, Tensor]]) -> tuple[Tensor, int]:
        task, rows = part
        return task.loss(model.encoder, rows)

    fit = Fit(steps=recipe.base_steps, optimizer="adamw", lr=3e-3, warmup=10)
    fit_through(model, together, loss, fit)
    heads = {domain: head.detach().clone() for domain, head in zip(recipe.domains, model.heads, strict=True)}
    return model.encoder, heads


def _train_expert(recipe: DigitRecipe, base: DigitEncoder, task: DigitTask, number: int) -> DigitEncoder:
    """Train a copy of the base on a task whose head stays."""
    expert = deepcopy(base)
    fit = Fit(steps=recipe.expert_steps, optimizer="adamw", lr=recipe.lr, warmup=10, weight_decay=0.0)
    stream = batches(task, Rng(recipe.seed, ("digits", "expert", number)))
    fit_through(expert, stream, lambda model, rows: task.loss(model, rows), fit)
    return expert
