"""Answers held against each other, without a gold: what voters need."""

from collections.abc import Sequence
from functools import lru_cache

from calculemus.errors import GradingError
from calculemus.exact import parse_number
from calculemus.grading.cascade import Cascade, compare, read_gold


def extract_answer(text: str) -> str | None:
    r"""Return the answer that a text gives, None where it gives none.

    The rules are those of the default grader for a gold that is a number: words alone are no answer.

    Example:
        >>> extract_answer("Half of 7 is 3.5.\n#### 3.5"), extract_answer("I wonder.")
        ('3.5', None)
    """
    found = Cascade().candidate(text, read_gold("0"))
    return found.text if found else None


def group_equal(answers: Sequence[str | None]) -> list[tuple[int, ...]]:
    r"""Group answers that the default grader finds equal; None is in no group.

    Returns:
        Their indices by group, groups and indices in order of appearance.

    Example:
        >>> group_equal(["1/2", "3", None, r"\frac12", "0.5"])
        [(0, 3, 4), (1,)]
    """
    groups: list[list[int]] = []
    known: dict[str, list[int]] = {}
    for index, answer in enumerate(answers):
        if answer is None:
            continue
        group = known.get(answer)
        if group is None:
            # The first of a group speaks for it, so that equality that is not transitive cannot merge groups.
            group = next((g for g in groups if _are_equal(answers[g[0]] or "", answer)), None)
            if group is None:
                groups.append(group := [])
            known[answer] = group
        group.append(index)
    return [tuple(group) for group in groups]


@lru_cache(maxsize=65536)
def _are_equal(a: str, b: str) -> bool:
    """Say whether either answer, taken as the gold, makes the other correct."""
    x, y = parse_number(a), parse_number(b)
    if x is not None and y is not None:
        return x == y
    return _accepts(a, b) or _accepts(b, a)


def _accepts(gold: str, answer: str) -> bool:
    try:
        return compare(read_gold(gold), answer, None)[0] is True
    except GradingError:
        return False
