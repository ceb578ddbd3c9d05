"""Which methods are worth their cost: the front of accuracy against cost, with ties."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calculemus.errors import StatisticsError
from calculemus.rng import Rng
from calculemus.stats.checks import check_confidence, whole
from calculemus.stats.estimate import Estimate
from calculemus.stats.paired import difference_interval
from calculemus.stats.permutation import read_pair
from calculemus.stats.proportion import accuracy
from calculemus.stats.resample import RESAMPLES, RNG, bootstrap_weights, mean, pooled
from calculemus.stats.samples import Clusters, FloatArray, Units, read_samples, read_units


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """One method on the plane of cost and accuracy.

    Attributes:
        name: The method.
        accuracy: Its accuracy.
        cost: Its cost a problem: an estimate, or the number that was given.
        on_front: Whether no other method costs no more and is separably better.
        tied_with: Other methods on the front whose accuracy is not separable from this one's.
        front_share: Share of bootstrap resamples in which none costs no more and is as accurate, or better.
    """

    name: str
    accuracy: Estimate
    cost: Estimate | float
    on_front: bool
    tied_with: tuple[str, ...]
    front_share: float


def pareto(
    names: Sequence[str],
    cost: Sequence[ArrayLike | float],
    x: Sequence[ArrayLike],
    rng: Rng = RNG,
    clusters: Clusters | None = None,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
) -> list[FrontPoint]:
    """Return each method's place against the front, in the order given.

    A method is dominated only if another costs no more and the interval of their paired difference (see
    ``compare``) puts the other's accuracy above. Two methods that the data cannot separate both stay.
    ``front_share`` is the plain front, without intervals, in resamples of the problems.

    Args:
        names: Of the methods.
        cost: For each method one number, or its cost by problem (``[problem, sample]`` or one a problem).
        x: For each method its outcomes ``[problem, sample]``, of the same problems in the same order.
        rng: Where draws come from.
        clusters: For each problem the id of its group.
        confidence: Of the intervals.
        resamples: How many.

    Raises:
        StatisticsError: Lists of different lengths, names that repeat, different numbers of problems, a cost
            that is no finite number, or what ``accuracy`` refuses.
    """
    doing = "pareto"
    check_confidence(confidence, doing)
    resamples = whole(resamples, "the number of resamples", 100, doing)
    _check(names, cost, x)
    accuracies = [accuracy(outcomes, clusters, confidence) for outcomes in x]
    n = accuracies[0].n_problems
    units = read_units(clusters, n, doing)
    costs = [_cost(c, clusters, confidence, rng, resamples) for c in cost]
    for name, figure in zip(names, costs, strict=True):
        if isinstance(figure, Estimate) and figure.n_problems != n:
            raise StatisticsError(
                f"{doing}: the costs of {name} are of {figure.n_problems} problems and its outcomes of {n}; "
                "expected the same problems in the same order"
            )
    levels = [c.value if isinstance(c, Estimate) else c for c in costs]
    apart = _separations(x, units, confidence, rng, resamples)
    on_front = [
        not any(apart[j, i] > 0 and levels[j] <= levels[i] for j in range(len(names)))
        for i in range(len(names))
    ]
    shares = _front_shares(cost, x, units, rng, resamples)
    points = []
    for i, name in enumerate(names):
        tied = tuple(
            names[j] for j in range(len(names)) if j != i and on_front[i] and on_front[j] and apart[i, j] == 0
        )
        points.append(FrontPoint(name, accuracies[i], costs[i], on_front[i], tied, float(shares[i])))
    return points


def _check(names: Sequence[str], cost: Sequence[ArrayLike | float], x: Sequence[ArrayLike]) -> None:
    if not len(names) == len(cost) == len(x) or not names:
        raise StatisticsError(
            f"pareto: there are {len(names)} names, {len(cost)} costs and outcomes of {len(x)} methods; "
            "expected one of each a method, and at least one method"
        )
    if len(set(names)) != len(names):
        raise StatisticsError(f"pareto: the names {', '.join(names)} repeat; expected a name for each method")
    for i in range(1, len(names)):
        read_pair(x[0], x[i], f"pareto, {names[0]} and {names[i]}")
    for name, figure in zip(names, cost, strict=True):
        if np.ndim(figure) == 0 and not np.isfinite(np.asarray(figure, dtype=np.float64)):
            raise StatisticsError(f"pareto: the cost of {name} is {figure!r}; expected a finite number")


def _cost(
    figure: ArrayLike | float, clusters: Clusters | None, confidence: float, rng: Rng, resamples: int
) -> Estimate | float:
    if np.ndim(figure) == 0:
        return float(np.asarray(figure))
    return mean(figure, clusters, confidence, rng, resamples)


def _separations(
    x: Sequence[ArrayLike], units: Units, confidence: float, rng: Rng, resamples: int
) -> NDArray[np.int_]:
    """Return for each pair 1 where the first is separably better, -1 where the second is, 0 otherwise."""
    samples = [read_samples(outcomes, "pareto") for outcomes in x]
    apart = np.zeros((len(x), len(x)), dtype=np.int_)
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            ends, _ = difference_interval(samples[i], samples[j], units, confidence, rng, resamples)
            apart[j, i] = int(ends.low > 0) - int(ends.high < 0)
            apart[i, j] = -apart[j, i]
    return apart


def _front_shares(
    cost: Sequence[ArrayLike | float], x: Sequence[ArrayLike], units: Units, rng: Rng, resamples: int
) -> FloatArray:
    """Return for each method the share of resamples in which it stands on the plain front."""
    columns = [read_samples(outcomes, "pareto").means for outcomes in x]
    for figure in cost:
        by_problem = np.ndim(figure) > 0
        columns.append(
            read_samples(figure, "pareto, cost").means if by_problem else np.full_like(columns[0], figure)
        )
    rows = pooled(np.column_stack([units.sizes, *(units.sums(column) for column in columns)]), rng)
    counts = np.zeros(len(x))
    for weights in bootstrap_weights(len(rows), resamples, rng):
        sums = weights @ rows
        means = sums[:, 1:] / sums[:, :1]
        counts += _on_plain_front(means[:, : len(x)], means[:, len(x) :]).sum(axis=0)
    return counts / resamples


def _on_plain_front(accuracies: FloatArray, costs: FloatArray) -> NDArray[np.bool_]:
    """Say for each resample and method whether none is as accurate at no more cost, and better in one."""
    # Equal means reached by sums in another order differ in the last bits.
    near = 1e-12 * (1 + np.abs(costs).max())
    on_front = np.ones(accuracies.shape, dtype=np.bool_)
    for other in range(accuracies.shape[1]):
        gain = accuracies[:, [other]] - accuracies
        saving = costs[:, [other]] - costs
        weakly = (gain >= -1e-12) & (saving <= near)
        on_front &= ~(weakly & ((gain > 1e-12) | (saving < -near)))
    return on_front
