"""Many comparisons at once: corrected p-values, and systems in groups that the data cannot order."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from calculemus.errors import StatisticsError
from calculemus.stats.checks import check_share
from calculemus.stats.samples import FloatArray


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's corrected p-values: for "which of these beat the baseline".

    At level alpha, the chance of any false finding among those with a corrected value of at most alpha is at
    most alpha.

    Raises:
        StatisticsError: A p-value outside 0..1.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    ordered, order = _sorted(p_values, "holm")
    corrected = np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1))
    return _back(corrected, order)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the share of false findings: for exploratory tables.

    Raises:
        StatisticsError: A p-value outside 0..1.

    Example:
        >>> benjamini_hochberg([0.01, 0.04, 0.03])
        [0.03, 0.04, 0.04]
    """
    ordered, order = _sorted(p_values, "benjamini_hochberg")
    n = len(ordered)
    corrected = np.minimum.accumulate((ordered * n / np.arange(1, n + 1))[::-1])[::-1]
    return _back(corrected, order)


def _sorted(p_values: Sequence[float], doing: str) -> tuple[FloatArray, np.ndarray]:
    values = np.asarray(p_values, dtype=np.float64)
    for value in values:
        if not 0 <= value <= 1:
            raise StatisticsError(f"{doing}: a p-value is {value:g}; expected p-values from 0 to 1")
    order = np.argsort(values, kind="stable")
    return values[order], order


def _back(corrected: FloatArray, order: np.ndarray) -> list[float]:
    """Put corrected values at the places that the sorted ones came from."""
    result = np.empty_like(corrected)
    result[order] = np.minimum(corrected, 1.0)
    return result.tolist()


def separable_groups(
    names: Sequence[str],
    values: Sequence[float],
    p_values: Mapping[tuple[str, str], float],
    alpha: float = 0.05,
) -> list[tuple[str, ...]]:
    """Return the largest groups of systems of which no two can be told apart, best first.

    Ranks 1..k would claim an order that the data do not show. A system may stand in several groups: "a" may
    not be separable from "b", nor "b" from "c", while "a" and "c" are. P-values are Holm-corrected here.

    Args:
        names: Of the systems.
        values: For each the figure that orders it, larger is better.
        p_values: For each pair of names, in either order, its uncorrected p-value.
        alpha: Level of the corrected p-values under which a pair is separable.

    Raises:
        StatisticsError: Names that repeat, a pair without p-value, or figures that do not match the names.

    Example:
        >>> separable_groups(["a", "b", "c"], [0.7, 0.5, 0.6], {("a", "b"): 0.001, ("a", "c"): 0.3, ("b", "c"): 0.2})
        [('a', 'c'), ('c', 'b')]
    """  # noqa: E501  # doctest compares whole lines
    doing = "separable_groups"
    check_share(alpha, "alpha", doing)
    if len(values) != len(names) or len(set(names)) != len(names):
        raise StatisticsError(
            f"{doing}: there are {len(names)} names, {len(set(names))} of them different, and {len(values)} "
            "figures; expected one figure for each name, and no name twice"
        )
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    corrected = holm([_p_value(p_values, pair, doing) for pair in pairs])
    groups = [frozenset(names)]
    for (a, b), p_value in zip(pairs, corrected, strict=True):
        if p_value <= alpha:
            groups = _split(groups, a, b)
    place = {name: i for i, (_, name) in enumerate(sorted(zip(np.negative(values), names, strict=True)))}
    return sorted((tuple(sorted(group, key=place.__getitem__)) for group in groups), key=_places(place))


def _p_value(p_values: Mapping[tuple[str, str], float], pair: tuple[str, str], doing: str) -> float:
    for key in (pair, (pair[1], pair[0])):
        if key in p_values:
            return p_values[key]
    raise StatisticsError(f"{doing}: the pair {pair} has no p-value; expected one for every pair")


def _split(groups: list[frozenset[str]], a: str, b: str) -> list[frozenset[str]]:
    """Part every group that holds both ``a`` and ``b``, and drop groups inside others."""
    parted: list[frozenset[str]] = []
    for group in groups:
        parted += [group - {a}, group - {b}] if {a, b} <= group else [group]
    different = list(dict.fromkeys(parted))
    return [group for group in different if not any(group < other for other in different)]


def _places(place: Mapping[str, int]) -> Callable[[tuple[str, ...]], list[int]]:
    """Return a key that orders groups by the places of their members."""
    return lambda group: [place[name] for name in group]
