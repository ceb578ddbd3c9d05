"""Whether two answers are equal: by shape, then part by part.

Every function returns True, False, or None where equality cannot be decided here.
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

from calculemus.grading.answers import (
    Answer,
    Choice,
    Difference,
    Group,
    Interval,
    Matrix,
    Ratio,
    Relation,
    Scalar,
    Text,
    Union,
    Unreadable,
)
from calculemus.grading.equivalence import equivalent
from calculemus.grading.expression import Expr, number
from calculemus.grading.realsets import as_interval, canonical
from calculemus.grading.relations import same_relation

MAX_ITEMS = 200  # of an unordered collection


def match(gold: Answer, given: Answer) -> bool | None:
    """Compare two answers."""
    if gold == given:
        return None if isinstance(gold, Unreadable) and not gold.source else True
    gold, given = _bare(gold, given), _bare(given, gold)
    if isinstance(gold, Unreadable) or isinstance(given, Unreadable):
        return False if isinstance(gold, Text) or isinstance(given, Text) else None
    if isinstance(gold, _SETS) or isinstance(given, _SETS):
        first, second = canonical(gold), canonical(given)
        if first is not None and second is not None:
            return first == second
    if isinstance(gold, Scalar) and isinstance(given, Scalar):
        return match_scalars(gold, given)
    for kinds, rule in _RULES:
        if isinstance(gold, kinds[0]) and isinstance(given, kinds[1]):
            return rule(gold, given)
        if isinstance(given, kinds[0]) and isinstance(gold, kinds[1]):
            return rule(given, gold)
    return False


def _bare(answer: Answer, other: Answer) -> Answer:
    """Take off what only one side carries: a name, a choice's letter, the brackets of a single item."""
    if isinstance(answer, Relation) and not isinstance(other, (Relation, Group)):
        interval = as_interval(answer)
        if interval is not None:
            return interval
        if set(answer.operators) == {"="} and _is_value(answer, other):
            return answer.sides[-1]
    if isinstance(answer, Choice) and not isinstance(other, Choice):
        if isinstance(other, Text) and len(other.words) == 1:
            return Text(answer.letter.casefold())
        return answer.rest if answer.rest is not None else Scalar(Expr("symbol", (), answer.letter))
    if isinstance(answer, Group) and len(answer.items) == 1 and not isinstance(other, Group):
        return answer.items[0]
    return answer


def _is_value(relation: Relation, other: Answer) -> bool:
    """Say whether a chain of equals gives a value: a name or a computation stands first."""
    if relation.name is not None:
        return True
    first, last = relation.sides[0], relation.sides[-1]
    return isinstance(other, Scalar) and match(first, last) is not False


def match_scalars(gold: Scalar, given: Scalar) -> bool | None:
    """Compare numbers or expressions with their units and percent signs.

    Units count where both sides carry one. A percent sign on one side alone may be meant either way:
    50% is 0.5, and is 50 where percent was asked for, which a gold below 1 does not look like.
    """
    if gold.unit and given.unit:
        gold, given = _in_radians(gold, given), _in_radians(given, gold)
    if gold.unit and given.unit:
        if not gold.unit.convertible(given.unit):
            return False
        if gold.unit.factor != given.unit.factor:
            return _equal(_scaled(gold, gold.unit.factor), _scaled(given, given.unit.factor))
    if gold.percent != given.percent:
        marked, plain = (gold, given) if gold.percent else (given, gold)
        as_share = _equal(_scaled(marked, Fraction(1, 100)), plain)
        is_share = plain is gold and plain.value is not None and abs(plain.value) < 1
        if as_share is True or is_share:
            return as_share
        as_number = _equal(marked, plain)
        return True if as_number else (None if None in (as_number, as_share) else False)
    return _equal(gold, given)


def _in_radians(scalar: Scalar, other: Scalar) -> Scalar:
    """Turn degrees into radians where the other side is in radians."""
    if not (
        scalar.unit
        and other.unit
        and scalar.unit.powers == {"degrees": 1}
        and other.unit.powers == {"radians": 1}
    ):
        return scalar
    return Scalar(Expr("deg", (scalar.expr,)), None, other.unit)


def _scaled(scalar: Scalar, factor: Fraction) -> Scalar:
    value = scalar.value * factor if scalar.value is not None else None
    return Scalar(Expr("mul", (scalar.expr, number(factor))), value)


def _equal(a: Scalar, b: Scalar) -> bool | None:
    if a.value is not None and b.value is not None:
        return a.value == b.value
    return equivalent(a.expr, b.expr)


def _match_groups(gold: Group, given: Group) -> bool | None:
    kinds = {gold.brackets, given.brackets}
    if kinds <= {"", "{}"}:
        both_sets = gold.brackets == given.brackets == "{}"
        return match_unordered(gold.items, given.items, distinct=both_sets)
    if kinds == {"()", "[]"} and len(gold.items) == 2:
        return False  # an open interval is not a closed one
    if kinds in ({"()", "{}"}, {"[]", "{}"}):
        return False
    return match_ordered(gold.items, given.items)


def match_ordered(gold: Sequence[Answer], given: Sequence[Answer]) -> bool | None:
    """Compare item by item."""
    if len(gold) != len(given):
        return False
    return _all(match(a, b) for a, b in zip(gold, given, strict=True))


