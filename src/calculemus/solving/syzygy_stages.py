"""Exactness and minimality of a staged syzygy of thoughts: what solutions use, and what the vote needs."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Same = Callable[[Sequence[str | None]], list[tuple[int, ...]]]

_OTHER = re.compile(r"\bother\b", re.I)
_NUMBER = re.compile(r"\d{1,4}")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One solution, as the vote sees it.

    Attributes:
        index: Which one it is.
        answer: What it comes to; None where it gives no answer.
        uses: Numbers of the conditions that it uses; None where it uses something that is not stated.
    """

    index: int
    answer: str | None
    uses: frozenset[int] | None

    def needs_only(self, conditions: frozenset[int]) -> bool:
        """Say whether it uses none but these conditions."""
        return self.uses is not None and self.uses <= conditions


def read_uses(text: str, n: int) -> frozenset[int] | None:
    """Return which of the conditions 1 to ``n`` a reply names; None where it names something else.

    Example:
        >>> sorted(read_uses("1, 3", 5)), read_uses("2 and other", 5), read_uses("7", 5), read_uses("none", 5)
        ([1, 3], None, None, frozenset())
    """
    line = next((line for line in text.splitlines() if line.strip()), "")
    numbers = frozenset(int(number) for number in _NUMBER.findall(line))
    is_stated = all(1 <= number <= n for number in numbers)
    return numbers if is_stated and not _OTHER.search(line) else None


def count_votes(same: Same, attempts: Sequence[Attempt]) -> list[int]:
    """Return the first attempt of each answer, the one with most votes first; ties go to who came first."""
    groups = same([attempt.answer for attempt in attempts])
    ranked = sorted(groups, key=lambda group: (-len(group), group[0]))
    return [attempts[group[0]].index for group in ranked]


def needed(same: Same, attempts: Sequence[Attempt], n: int) -> frozenset[int]:
    """Drop conditions, the last first, without which the vote has the same answer; return what is left.

    No condition that is left can be dropped alone. Without a vote there is nothing to keep them for.

    Args:
        same: Groups equal answers.
        attempts: Those that use stated conditions alone.
        n: How many conditions are stated.
    """
    kept = frozenset(range(1, n + 1))
    winner = _winner(same, attempts, kept)
    is_settled = False
    while not is_settled:
        is_settled = True
        for condition in sorted(kept, reverse=True):
            less = kept - {condition}
            if _is_same(same, winner, _winner(same, attempts, less)):
                kept, is_settled = less, False
    return kept


def _winner(same: Same, attempts: Sequence[Attempt], conditions: frozenset[int]) -> str | None:
    voters = [attempt for attempt in attempts if attempt.needs_only(conditions)]
    answers = {attempt.index: attempt.answer for attempt in voters}
    order = count_votes(same, voters)
    return answers[order[0]] if order else None


def _is_same(same: Same, a: str | None, b: str | None) -> bool:
    if a is None or b is None:
        return a is b
    return len(same([a, b])) == 1
