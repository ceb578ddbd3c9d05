"""The trade-offs between three kinds of digits that MAP finds, and those that as many random merges find."""

from collections.abc import Callable, Mapping
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.calibration import Trial
from calculemus.merging.digit_runs import by_family
from calculemus.merging.fronts import hyper_volume
from calculemus.merging.map_pareto import MapPareto
from calculemus.merging.tries import Counted, score_of
from calculemus.rng import Rng
from calculemus.tiny.digit_family import DigitFamily, DigitRecipe, digit_family
from calculemus.tuning.tasks import measure as measure_tasks

Array = NDArray[np.float64]

DOMAINS = ("plain", "turned", "inverted")
N_POINTS, N_CHECKS = 20, 10
RANDOM, GRID = "random coefficients, as many merges", "a grid of 100 coefficients"
MAP, BAYESIAN, NESTED = "map_pareto", "map_pareto:variant=bayesian", "map_pareto:variant=nested"

GAIN = Contrast("the front against random merges", RANDOM, MAP, metric="hyper-volume")
OTHERS = (
    Contrast("merges tried in rounds", RANDOM, BAYESIAN, metric="hyper-volume"),
    Contrast("two models at a time", RANDOM, NESTED, metric="hyper-volume"),
    Contrast("30 merges by MAP against 100 on a grid", GRID, MAP, metric="hyper-volume"),
)


def _with_map(trial: Trial, variant: str) -> Array:
    method = MapPareto(variant=variant, n_checks=N_CHECKS)  # type: ignore[arg-type]  # one of the three
    if variant == "nested":
        # Two merges of two: half of the points each, so that as many merges are tried.
        method = MapPareto(variant="nested", n_points=N_POINTS // 2, n_checks=N_CHECKS // 2)
    return method.front(trial).measured.points


def _at_random(trial: Trial) -> Array:
    draws = trial.rng.child("random").generator()
    tried = Counted(score_of(trial))(draws.uniform(0, 1, (N_POINTS + N_CHECKS, len(DOMAINS))))
    return tried.best.points


def _on_grid(trial: Trial) -> Array:
    grid = np.array(list(product(np.linspace(0, 1, 5), np.linspace(0, 1, 5), np.linspace(0, 1, 4))))
    return Counted(score_of(trial))(grid).best.points


_WAYS: Mapping[str, Callable[[Trial], Array]] = {
    RANDOM: _at_random,
    GRID: _on_grid,
    MAP: lambda trial: _with_map(trial, "plain"),
    BAYESIAN: lambda trial: _with_map(trial, "bayesian"),
    NESTED: lambda trial: _with_map(trial, "nested"),
}


@cache
def _family(seed: int, steps: int) -> DigitFamily:
    return digit_family(DigitRecipe(domains=DOMAINS, expert_steps=steps, seed=seed))


def _covered(family: DigitFamily, points: Array, trial: Trial) -> float:
    """Return the share of what lies between the base and perfection that merges cover, on the test."""
    model = family.model()
    base = [score.accuracy for score in measure_tasks(model, family.tasks, "test").values()]
    scores = Counted(score_of(trial, split="test"))(points).scores
    return hyper_volume(scores, base) / float(np.prod([1 - accuracy for accuracy in base]))


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Return for each family the hyper-volume, on the test, of what an arm chose by the rows to choose by."""
    steps = 60 if lab.size == "smoke" else 300

    def covered(seed: int) -> float:
        family = _family(seed, steps)
        rng = Rng(seed, ("map_pareto",))
        trial = Trial(family.model(), family.base, family.experts, family.tasks, rng)
        return _covered(family, _WAYS[arm](trial), trial)

    return by_family(lab, covered)


CLAIM = Claim((GAIN, *OTHERS), control=GAIN.without_treatment(), measure=measure)