def match_unordered(gold: Sequence[Answer], given: Sequence[Answer], distinct: bool = False) -> bool | None:
    """Compare as multisets, or as sets where ``distinct``."""
    if max(len(gold), len(given)) > MAX_ITEMS:
        return None
    gold, given = _unnamed(gold), _unnamed(given)
    if distinct:
        gold, given = _distinct(gold), _distinct(given)
    if len(gold) != len(given):
        return False
    left, undecided = list(given), False
    for item in gold:
        verdicts = [match(item, other) for other in left]
        if True in verdicts:
            left.pop(verdicts.index(True))
        elif None in verdicts:
            undecided = True
        else:
            return False
    return None if undecided else True


def _unnamed(items: Sequence[Answer]) -> Sequence[Answer]:
    """Drop the name in ``x = 1, 2`` and in ``x = 1, x = 2``, where it is one and the same."""
    names = {item.name for item in items if isinstance(item, Relation)}
    if len(names) != 1 or None in names:
        return items
    return [item.sides[-1] if isinstance(item, Relation) else item for item in items]


def _distinct(items: Sequence[Answer]) -> list[Answer]:
    kept: list[Answer] = []
    for item in items:
        if not any(match(item, other) for other in kept):
            kept.append(item)
    return kept


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    """Return False if any is, else None if any is undecided, else True."""
    undecided = False
    for verdict in verdicts:
        if verdict is False:
            return False
        undecided = undecided or verdict is None
    return None if undecided else True


def _match_intervals(gold: Interval, given: Interval) -> bool | None:
    if (gold.closed_low, gold.closed_high) != (given.closed_low, given.closed_high):
        return False
    return _all(equivalent(a, b) for a, b in ((gold.low, given.low), (gold.high, given.high)))


def _interval_group(interval: Interval, group: Group) -> bool | None:
    """Compare an interval with ``(a, b)`` or ``[a, b]``."""
    closed = {"()": False, "[]": True}.get(group.brackets)
    if len(group.items) != 2 or closed is None:
        return False
    low, high = group.items
    if not (isinstance(low, Scalar) and isinstance(high, Scalar)):
        return False
    return _match_intervals(interval, Interval(low.expr, high.expr, closed, closed))


def _match_unions(gold: Union, given: Union) -> bool | None:
    return match_unordered(_flat(gold), _flat(given))


def _flat(union: Union) -> list[Answer]:
    parts: list[Answer] = []
    for part in union.parts:
        interval = as_interval(part) if isinstance(part, Relation) else None
        parts.append(interval or part)
    return parts


def _match_matrices(gold: Matrix, given: Matrix) -> bool | None:
    if [len(row) for row in gold.rows] != [len(row) for row in given.rows]:
        return False
    return match_ordered([c for row in gold.rows for c in row], [c for row in given.rows for c in row])


def _matrix_group(matrix: Matrix, group: Group) -> bool | None:
    """Compare a matrix with nested brackets, or a row or column with a tuple."""
    if group.brackets == "{}":
        return False
    rows = [item.items for item in group.items if isinstance(item, Group)]
    if len(rows) == len(group.items):
        return _match_matrices(matrix, Matrix(tuple(rows)))
    if 1 in (len(matrix.rows), len(matrix.rows[0])):
        return match_ordered([cell for row in matrix.rows for cell in row], group.items)
    return False


def _match_ratios(gold: Ratio, given: Ratio) -> bool | None:
    if gold.half or given.half:
        return _minutes(gold) == _minutes(given) or (
            "" in (gold.half, given.half) and gold.parts == given.parts
        )
    if len(gold.parts) != len(given.parts):
        return False
    return all(
        a * given.parts[0] == b * gold.parts[0] for a, b in zip(gold.parts, given.parts, strict=True)
    ) and (gold.parts[0] == 0) == (given.parts[0] == 0)


def _minutes(clock: Ratio) -> Fraction:
    """Return minutes since midnight."""
    hour, minute = clock.parts[:2]
    if clock.half:
        hour = hour % 12 + (12 if clock.half == "p" else 0)
    return hour * 60 + minute


def _ratio_scalar(ratio: Ratio, scalar: Scalar) -> bool | None:
    if len(ratio.parts) != 2 or ratio.half or ratio.parts[1] == 0:
        return False
    return _equal(Scalar(number(ratio.parts[0] / ratio.parts[1])), scalar)


def _match_texts(gold: Text, given: Text) -> bool | None:
    return bool(gold.words) and gold.words == given.words


def _text_group(text: Text, group: Group) -> bool | None:
    """An empty set says that there is no solution."""
    return text.words == "no solution" and not group.items


def _relation_group(relation: Relation, group: Group) -> bool | None:
    """Compare ``x = a or b`` with a list, and an inequality with brackets read as an interval."""
    interval = as_interval(relation)
    if interval is not None:
        return _interval_group(interval, group)
    if relation.name is None:
        return False
    return match(relation.sides[-1], group)


_SETS = (Interval, Union, Difference)
_RULES: Sequence[tuple[tuple[type, type], Callable[..., bool | None]]] = (
    ((Group, Group), _match_groups),
    ((Interval, Interval), _match_intervals),
    ((Interval, Group), _interval_group),
    ((Union, Union), _match_unions),
    ((Matrix, Matrix), _match_matrices),
    ((Matrix, Group), _matrix_group),
    ((Relation, Relation), same_relation),
    ((Relation, Group), _relation_group),
    ((Ratio, Ratio), _match_ratios),
    ((Ratio, Scalar), _ratio_scalar),
    ((Choice, Choice), lambda gold, given: gold.letter == given.letter),
    ((Text, Text), _match_texts),
    ((Text, Group), _text_group),
)
