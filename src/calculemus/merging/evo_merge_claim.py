"""Coefficients by evolution against one coefficient for all, on sums that the search did not see."""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.calibration import Trial
from calculemus.merging.contest import across_seeds, joined, merge, weights_of_plan
from calculemus.merging.evo_flow import EvoFlow, flowing, loaded
from calculemus.merging.evo_merge import EvoMerge
from calculemus.rng import Rng
from calculemus.tiny.arith_family import ArithFamily, ArithRecipe, arith_family
from calculemus.tuning.tasks import Score, Split, mean_accuracy
from calculemus.tuning.tasks import measure as measure_tasks
from calculemus.tuning.weights import Weights, read_weights

# Nothing is learned in seconds: this size only shows that all of it runs.
SMALLEST = ArithRecipe(
    base=("mul", "sub"), experts=("mul", "sub"), base_steps=5, expert_steps=5, d_model=16, n_layers=2
)
TRIALS = {"smoke": 12, "small": 200}
FLOWS = {"smoke": 8, "small": 160}
POPULATION = 8
SPLITS: tuple[Split, ...] = ("dev", "test")

UNIFORM, SINGLE, EVOLVED = "linear", "task_arithmetic, the best of as many coefficients", "evo_merge"
FIRST, FLOW = "the first expert", "evo_merge, order of layers"

GAIN = Contrast("genes of each group against one coefficient", SINGLE, EVOLVED)
OTHERS = (
    Contrast("genes of each group against the uniform average", UNIFORM, EVOLVED),
    Contrast("genes of each group, on the rows that chose them", SINGLE, EVOLVED, on="dev"),
    Contrast(
        "what the rows to choose by promise too much", SINGLE, EVOLVED, metric="dev less test", on="gap"
    ),
    Contrast("layers of all experts in a new order against the first one's", FIRST, FLOW),
)


@cache
def _family(size: str) -> ArithFamily:
    return arith_family(SMALLEST if size == "smoke" else None)


def _trial(size: str, seed: int) -> Trial:
    """Return one family whatever the seed: the draws of a search are what differs."""
    family = _family(size)
    return Trial(family.model(), family.base, family.experts, family.tasks, Rng(seed, ("evo_merge",)))


def _single(trial: Trial, size: str) -> Weights:
    """Return the best sum of task vectors by one coefficient, drawn as often as evolution tries a merge."""
    blend = trial.blend()
    scales = trial.rng.child("scales").generator().uniform(0, 1, TRIALS[size])
    found = [mean_accuracy(trial.measure(blend.weights(blend.start(scale)))) for scale in scales.tolist()]
    return blend.weights(blend.start(float(scales[np.argmax(found)])))


def _evolved(trial: Trial, size: str) -> Weights:
    found = EvoMerge(trials=TRIALS[size]).calibrate(trial)
    return weights_of_plan(found.plan(trial.models, trial.base))


_WAYS: Mapping[str, Callable[[Trial, str], Weights]] = {
    UNIFORM: lambda trial, size: merge(_family(size), "linear"),
    SINGLE: _single,
    EVOLVED: _evolved,
    FIRST: lambda trial, size: read_weights(trial.models[0]),
}


def _of_flow(trial: Trial, size: str) -> dict[Split, dict[str, Score]]:
    """Return what the fittest order of the experts' layers is worth."""
    found = EvoFlow(repeats=2, population=POPULATION, generations=FLOWS[size] // POPULATION).search(trial)
    models = [loaded(trial.model, weights) for weights in trial.tuned_weights]
    with flowing(models, found.flow) as model:
        return {split: measure_tasks(model, trial.tasks, split) for split in SPLITS}


@cache
def _scores(arm: str, size: str, seed: int) -> dict[Split, dict[str, Score]]:
    """Return what an arm is worth on each task, on the rows to choose by and on the test."""
    trial = _trial(size, seed)
    if arm == FLOW:
        return _of_flow(trial, size)
    weights = _WAYS[arm](trial, size)
    return {split: dict(trial.measure(weights, split)) for split in SPLITS}


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Return which rows an arm solves; or for each task, what the rows to choose by promised too much."""
    size = "smoke" if lab.size == "smoke" else "small"

    def measured(seed: int) -> Mapping[str, float]:
        scores = _scores(arm, size, seed)
        if contrast.on == "gap":
            return {
                task: score.accuracy - scores["test"][task].accuracy for task, score in scores["dev"].items()
            }
        return joined(scores["dev" if contrast.on == "dev" else "test"])

    return across_seeds(lab.seeds, measured)


CLAIM = Claim((GAIN, *OTHERS), control=GAIN.without_treatment(), measure=measure)
