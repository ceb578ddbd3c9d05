"""Merges held against each other on one family of models: what the claims of merges are measured with.

    family = arith_family()
    outcomes(family, merge(family, "ties:density=0.5"))
    outcomes(family, merge(family, tuned(family, "task_arithmetic:scale={}", SCALES)))

    CLAIM = claim("by sign", "task_arithmetic:scale=best", "ties:scale=best")

A family has a base, experts made from it, and a task for each expert; see ``tiny.digit_family`` and
``tiny.arith_family``. Nothing is written: merges are made in memory.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from calculemus.catalog import load, read_catalog
from calculemus.checkpoint import Checkpoint
from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.plan import plan_merge
from calculemus.named import build, parse_named
from calculemus.tuning.tasks import Score, Split, Task, mean_accuracy, measure
from calculemus.tuning.weights import Weights, carrying, read_weights

if TYPE_CHECKING:
    from torch import nn

    from calculemus.merging.base import TensorMerge
    from calculemus.merging.plan import Plan


SCALES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
"""What is tried where a scale is to be the best one."""


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
    return weights_of_plan(plan(family, merging, seed))


def weights_of_plan(settled: "Plan") -> dict[str, torch.Tensor]:
    """Return the weights of a merge."""
    merged = merge_in_memory(settled)
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


def by_family(lab: Lab, n_families: int, measured: Callable[[int], float]) -> Measured:
    """Return one figure of an arm for each of some families, made with seeds of their own.

    What a merge is worth varies more from one trained family to the next than from problem to problem, so
    that families are the units to which a result can be carried over.

    Args:
        lab: Says with which seeds; each has families of its own.
        n_families: How many.
        measured: Gives the figure of the family of a seed.
    """
    return Measured(
        {
            f"family/{i}": tuple(measured(seed * n_families + i) for seed in lab.seeds)
            for i in range(n_families)
        }
    )


def accuracy(table: Mapping[str, float]) -> float:
    """Return the mean of some outcomes."""
    return sum(table.values()) / len(table)


@dataclass(frozen=True)
class Part:
    """A family of fewer experts."""

    whole: Family
    experts: Sequence[Checkpoint]
    tasks: Sequence[Task]

    @property
    def base(self) -> Checkpoint:
        """The whole family's."""
        return self.whole.base

    def model(self, checkpoint: Checkpoint | None = None) -> "nn.Module":
        """Return a module with the weights of a checkpoint; the base's if not given."""
        return self.whole.model(checkpoint)


def first_two(family: Family) -> Part:
    """Return a family of the first two experts."""
    return Part(family, family.experts[:2], family.tasks[:2])


def merged_by(family: Family, text: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return the weights of a merge in which ``=best`` stands for the best of ``SCALES``; see ``tuned``."""
    if "=best" in text:
        text = tuned(family, text.replace("=best", "={}"), SCALES, seed)
    return merge(family, text, seed)


def family_of(lab: Lab, seed: int, on: str = "digits") -> Family:
    """Return what merges are tried on: readers of ``digits``, or language models of ``sums``.

    At the size ``smoke`` these are too small to be good at anything.
    """
    if on == "sums":
        from calculemus.tiny.arith_family import ArithRecipe, arith_family

        quick = ArithRecipe(base_steps=20, expert_steps=10, d_model=16, n_layers=1, seed=seed)
        return arith_family(quick if lab.size == "smoke" else ArithRecipe(seed=seed))
    from calculemus.tiny.digit_family import DigitRecipe, digit_family

    quick = DigitRecipe(domains=("plain", "turned"), expert_steps=60, seed=seed)
    return digit_family(quick if lab.size == "smoke" else DigitRecipe(seed=seed))


def normalised(family: Family, weights: Weights, split: Split = "test") -> float:
    """Return the mean over tasks of a model's accuracy in that of the task's expert."""
    model, merged = family.model(), scores(family, weights, split)
    shares = []
    for task, expert in zip(family.tasks, family.experts, strict=True):
        with carrying(model, read_weights(expert)):
            best = measure(model, [task], split)[task.name].accuracy
        shares.append(merged[task.name].accuracy / best if best else 1.0)
    return sum(shares) / len(shares)


def measure_merges(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Measure what a merge of all experts keeps of them, ``on`` families of digits or sums."""

    def measured(seed: int) -> float:
        family = family_of(lab, seed, contrast.on)
        return normalised(family, merged_by(family, arm, seed))

    return by_family(lab, n_families(lab, contrast.on), measured)


def n_families(lab: Lab, on: str = "digits") -> int:
    """Return how many families a claim is measured on."""
    return {"digits": 5, "sums": 2}[on] if lab.size == "smoke" else {"digits": 10, "sums": 4}[on]


def claim(name: str, baseline: str, treatment: str) -> Claim:
    """Return the claim that one merge of four experts beats another, on digits and on sums."""
    contrasts = tuple(
        Contrast(f"{name}, on {on}", baseline, treatment, metric="normalised accuracy", on=on)
        for on in ("digits", "sums")
    )
    return Claim(contrasts, control=contrasts[0].without_treatment(), measure=measure_merges)
