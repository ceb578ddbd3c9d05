"""Read outcomes ``x[problem, sample]`` and cluster ids; find what the statistics need of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calculemus.errors import StatisticsError

FloatArray = NDArray[np.float64]
Clusters = Sequence[Any] | NDArray[Any]


@dataclass(frozen=True, slots=True)
class Samples:
    """Outcomes by problem.

    Attributes:
        means: For each problem the mean of its samples.
        n_samples: Samples over all problems.
        is_single: Whether every problem has one sample.
        is_binary: Whether every sample is 0 or 1.
        least: The smallest sample.
        greatest: The largest.
    """

    means: FloatArray
    n_samples: int
    is_single: bool
    is_binary: bool
    least: float
    greatest: float

    @property
    def n(self) -> int:
        """Number of problems."""
        return len(self.means)


@dataclass(frozen=True, slots=True)
class Units:
    """What is drawn independently: problems, or clusters of problems.

    Attributes:
        codes: For each problem the number of its unit.
        sizes: For each unit how many problems it has.
    """

    codes: NDArray[np.intp]
    sizes: FloatArray

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.sizes)

    @property
    def are_problems(self) -> bool:
        """Whether every problem is a unit of its own."""
        return self.n == len(self.codes)

    def sums(self, values: FloatArray) -> FloatArray:
        """Add ``values``, one a problem, within each unit."""
        return values if self.are_problems else np.bincount(self.codes, weights=values).astype(np.float64)

    def describe(self) -> str:
        """Say what the units are, to follow the name of a method."""
        return "" if self.are_problems else f", {self.n} clusters"


def read_samples(x: ArrayLike, doing: str) -> Samples:
    """Read outcomes: one row a problem, one column a sample, NaN where a sample is missing.

    Args:
        x: A table, or a list of one number a problem.
        doing: Names the computation in errors.

    Raises:
        StatisticsError: Not a table of finite numbers, fewer than 2 problems, or a problem without a sample.
    """
    try:
        table = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StatisticsError(
            f"{doing}: the outcomes are no table of numbers ({error}); expected one row a problem, "
            "one column a sample, NaN where a sample is missing"
        ) from error
    if table.ndim == 1:
        table = table[:, np.newaxis]
    if table.ndim != 2:
        raise StatisticsError(
            f"{doing}: the outcomes have {table.ndim} axes; expected two, problems and samples"
        )
    if len(table) < 2:
        raise StatisticsError(f"{doing}: there are {len(table)} problems; expected at least 2")
    missing = np.isnan(table)
    counts = table.shape[1] - missing.sum(axis=1)
    _refuse_rows(np.isinf(table).any(axis=1), f"{doing}: problem {{row}} has an infinite sample")
    _refuse_rows(
        counts == 0, f"{doing}: problem {{row}} has no sample; leave it out or count it as wrong (0)"
    )
    filled = np.where(missing, 0.0, table)
    return Samples(
        means=filled.sum(axis=1) / counts,
        n_samples=int(counts.sum()),
        is_single=bool((counts == 1).all()),
        is_binary=bool(((filled == 0) | (filled == 1)).all()),
        least=float(np.nanmin(table)),
        greatest=float(np.nanmax(table)),
    )


def _refuse_rows(bad: ArrayLike, message: str) -> None:
    """Raise ``message`` with the number of the first bad row, counted from 0."""
    if np.any(bad):
        raise StatisticsError(message.format(row=int(np.argmax(bad))))


def read_units(clusters: Clusters | None, n: int, doing: str) -> Units:
    """Read the cluster of each of ``n`` problems; None, or ids that all differ, make each problem a unit.

    Raises:
        StatisticsError: Another number of ids than problems, an empty id, or a single cluster.
    """
    if clusters is None:
        return Units(np.arange(n), np.ones(n))
    if len(clusters) != n:
        raise StatisticsError(
            f"{doing}: there are {n} problems and {len(clusters)} cluster ids; expected one id a problem"
        )
    numbers: dict[Any, int] = {}
    codes = np.empty(n, dtype=np.intp)
    for row, cluster in enumerate(clusters):
        if cluster is None or cluster == "" or cluster != cluster:  # only NaN differs from itself
            raise StatisticsError(f"{doing}: problem {row} has the empty cluster id {cluster!r}; name it")
        codes[row] = numbers.setdefault(cluster, len(numbers))
    if len(numbers) == 1:
        raise StatisticsError(
            f"{doing}: all {n} problems are in the cluster {clusters[0]!r}; expected at least 2 clusters, "
            "because their differences are what the interval is made of"
        )
    return Units(codes, np.bincount(codes).astype(np.float64))


def standard_error(values: FloatArray, units: Units) -> float:
    """Return the standard error of the mean of ``values``, one a problem, when units are drawn.

    The cluster-robust (sandwich) error of an intercept, with the factor G/(G-1) for G units; for problems as
    units it is the standard deviation divided by the root of their number.
    """
    residuals = units.sums(values - values.mean())
    return float(np.sqrt(units.n / (units.n - 1) * (residuals**2).sum()) / len(values))
