"""A model stacked from overlapping slices of itself: before and after a little more training."""

from pathlib import Path
from tempfile import TemporaryDirectory

from calculemus.checkpoint import Checkpoint
from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.contest import by_family, n_families
from calculemus.merging.executor import Executor
from calculemus.merging.passthrough import Passthrough
from calculemus.merging.structure import plan_edit
from calculemus.rng import Rng
from calculemus.tiny.arith_family import ArithFamily, ArithRecipe, arith_family, load, mixed, skill
from calculemus.tuning.fitting import Fit, fit_through
from calculemus.tuning.tasks import mean_accuracy
from calculemus.tuning.tasks import measure as measured_on

WHOLE, STACKED, TRAINED = "whole", "stacked", "stacked and trained"
LOST = Contrast("right after stacking", WHOLE, STACKED, "lower")
WON_BACK = Contrast("trained on, against right after stacking", STACKED, TRAINED, "higher")


def recipe(lab: Lab, seed: int) -> ArithRecipe:
    """Return how the model is made that is stacked."""
    if lab.size == "smoke":
        return ArithRecipe(base=("copy",), experts=(), base_steps=40, d_model=16, n_layers=2, seed=seed)
    return ArithRecipe(experts=(), seed=seed)


def stacked(family: ArithFamily, folder: Path) -> Checkpoint:
    """Write the base with its inner layers twice."""
    n = family.recipe.n_layers
    edit = Passthrough(slices=(f"0[0:{n - 1}]", f"0[{max(1, n - 2)}:{n}]"))
    Executor().merge(plan_edit(edit, [family.base]), folder)
    return Checkpoint.open(folder)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Try a model on all skills of its base."""

    def measured(seed: int) -> float:
        family = arith_family(recipe(lab, seed))
        skills = family.recipe.base
        with TemporaryDirectory() as folder:
            made = family.base if arm == WHOLE else stacked(family, Path(folder))
            model = load(made)
        if arm == TRAINED:
            steps = family.recipe.base_steps // 5
            fit = Fit(steps=steps, optimizer="adamw", lr=1e-3, warmup=5)
            stream = mixed({",".join(skills): 1.0}, Rng(seed, ("passthrough",)))
            fit_through(model, stream, skill(skills[0]).loss, fit)
        found = measured_on(model, [skill(text) for text in skills], "test")
        return mean_accuracy(found)

    return by_family(lab, n_families(lab, "sums"), measured)


CLAIM = Claim((LOST, WON_BACK), control=LOST.without_treatment(), measure=measure)
