"""Every pair of systems on the same problems."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from calculemus.events import track
from calculemus.stats import compare as compare_pair
from calculemus.stats import holm, visible_gain
from calculemus.study.comparison import PairResult
from calculemus.study.scores import Table

# Beyond this many systems the pairs grow past what anyone reads; then only those with the baseline are made.
MAX_ALL_PAIRS = 30


def compare_pairs(tables: Mapping[str, Table], baseline: str, clusters: Sequence[str]) -> list[PairResult]:
    """Compare every pair, pairs with the baseline first; of very many systems, only those.

    Args:
        tables: For each system its outcomes ``[problem, sample]``.
        baseline: The system that the others are compared with.
        clusters: For each problem the id of its group.
    """
    pairs = list(_pairs(list(tables), baseline))
    tracked = track(pairs, "comparing pairs", len(pairs))
    results = [_compare(a, b, tables[a], tables[b], clusters) for a, b in tracked]
    n = len(tables) - 1
    corrected = holm([result.p_value for result in results[:n]])
    first = [replace(result, p_holm=p) for result, p in zip(results[:n], corrected, strict=True)]
    return first + results[n:]


def _pairs(names: Sequence[str], baseline: str) -> Iterator[tuple[str, str]]:
    others = [name for name in names if name != baseline]
    yield from ((baseline, name) for name in others)
    if len(names) <= MAX_ALL_PAIRS:
        yield from combinations(others, 2)


def _compare(a: str, b: str, first: Table, second: Table, clusters: Sequence[str]) -> PairResult:
    found = compare_pair(first, second, clusters)
    differences = np.nanmean(second, axis=1) - np.nanmean(first, axis=1)
    return PairResult(
        a=a,
        b=b,
        n=found.n,
        only_a=found.only_a,
        only_b=found.only_b,
        delta=found.delta,
        ci_low=found.low,
        ci_high=found.high,
        ci_method=found.method,
        p_value=found.p_value,
        p_method=found.p_method,
        p_holm=None,
        # Of single samples the mean square is the share of problems that exactly one system solves.
        visible=visible_gain(found.n, float(np.mean(differences**2))),
    )
