"""Merges with a locked model, the locked model by itself, and merges behind an attack on the lock."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from calculemus.checkpoint import Checkpoint
from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.contest import across_seeds, merge, outcomes
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.mergelock import MergeLock
from calculemus.merging.structure import StructureEdit, plan_edit
from calculemus.merging.unlocking import Recover
from calculemus.tiny.arith_family import ArithFamily, ArithRecipe, arith_family
from calculemus.tuning.weights import write_weights

OPEN, LOCKED, ATTACKED, UNLOCKED = "linear", "mergelock", "mergelock, attacked", "mergelock, unlocked"
MERGES = Contrast("the average of a locked model and its sibling", OPEN, LOCKED, "lower", margin=0.1)
ALONE = Contrast("the locked model by itself", OPEN, LOCKED, "equal", margin=0.01, on="alone")
ATTACK = Contrast(
    "the same average behind least squares against the base", OPEN, ATTACKED, "equal", margin=0.05
)
CONTROL = Contrast("the average when the lock is undone with its key", OPEN, UNLOCKED, "lower")
_N_MODELS = 2
_EASY = ("max", "copy")
_SMOKE = ArithRecipe(_EASY, _EASY, base_steps=200, expert_steps=20, d_model=32, n_layers=2)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Lock the first of two experts and average both, or ask it alone."""
    recipe = _SMOKE if lab.size == "smoke" else ArithRecipe()

    def measured(seed: int) -> Mapping[str, float]:
        family = arith_family(replace(recipe, seed=seed))
        pair = replace(family, experts=family.experts[:_N_MODELS], tasks=family.tasks[:_N_MODELS])
        with TemporaryDirectory() as folder:
            first = _treated(arm, pair, seed, Path(folder))
            # One model by itself is the average of one.
            others = () if contrast.on == "alone" else pair.experts[1:]
            return outcomes(pair, merge(replace(pair, experts=(first, *others)), "linear"))

    return across_seeds(lab.seeds, measured)


def _treated(arm: str, pair: ArithFamily, seed: int, folder: Path) -> Checkpoint:
    """Return the first expert as an arm has it."""
    found = pair.experts[0]
    lock = MergeLock(seed=seed)
    steps: Mapping[str, tuple[StructureEdit, ...]] = {
        OPEN: (),
        LOCKED: (lock,),
        UNLOCKED: (lock, replace(lock, unlocks=True)),
        ATTACKED: (lock, Recover()),
    }
    for number, edit in enumerate(steps[arm]):
        models = (found, pair.base) if isinstance(edit, Recover) else (found,)
        made = merge_in_memory(plan_edit(edit, models))
        weights = {name: torch.from_numpy(numbers) for name, numbers in made.items()}
        found = write_weights(weights, folder / str(number), found.config)
    return found


CLAIM = Claim((MERGES, ALONE, ATTACK), control=CONTROL, measure=measure)
