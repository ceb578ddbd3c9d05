"""Fronts of trade-offs: what nothing else beats in every score, found, thinned out and weighed."""

from collections.abc import Callable, Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray

from calculemus.errors import MissingExtraError
from calculemus.rng import Rng

Array = NDArray[np.float64]


def not_dominated(scores: Array) -> list[int]:
    """Return the rows of (point, score) that no other row beats: as high everywhere, and higher somewhere.

    Of rows that are the same the first one stays.
    """
    kept = []
    for i, row in enumerate(scores):
        as_high = (scores >= row).all(axis=1)
        is_beaten = (as_high & (scores > row).any(axis=1)).any()
        is_repeated = (scores[:i] == row).all(axis=1).any()
        if not is_beaten and not is_repeated:
            kept.append(i)
    return kept


def hyper_volume(scores: Array, reference: Sequence[float]) -> float:
    """Return the volume that (point, score) scores cover above a reference.

    Raises:
        MissingExtraError: pymoo is not installed.
    """
    try:
        from pymoo.indicators.hv import HV
    except ImportError as error:
        raise MissingExtraError("measuring the hyper-volume of a front", "pymoo", "evolve") from error
    above = np.maximum(scores, reference)
    return float(np.asarray(HV(ref_point=-np.asarray(reference))(-above)))


def spread(scores: Array, n: int, first: int) -> list[int]:
    """Return up to n rows of (point, score), each as far as possible from those before it."""
    chosen = [first]
    distance = np.linalg.norm(scores - scores[first], axis=1)
    while len(chosen) < n and distance.max() > 0:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(scores - scores[chosen[-1]], axis=1))
    return chosen


def search_front(
    objectives: Callable[[Array], Array],
    low: Sequence[float],
    high: Sequence[float],
    rng: Rng,
    population: int = 100,
    generations: int = 25,
) -> Array:
    """Return (point, coefficient) points of the front of functions, by NSGA-III.

    Source: Deb and Jain 2014, doi:10.1109/TEVC.2013.2281535, as pymoo has it; settings of crossover and
    mutation are those of MAP's public code.

    Args:
        objectives: Gives (point, score) scores, to be as high as possible, of points.
        low: Least of each coefficient.
        high: Most of each.
        rng: Names the draws.
        population: Points of a generation.
        generations: How many.

    Raises:
        MissingExtraError: pymoo is not installed.
    """
    try:
        from pymoo.algorithms.moo.nsga3 import NSGA3
        from pymoo.core.problem import Problem
        from pymoo.operators.crossover.sbx import SBX
        from pymoo.operators.mutation.pm import PM
        from pymoo.optimize import minimize
        from pymoo.util.ref_dirs import get_reference_directions
    except ImportError as error:
        raise MissingExtraError("searching a front by NSGA-III", "pymoo", "evolve") from error
    n_scores = objectives(np.array([low], np.float64)).shape[1]

    class _Negated(Problem):
        def _evaluate(self, x: Array, out: dict[str, Array], *args: object, **kwargs: object) -> None:
            out["F"] = -objectives(x)

    problem = _Negated(n_var=len(low), n_obj=n_scores, xl=np.array(low), xu=np.array(high))
    algorithm = NSGA3(
        ref_dirs=get_reference_directions(
            "das-dennis", n_scores, n_partitions=_partitions(n_scores, population)
        ),
        pop_size=population,
        crossover=SBX(prob=0.7, eta=20),
        mutation=PM(prob=0.3, eta=20),
    )
    found = minimize(problem, algorithm, ("n_gen", generations), seed=rng.integer(2**31), verbose=False)
    assert found.pop is not None
    points = np.array([one.X for one in found.pop])
    return points[not_dominated(objectives(points))]


def _partitions(n_scores: int, most: int) -> int:
    """Return how finely directions can be laid out so that there are no more of them than points."""
    fits = [p for p in range(1, most) if comb(p + n_scores - 1, n_scores - 1) <= most]
    return max(fits, default=1)
