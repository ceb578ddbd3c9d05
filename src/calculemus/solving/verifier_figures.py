"""How well a verifier tells right solutions from wrong ones, on problems that it was not trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from calculemus.grading.votes import extract_answer, group_equal
from calculemus.solving.attempting import Attempt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POSITIONS = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of a solution behind which values are looked at."""


@dataclass(frozen=True, slots=True)
class AtPosition:
    """Figures of the values behind a share of each solution.

    Attributes:
        auc: Chance that a right solution has a higher value than a wrong one, ties counted half; None where
            there are not both.
        within: The same among solutions of one problem, averaged over the problems that have both.
        brier: Mean squared distance of the value, as a probability, from the outcome.
    """

    auc: float | None
    within: float | None
    brier: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What a verifier is worth.

    Attributes:
        n_problems: That it was measured on.
        n_samples: Of each problem.
        at: By share of the solution.
        mean: Share of the samples that is right.
        coin: Share of the different samples of a problem that is right, each counted once: what one gets that
            is chosen among them blindly. Right ones repeat more, so it is below ``mean``; and it, not
            ``mean``, is what ``best`` comes to by values that say nothing.
        best: Share of the problems whose sample of highest value is right.
        vote: Share of the problems whose most frequent answer is right.
        any: Share of the problems with a right sample.
        brier_quarters: Brier score of all values in each quarter of the solutions; () where there are none.
    """

    n_problems: int
    n_samples: int
    at: Mapping[float, AtPosition]
    mean: float
    coin: float
    best: float
    vote: float
    any: float
    brier_quarters: tuple[float, ...]


def auc(
    values: Sequence[float], outcomes: Sequence[bool], counts: Sequence[int] | None = None
) -> float | None:
    """Return the chance that a right one has a higher value than a wrong one; None without both kinds.

    Args:
        values: One for each solution.
        outcomes: Whether each is right.
        counts: How often each was sampled; once if not given.

    Example:
        >>> auc([0.9, 0.2, 0.2], [True, False, True])
        0.75
    """
    import numpy as np  # here, so that listing solvers stays fast

    weights = np.ones(len(values)) if counts is None else np.asarray(counts, float)
    is_right = np.asarray(outcomes, bool)
    levels, level = np.unique(np.asarray(values, float), return_inverse=True)
    right = np.bincount(level, weights * is_right, len(levels))
    wrong = np.bincount(level, weights * ~is_right, len(levels))
    pairs = right.sum() * wrong.sum()
    if not pairs:
        return None
    below = np.cumsum(wrong) - wrong
    return float((right * (below + wrong / 2)).sum() / pairs)


def figures(
    attempts: Sequence[Sequence[Attempt]],
    values: Sequence[Sequence[Sequence[float]]],
    at_positions: bool = False,
) -> Figures:
    """Return what the values of some problems' solutions are worth.

    Args:
        attempts: Solutions by problem.
        values: Of each solution the value behind each of its tokens, as probabilities.
        at_positions: They are those behind each of ``POSITIONS`` alone.
    """
    by_token = values
    if not at_positions:
        values = [[[_behind(share, each) for share in POSITIONS] for each in own] for own in by_token]
    total = sum(each.count for each in attempts[0])
    ends = [[each[-1] for each in own] for own in values]
    best = [_is_best_right(some, own) for some, own in zip(attempts, ends, strict=True)]
    return Figures(
        n_problems=len(attempts),
        n_samples=total,
        at={share: _at(place, attempts, values) for place, share in enumerate(POSITIONS)},
        mean=_mean([sum(a.count * a.is_correct for a in some) / total for some in attempts]),
        coin=_mean([_mean([float(a.is_correct) for a in some]) for some in attempts]),
        best=_mean(best),
        vote=_mean([_is_vote_right(some) for some in attempts]),
        any=_mean([float(any(a.is_correct for a in some)) for some in attempts]),
        brier_quarters=() if at_positions else _quarters(attempts, by_token),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _at(
    place: int, attempts: Sequence[Sequence[Attempt]], values: Sequence[Sequence[Sequence[float]]]
) -> AtPosition:
    seen = [[each[place] for each in own] for own in values]
    each = [area for own, some in zip(seen, attempts, strict=True) if (area := _auc(own, some)) is not None]
    flat = list(chain.from_iterable(seen))
    solutions = list(chain.from_iterable(attempts))
    errors = [a.count * (value - a.is_correct) ** 2 for value, a in zip(flat, solutions, strict=True)]
    brier = sum(errors) / sum(a.count for a in solutions)
    return AtPosition(_auc(flat, solutions), _mean(each) if each else None, brier)


def _auc(values: Sequence[float], attempts: Sequence[Attempt]) -> float | None:
    return auc(values, [a.is_correct for a in attempts], [a.count for a in attempts])


def _behind(share: float, values: Sequence[float]) -> float:
    """Return the value behind a share of a solution; its last token may be the mark of the end."""
    return values[max(0, round(share * (len(values) - 1)) - 1)]


def _is_best_right(attempts: Sequence[Attempt], values: Sequence[float]) -> float:
    place = max(range(len(attempts)), key=lambda i: values[i])
    return float(attempts[place].is_correct)


def _is_vote_right(attempts: Sequence[Attempt]) -> float:
    groups = group_equal([extract_answer(a.text) for a in attempts])
    if not groups:
        return 0.0
    largest = max(groups, key=lambda group: sum(attempts[i].count for i in group))
    return float(attempts[largest[0]].is_correct)


def _quarters(
    attempts: Sequence[Sequence[Attempt]], values: Sequence[Sequence[Sequence[float]]]
) -> tuple[float, ...]:
    import numpy as np  # here, so that listing solvers stays fast

    sums, n = np.zeros(4), np.zeros(4)
    for some, own in zip(attempts, values, strict=True):
        for solution, each in zip(some, own, strict=True):
            quarter, error = _errors(np.asarray(each), solution.is_correct)
            sums += solution.count * np.bincount(quarter, error, 4)
            n += solution.count * np.bincount(quarter, minlength=4)
    return tuple((sums / np.maximum(n, 1)).tolist())


def _errors(
    values: "NDArray[np.float64]", is_correct: bool
) -> tuple["NDArray[np.int64]", "NDArray[np.float64]"]:
    """Return in which quarter of its solution each value stands, and its squared error."""
    import numpy as np  # here, so that listing solvers stays fast

    quarter = np.arange(len(values), dtype=np.int64) * 4 // len(values)
    return quarter, (values - float(is_correct)) ** 2
