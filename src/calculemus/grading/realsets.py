r"""Sets of real numbers in one canonical form: disjoint intervals with exact ends, in order.

``x != 3``, ``(-oo, 3) U (3, oo)`` and ``R \ {3}`` have one form; so have ``[1, 2] U [2, 3]`` and ``[1, 3]``.
"""

from dataclasses import dataclass
from fractions import Fraction

from calculemus.errors import NotExactError, UndecidableError
from calculemus.grading.answers import Answer, Difference, Group, Interval, Relation, Scalar, Union
from calculemus.grading.expression import Expr, symbols
from calculemus.grading.rational import exact

INFINITY = Expr("constant", (), "infty")
REALS = Interval(Expr("neg", (INFINITY,)), INFINITY, False, False)
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """A place on the line: just below (``above`` false) or just above a number.

    Attributes:
        side: -1 and 1 for the two infinite ends, 0 in between.
        value: The number, where ``side`` is 0.
        above: On which side of it.
    """

    side: int
    value: Fraction
    above: bool


Span = tuple[Cut, Cut]


def as_interval(answer: Answer) -> Interval | None:
    """Read ``x > 3`` or ``1 < x <= 3`` as the set of ``x``; None where it is another relation."""
    if not isinstance(answer, Relation) or not set(answer.operators) <= {"<", "<=", ">", ">="}:
        return None
    sides = [side.expr if isinstance(side, Scalar) else None for side in answer.sides]
    operators = list(answer.operators)
    if operators[0] in (">", ">="):  # read it from right to left
        sides, operators = sides[::-1], [FLIPPED[operator] for operator in operators[::-1]]
    if not set(operators) <= {"<", "<="} or None in sides:
        return None
    bounds = [side for side in sides if side is not None]
    variables = [side.op == "symbol" for side in bounds]
    if len(bounds) == 3 and variables == [False, True, False]:
        low, high = bounds[0], bounds[2]
        closed = operators[0] == "<=", operators[1] == "<="
    elif len(bounds) == 2 and variables.count(True) == 1:
        closed = operators[0] == "<=" and variables[1], operators[0] == "<=" and variables[0]
        low = bounds[0] if variables[1] else REALS.low
        high = bounds[1] if variables[0] else INFINITY
    else:
        return None
    return None if symbols(low) or symbols(high) else Interval(low, high, *closed)


def canonical(answer: Answer) -> list[Span] | None:
    """Return the canonical form; None where the answer is no set, or an end of it is not rational."""
    try:
        spans = _spans(answer)
    except (NotExactError, UndecidableError, ZeroDivisionError):
        return None
    return _merged(spans) if spans is not None else None


def _spans(answer: Answer) -> list[Span] | None:
    if isinstance(answer, Interval):
        return [(_cut(answer.low, not answer.closed_low), _cut(answer.high, answer.closed_high))]
    if isinstance(answer, Union):
        parts = [_spans(part) for part in answer.parts]
        return None if None in parts else [span for part in parts if part for span in part]
    if isinstance(answer, Difference):
        whole, removed = _spans(answer.whole), _spans(answer.removed)
        return None if whole is None or removed is None else _minus(_merged(whole), _merged(removed))
    if isinstance(answer, Relation):
        return _relation(answer)
    if isinstance(answer, Group):
        return _group(answer)
    return None


def _group(group: Group) -> list[Span] | None:
    """Read ``{1, 2}`` as points and ``[1, 2]`` or ``(1, 2)`` as an interval."""
    ends = [item.expr for item in group.items if isinstance(item, Scalar)]
    if len(ends) != len(group.items):
        return None
    if group.brackets == "{}":
        return [(_cut(end, False), _cut(end, True)) for end in ends]
    if len(ends) != 2 or not group.brackets:
        return None
    closed = group.brackets == "[]"
    return [(_cut(ends[0], not closed), _cut(ends[1], closed))]


def _relation(relation: Relation) -> list[Span] | None:
    interval = as_interval(relation)
    if interval is not None:
        return _spans(interval)
    if relation.operators != ("!=",):
        return None
    bounds = [side.expr for side in relation.sides if isinstance(side, Scalar) and not symbols(side.expr)]
    named = [side for side in relation.sides if isinstance(side, Scalar) and side.expr.op == "symbol"]
    if len(bounds) != 1 or len(named) != 1:
        return None
    return _minus(_spans(REALS) or [], [(_cut(bounds[0], False), _cut(bounds[0], True))])


def _cut(end: Expr, above: bool) -> Cut:
    if end == INFINITY:
        return Cut(1, Fraction(0), False)
    if end == REALS.low:
        return Cut(-1, Fraction(0), False)
    return Cut(0, exact(end, {}), above)


def _merged(spans: list[Span]) -> list[Span]:
    """Sort spans, drop empty ones and join those that touch."""
    merged: list[Span] = []
    for low, high in sorted(span for span in spans if span[0] < span[1]):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _minus(whole: list[Span], removed: list[Span]) -> list[Span]:
    """Take the removed spans out; both lists are merged."""
    for low, high in removed:
        kept = []
        for start, end in whole:
            kept += [(start, min(end, low)), (max(start, high), end)]
        whole = [span for span in kept if span[0] < span[1]]
    return whole
