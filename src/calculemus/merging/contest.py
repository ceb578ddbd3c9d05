"""Merges held against each other on one family of models: what the claims of merges are measured with.

    family = arith_family()
    outcomes(family, merge(family, "ties:density=0.5"))
    outcomes(family, merge(family, tuned(family, "task_arithmetic:scale={}", (0.2, 0.4, 0.6))))

A family has a base, experts made from it, and a task for each expert; see ``tiny.digit_family`` and
``tiny.arith_family``. Nothing is written: merges are made in memory.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from calculemus.catalog import load, read_catalog
from calculemus.checkpoint import Checkpoint
from calculemus.claim import Measured
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.plan import plan_merge
from calculemus.named import build, parse_named
from calculemus.tuning.tasks import Score, Split, Task, mean_accuracy, measure
from calculemus.tuning.weights import Weights, carrying, read_weights

if TYPE_CHECKING:
    from torch import nn

    from calculemus.merging.base import TensorMerge
    from calculemus.merging.plan import Plan


class Family(Protocol):
    """A base, experts that were made from it, and what each expert is good at."""

    @property
    def base(self) -> Checkpoint:
        """What the experts were made from."""
        ...

    @property
    def experts(self) -> Sequence[Checkpoint]:
        """One for each task."""
        ...

    @property
    def tasks(self) -> Sequence[Task]:
        """One for each expert."""
        ...

    def model(self, checkpoint: Checkpoint | None = None) -> "nn.Module":
        """Return a module with the weights of a checkpoint; the base's if not given."""
        ...


def method(text: str, *folders: Path) -> "TensorMerge":
    """Return a merge by its name and settings, ``ties:density=0.5``.

    Raises:
        NotFoundError: No method of that name.
        InvalidParameterError: It lacks such a setting, or a value is out of range.
    """
    name, values = parse_named(text)
    return build(load(read_catalog(*folders).get(name)), values)


def plan(family: Family, merging: "TensorMerge | str", seed: int = 0) -> "Plan":
    """Settle the merge of all experts of a family, each with weight 1."""
    chosen = method(merging) if isinstance(merging, str) else merging
    at_base = family.base if chosen.needs_base else None
    return plan_merge(chosen, family.experts, at_base, seed=seed)


def merge(family: Family, merging: "TensorMerge | str", seed: int = 0) -> dict[str, torch.Tensor]:
    """Return the weights of a merge of all experts of a family."""
    merged = merge_in_memory(plan(family, merging, seed))
    return {name: torch.from_numpy(numbers) for name, numbers in merged.items()}


def scores(family: Family, weights: Weights, split: Split = "test") -> dict[str, Score]:
    """Return what one model is worth on every task of a family."""
    model = family.model()
    with carrying(model, weights):
        return measure(model, family.tasks, split)


def outcomes(family: Family, weights: Weights, split: Split = "test") -> dict[str, float]:
    """Return for each problem of each task whether one model solves it."""
    return joined(scores(family, weights, split))


def outcomes_of_each(family: Family, models: Sequence[Weights], split: Split = "test") -> dict[str, float]:
    """Return for each problem of each task whether the task's own model solves it."""
    model, found = family.model(), dict[str, Score]()
    for task, weights in zip(family.tasks, models, strict=True):
        with carrying(model, weights):
            found |= measure(model, [task], split)
    return joined(found)


def expert_outcomes(family: Family, split: Split = "test") -> dict[str, float]:
    """Return for each problem of each task whether the task's expert solves it."""
    return outcomes_of_each(family, [read_weights(expert) for expert in family.experts], split)


def joined(found: Mapping[str, Score]) -> dict[str, float]:
    """Return the outcomes of all tasks in one table."""
    return {unit: figure for score in found.values() for unit, figure in score.outcomes.items()}


def tuned(family: Family, pattern: str, values: Sequence[float], seed: int = 0) -> str:
    """Return a merge with the one of some settings that does best on the rows to choose by.

    Args:
        family: Of models.
        pattern: The merge, with ``{}`` where the setting goes: ``task_arithmetic:scale={}``.
        values: What is tried.
        seed: Of the merge's draws.
    """
    texts = [pattern.format(value) for value in values]
    found = [mean_accuracy(scores(family, merge(family, text, seed), "dev")) for text in texts]
    return texts[max(range(len(texts)), key=found.__getitem__)]


def across_seeds(seeds: Sequence[int], measured: Callable[[int], Mapping[str, float]]) -> Measured:
    """Return figures of one arm, taken once for each seed, as a claim wants them."""
    tables = [measured(seed) for seed in seeds]
    return Measured({unit: tuple(table[unit] for table in tables) for unit in tables[0]})
