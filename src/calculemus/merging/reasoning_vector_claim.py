"""A reasoning vector on small sums: added to another model, subtracted from it, and a random one instead.

One base is fine-tuned on sums and differences, and then reinforced on the same problems: that is the vector.
The target is the same base, fine-tuned on other things. Reinforcement is rejection sampling. Units are such
families of four models, each with weights and rows of its own.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from calculemus.checkpoint import Checkpoint
from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.contest import by_family, n_families
from calculemus.merging.contest import method as named
from calculemus.merging.dealing import ONE, OTHER, deal, dealt
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.plan import plan_merge
from calculemus.params import digest
from calculemus.rng import Rng
from calculemus.tiny.arith_family import ArithRecipe, arith_family, load, mixed, skill, together, tokenizer
from calculemus.tiny.kept import kept
from calculemus.tiny.save import save
from calculemus.tuning.fitting import Fit, fit_through
from calculemus.tuning.rejection import Rejection, reinforcing
from calculemus.tuning.tasks import mean_accuracy
from calculemus.tuning.tasks import measure as measure_tasks
from calculemus.tuning.threads import one_thread
from calculemus.tuning.weights import Weights, carrying, read_weights

SKILLS = ("add", "sub")
UNCHANGED, ADDED = "the target unchanged", "reasoning_vector"
SUBTRACTED, RANDOM = "reasoning_vector:scale=-1", "reasoning_vector:is_random=true"

GAINS = Contrast("the vector added, against the target unchanged", UNCHANGED, ADDED)
LOSES = Contrast("the vector subtracted, against the target unchanged", UNCHANGED, SUBTRACTED, "lower")
CHANCE = Contrast("a random vector of equal norms added, against the target unchanged", UNCHANGED, RANDOM)
AGAINST_CHANCE = Contrast("the vector added, against a random one of equal norms", RANDOM, ADDED)
TWINS = Contrast(
    "the vector's own model against its twin without reinforcement",
    "fine-tuned",
    "reinforced",
    on="the twins",
)

_VERSION = 1  # raised when the same settings would make other weights
_SIZES = {
    "smoke": (ArithRecipe(experts=(), base_steps=40, d_model=32), 10, Rejection(1, 64, 2, steps=5)),
    "small": (ArithRecipe(experts=()), 50, Rejection(3, 2048, 4, steps=40, lr=3e-4)),
}


class _Models:
    """The three models of one family; trained when first asked for, and kept."""

    def __init__(self, seed: int, size: str) -> None:
        recipe, self._steps, self._rejection = _SIZES.get(size, _SIZES["small"])
        self.seed, self._recipe = seed, replace(recipe, seed=seed)
        self._every = ",".join(recipe.base)

    def get(self, name: str) -> Checkpoint:
        """Return the ``fine-tuned`` model, the ``reinforced`` one or the ``target``."""
        make: Mapping[str, Callable[[], Any]] = {  # models of transformers, which is not imported here
            "fine-tuned": lambda: self._tuned(name, {",".join(SKILLS): 0.5, self._every: 0.5}),
            "reinforced": self._reinforced,
            "target": lambda: self._tuned(name, {self._every: 1.0}),
        }
        made = digest([self._recipe.params(), self._steps, self._rejection.params(), SKILLS, _VERSION])

        def train(folder: Path) -> None:
            with one_thread():
                save(make[name](), tokenizer(), folder)

        return Checkpoint.open(kept(f"reasoning-{name}-{made[:16]}", train))

    def _tuned(self, name: str, shares: Mapping[str, float]) -> Any:
        model = arith_family(self._recipe).model()
        fit = Fit(steps=self._steps, optimizer="adamw", lr=1e-3, warmup=10, weight_decay=0.0)
        fit_through(model, mixed(shares, self._rng(name)), skill(SKILLS[0]).loss, fit)
        return model

    def _reinforced(self) -> Any:
        model = copy.deepcopy(load(self.get("fine-tuned")))
        for _ in reinforcing(model, together(SKILLS), self._rejection, self._rng("reinforced")):
            pass
        return model

    def _rng(self, name: str) -> Rng:
        return Rng(self._recipe.seed, ("reasoning", name))


def weights(arm: str, models: _Models) -> Weights:
    """Return the weights of an arm."""
    if arm in ("fine-tuned", "reinforced"):
        return read_weights(models.get(arm))
    target = models.get("target")
    if arm == UNCHANGED:
        return read_weights(target)
    merged = merge_in_memory(
        plan_merge(named(arm), [models.get("reinforced"), models.get("fine-tuned")], target, seed=models.seed)
    )
    return {name: torch.from_numpy(numbers) for name, numbers in merged.items()}


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Measure the skills that were reinforced, on rows that nothing was trained on."""
    if arm in (ONE, OTHER):
        arms = [measure(each, contrast, lab) for each in (UNCHANGED, ADDED)]
        return deal(arms[0], arms[1], arm)

    def accuracy(seed: int) -> float:
        models = _Models(seed, lab.size)
        model = load(models.get("target"))
        with carrying(model, weights(arm, models)):
            return mean_accuracy(measure_tasks(model, [skill(text) for text in SKILLS], "test"))

    return by_family(lab, n_families(lab, "sums"), accuracy)


CLAIM = Claim((GAINS, LOSES, CHANCE, AGAINST_CHANCE, TWINS), control=dealt(GAINS), measure=measure)
