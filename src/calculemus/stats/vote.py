"""The expected outcome of a vote of k samples, chosen from those of one problem without replacement."""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from calculemus.errors import StatisticsError
from calculemus.rng import Rng
from calculemus.stats.samples import FloatArray

# Choices of voters that are all looked at; where there are more, so many are drawn.
_ENUMERATED = 20_000
_DRAWN = 2_000


@dataclass(frozen=True, slots=True)
class Ballot:
    """The samples of one problem.

    Attributes:
        classes: For each sample the number of its answer's class, in order of appearance; -1 abstains.
        right: For each class whether it is right.
        weights: For each sample its vote's weight; None where all weigh the same.
    """

    classes: tuple[int, ...]
    right: tuple[bool, ...]
    weights: tuple[float, ...] | None

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.classes)

    @property
    def abstaining(self) -> int:
        """Samples that do not vote."""
        return self.classes.count(-1)

    @property
    def right_sizes(self) -> tuple[int, ...]:
        """Sizes of the right classes, in order of size."""
        return self._sizes(right=True)

    @property
    def wrong_sizes(self) -> tuple[int, ...]:
        """Sizes of the wrong classes, in order of size."""
        return self._sizes(right=False)

    def _sizes(self, right: bool) -> tuple[int, ...]:
        sizes = Counter(self.classes)
        return tuple(sorted(sizes[number] for number, is_right in enumerate(self.right) if is_right == right))


def read_ballot(
    groups: Sequence[Hashable | None],
    correct: Sequence[bool],
    weights: Sequence[float] | None,
    k: int,
    row: int,
) -> Ballot:
    """Check and number the answers to problem ``row``.

    Raises:
        StatisticsError: See ``maj_at_k``.
    """
    doing = f"maj_at_k, problem {row}"
    n = len(groups)
    if len(correct) != n or (weights is not None and len(weights) != n):
        raise StatisticsError(
            f"{doing}: there are {n} answers and {len(correct)} verdicts"
            f"{'' if weights is None else f' and {len(weights)} weights'}; expected one of each a sample"
        )
    if k > n:
        raise StatisticsError(f"{doing}: k is {k} and there are {n} samples; expected k of at most {n}")
    numbers: dict[Hashable, int] = {}
    verdicts: dict[Hashable, bool] = {}
    for group, is_right in zip(groups, correct, strict=True):
        if group is None:
            continue
        numbers.setdefault(group, len(numbers))
        if verdicts.setdefault(group, bool(is_right)) != bool(is_right):
            raise StatisticsError(
                f"{doing}: the class {group!r} is right in one sample and wrong in another; "
                "expected equal answers to have equal verdicts: group them by the grader that graded them"
            )
    for weight in weights or ():
        if not 0 <= weight < math.inf:
            raise StatisticsError(f"{doing}: a weight is {weight!r}; expected finite weights of at least 0")
    return Ballot(
        tuple(-1 if group is None else numbers[group] for group in groups),
        tuple(verdicts[group] for group in numbers),
        None if weights is None else tuple(float(weight) for weight in weights),
    )


@lru_cache(maxsize=4096)
def counted_share(right: tuple[int, ...], wrong: tuple[int, ...], abstaining: int, k: int) -> float:
    """Return the expected share of right answers among the winners, exactly, from the classes' sizes."""
    total = sum(right) + sum(wrong) + abstaining
    won = sum(
        _won(size, (*right[:place], *right[place + 1 :], *wrong), abstaining, k)
        for place, size in enumerate(right)
    )
    return float(won / math.comb(total, k))


def _won(size: int, others: tuple[int, ...], abstaining: int, k: int) -> Fraction:
    """Return the choices of ``k`` voters that a class of ``size`` wins, each shared with its ties."""
    won = Fraction(0)
    for votes in range(1, min(size, k) + 1):
        rest = k - votes
        # choices[ties, used]: ways to take `used` voters from the classes so far, none of which gets more
        # than `votes` and `ties` of which get as many. Python's whole numbers: choices outgrow doubles.
        choices = np.zeros((rest // votes + 1, rest + 1), dtype=object)
        choices[0, 0] = 1
        for other in others:
            choices = _add_class(choices, other, votes)
        silent = [math.comb(abstaining, rest - used) for used in range(rest + 1)]
        by_ties = choices @ np.array(silent, dtype=object)
        won += math.comb(size, votes) * sum(Fraction(ways, ties + 1) for ties, ways in enumerate(by_ties))
    return won


def _add_class(choices: NDArray[np.object_], size: int, votes: int) -> NDArray[np.object_]:
    """Let a class of ``size`` take part, with at most ``votes`` voters."""
    rest = choices.shape[1] - 1
    added = np.zeros_like(choices)
    for taken in range(min(size, votes - 1, rest) + 1):
        added[:, taken:] += math.comb(size, taken) * choices[:, : rest + 1 - taken]
    if votes <= min(size, rest):
        added[1:, votes:] += math.comb(size, votes) * choices[:-1, : rest + 1 - votes]
    return added


def drawn_share(ballot: Ballot, k: int, rng: Rng) -> tuple[float, float]:
    """Return the expected share of right answers among the winners by weight, and its Monte-Carlo error.

    The error is 0 where all choices were looked at.
    """
    if math.comb(ballot.n, k) <= _ENUMERATED:
        return float(_shares(ballot, _all_choices(ballot.n, k)).mean()), 0.0
    # Named by the ballot, not by its place: the order of the problems changes nothing.
    generator = rng.child("maj_at_k", k, repr(ballot)).generator()
    order = generator.random((_DRAWN, ballot.n)).argsort(axis=1)
    shares = _shares(ballot, order < k)
    return float(shares.mean()), float(shares.std(ddof=1) / math.sqrt(_DRAWN))


@lru_cache(maxsize=8)
def _all_choices(n: int, k: int) -> NDArray[np.bool_]:
    """Return a row for each choice of ``k`` of ``n``: whether each is chosen."""
    chosen = np.zeros((math.comb(n, k), n), dtype=np.bool_)
    np.put_along_axis(chosen, np.array(list(combinations(range(n), k))), True, axis=1)
    return chosen


def _shares(ballot: Ballot, chosen: NDArray[np.bool_]) -> FloatArray:
    """Return for each choice the share of right answers among those with the most weight."""
    if not ballot.right:
        return np.zeros(len(chosen))
    membership = np.equal.outer(np.array(ballot.classes), np.arange(len(ballot.right))).astype(np.float64)
    weights = np.array(ballot.weights)[:, np.newaxis]
    votes, totals = chosen @ membership, chosen @ (membership * weights)
    # Sums of the same weights in another order differ in the last bits: they tie all the same.
    winners = (totals >= totals.max(axis=1, keepdims=True) - 1e-9 * weights.sum()) & (votes > 0)
    return (winners @ np.array(ballot.right, dtype=np.float64)) / np.maximum(winners.sum(axis=1), 1)
