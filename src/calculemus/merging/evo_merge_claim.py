"""Coefficients by evolution against one coefficient for all, on sums that the search did not see.

Units are families of a base and four experts, each with weights and rows of its own, and a search of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.calibration import Trial
from calculemus.merging.contest import by_family, merge, n_families, weights_of_plan
from calculemus.merging.dealing import ONE, OTHER, deal, dealt
from calculemus.merging.evo_flow import EvoFlow, flowing, loaded
from calculemus.merging.evo_merge import EvoMerge
from calculemus.merging.racing import Race
from calculemus.rng import Rng
from calculemus.tiny.arith_family import ArithFamily, ArithRecipe, arith_family
from calculemus.tuning.tasks import Split, mean_accuracy
from calculemus.tuning.tasks import measure as measure_tasks
from calculemus.tuning.threads import one_thread
from calculemus.tuning.weights import Weights, carrying, read_weights

# Nothing is learned in seconds: this size only shows that all of it runs.
SMALLEST = ArithRecipe(
    base=("mul", "sub"), experts=("mul", "sub"), base_steps=5, expert_steps=5, d_model=16, n_layers=2
)
TRIALS = {"smoke": 12, "small": 200}
FLOWS = {"smoke": 8, "small": 80}
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
def _family(size: str, seed: int) -> ArithFamily:
    return arith_family(replace(SMALLEST if size == "smoke" else ArithRecipe(), seed=seed))


def _trial(size: str, seed: int) -> Trial:
    family = _family(size, seed)
    return Trial(family.model(), family.base, family.experts, family.tasks, Rng(seed, ("evo_merge",)))


def _single(trial: Trial, size: str) -> Weights:
    """Return the best sum of task vectors by one coefficient, drawn as often as evolution tries a merge.

    Those that are clearly worse are stopped early, as they are in evolution.
    """
    blend, race = trial.blend(), Race(trial.tasks)
    scales = trial.rng.child("scales").generator().uniform(0, 1, TRIALS[size]).tolist()

    def fitness(scale: float) -> float:
        with carrying(trial.model, blend.weights(blend.start(scale))):
            return race.run(trial.model)

    return blend.weights(blend.start(max(scales, key=fitness)))


def _evolved(trial: Trial, size: str) -> Weights:
    found = EvoMerge(trials=TRIALS[size]).calibrate(trial)
    return weights_of_plan(found.plan(trial.models, trial.base))


_WAYS: Mapping[str, Callable[[Trial, str], Weights]] = {
    UNIFORM: lambda trial, size: merge(_family(size, trial.rng.seed), "linear"),
    SINGLE: _single,
    EVOLVED: _evolved,
    FIRST: lambda trial, size: read_weights(trial.models[0]),
}


def _of_flow(trial: Trial, size: str) -> dict[Split, float]:
    """Return what the fittest order of the experts' layers is worth."""
    found = EvoFlow(repeats=2, population=POPULATION, generations=FLOWS[size] // POPULATION).search(trial)
    models = [loaded(trial.model, weights) for weights in trial.tuned_weights]
    with flowing(models, found.flow) as model:
        return {split: mean_accuracy(measure_tasks(model, trial.tasks, split)) for split in SPLITS}


@cache
def _accuracy(arm: str, size: str, seed: int) -> dict[Split, float]:
    """Return the mean accuracy of an arm over tasks, on the rows to choose by and on the test."""
    trial = _trial(size, seed)
    with one_thread():
        if arm == FLOW:
            return _of_flow(trial, size)
        weights = _WAYS[arm](trial, size)
        return {split: mean_accuracy(trial.measure(weights, split)) for split in SPLITS}


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Return the accuracy of an arm for each family; or what the rows to choose by promised too much."""
    if arm in (ONE, OTHER):
        return deal(measure(SINGLE, contrast, lab), measure(EVOLVED, contrast, lab), arm)
    size = "smoke" if lab.size == "smoke" else "small"

    def measured(seed: int) -> float:
        found = _accuracy(arm, size, seed)
        if contrast.on == "gap":
            return found["dev"] - found["test"]
        return found["dev" if contrast.on == "dev" else "test"]

    return by_family(lab, n_families(lab, "sums"), measured)


CLAIM = Claim((GAIN, *OTHERS), control=dealt(GAIN), measure=measure)
