"""What systems cost, and which are worth it."""

from collections.abc import Iterable, Mapping, Sequence

from calculemus.stats import pareto
from calculemus.store import Run, Store
from calculemus.store.browsing import Browser
from calculemus.study.pairs import MAX_ALL_PAIRS
from calculemus.study.scores import Table

# The front is drawn over the first of these that is known of every system.
_FRONT_COSTS = ("flops", "tokens_out", "seconds_engine", "tokens_in", "peak_bytes")

# The front itself needs no resamples; the share of them that agrees with it is not shown here.
_RESAMPLES = 100


def mean_costs(store: Store, run: Run, only: Sequence[int] | None) -> dict[str, float]:
    """Return the mean over answers of every part of the cost that is known for all of them.

    Args:
        store: Where the run is.
        run: Whose costs.
        only: The places of the problems that count; None for all.
    """
    means = store.mean_costs(run)
    if not means or only is None:
        return means
    found = Browser(store).mean_costs(run, only)
    return {name: found[name] for name in means}


def front_cost(costs: Iterable[Mapping[str, float]]) -> str | None:
    """Return the cost to draw the front over: the first that is known of every system, or None."""
    known = list(costs)
    return next((name for name in _FRONT_COSTS if all(name in cost for cost in known)), None)


def on_front(
    tables: Mapping[str, Table], costs: Mapping[str, Mapping[str, float]], clusters: Sequence[str]
) -> dict[str, bool]:
    """Say of each system whether none costs no more and is separably better; of none where costs are unknown.

    Args:
        tables: For each system its outcomes ``[problem, sample]``.
        costs: For each system what it costs.
        clusters: For each problem the id of its group.
    """
    cost = front_cost(costs.values())
    if cost is None or len(tables) > MAX_ALL_PAIRS:
        return {}
    levels = [costs[name][cost] for name in tables]
    points = pareto(list(tables), levels, list(tables.values()), clusters=clusters, resamples=_RESAMPLES)
    return {point.name: point.on_front for point in points}
