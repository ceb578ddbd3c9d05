"""Worked solutions with one labelled error: a step is changed, and all that follows is computed from it.

The nine kinds are those of LEMMA (2025). Before the error a wrong solution is the right one, line by line.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, get_args

from calculemus.errors import InvalidParameterError
from calculemus.problems.generated.dag import Dag, Quantity
from calculemus.problems.generated.item import Item
from calculemus.problems.generated.lexicon import SUM, Entry
from calculemus.problems.generated.phrase import SLOTS, Words
from calculemus.problems.generated.sums import annotated, compute, expression, number

ErrorKind = Literal[
    "calculation",  # the sum is right, its result is not
    "counting",  # a number is taken as one more or one less
    "context_value",  # another number of the question
    "previous_value",  # the result of another step
    "unit_conversion",  # another number of days in a week
    "operator",
    "missing_step",
    "formula",  # parts for percent, the average for the total
    "irrelevant",  # a number that has nothing to do with it is added
]
KINDS: tuple[ErrorKind, ...] = get_args(ErrorKind)

_OTHER_OPERATOR = {"add": "sub", "sub": "add", "mul": "div", "div": "mul"}
_OTHER_FORMULA = {"percent": "div", "ratio": "inverse", "remainder": "quotient", "ceil": "quotient"}
_WRONG_UNITS = {60: (100, 24), 24: (12, 60), 7: (5, 10)}
_SECOND = SLOTS.index("c")


@dataclass(frozen=True, slots=True)
class WrongSolution:
    """A worked solution whose first wrong step is known.

    Attributes:
        kind: Of the error.
        step: The line of the first wrong step, from 1; of a missing step, where it is missing.
        right: What that step should give.
        wrong: What it gives; of a missing step, what is used in its place.
        solution: Annotated; the annotation of a wrong calculation does not hold.
        answer: What it ends in.
        changes_answer: Whether that is wrong; if not, only the reasoning is.
    """

    kind: ErrorKind
    step: int
    right: str
    wrong: str
    solution: str
    answer: str
    changes_answer: bool


@dataclass(frozen=True, slots=True)
class _Work:
    """A line of a solution: an operation on quantities by name, or on numbers that are put in their place."""

    name: str
    op: str
    inputs: tuple[str | Fraction, ...]
    entry: Entry
    words: Words
    slip: int = 0
    is_hidden: bool = False


def inject(
    item: Item, kind: ErrorKind, *, changes_answer: bool = True, number: int = 0
) -> WrongSolution | None:
    """Return the item's solution with an error; None where it has no place for one.

    Args:
        item: The problem.
        kind: Of the error.
        changes_answer: Whether the final answer shall be wrong; if not, it happens to be right all the same.
        number: Another number may give another place and another wrong value.

    Raises:
        InvalidParameterError: No such kind.
    """
    if kind not in KINDS:
        raise InvalidParameterError(
            f"inject: parameter 'kind' is {kind!r}; expected one of {', '.join(KINDS)}"
        )
    draw = item.origin.draws(f"error {kind} {number}", item.index)
    found = [wrong for wrong in all_errors(item, kind) if wrong.changes_answer == changes_answer]
    return found[draw() * len(found) >> 32] if found else None


def all_errors(item: Item, kind: ErrorKind) -> Iterator[WrongSolution]:
    """Yield every error of a kind that an item has a place for; all its numbers are whole and above zero."""
    dag = item.dag
    rows = [row for row in item.rows if row[3]]
    works = [
        _Work(step.id, step.op, step.inputs, row[0], row[2])
        for step, row in zip(dag.steps, rows, strict=True)
    ]
    right = _worked(works, {quantity.id: quantity.value for quantity in dag if quantity.kind != "computed"})
    assert right is not None  # the right solution has whole numbers only
    for place in range(len(works)):
        for changed in _edits(kind, works, place, dag):
            wrong = _solve(item, kind, place, works, changed, right)
            if wrong is not None:
                yield wrong


def _edits(kind: ErrorKind, works: list[_Work], place: int, dag: Dag) -> Iterator[list[_Work]]:
    """Yield the lines of a solution with one of them changed."""
    work = works[place]
    before, after = works[:place], works[place + 1 :]
    if kind == "missing_step":
        if len(works) > 1:
            hidden = replace(work, is_hidden=True)
            yield [*before, hidden, *(_renamed(other, work.name, work.inputs[0]) for other in after)]
    elif kind == "irrelevant":
        for quantity in _irrelevant(dag, works, place):
            extra = replace(work, name="extra", op="add", inputs=(work.name, quantity.id))
            yield [*before, work, extra, *(_renamed(other, work.name, "extra") for other in after)]
    else:
        for changed in _CHANGES[kind](work, works, dag):
            yield [*before, changed, *after]


def _calculation(work: _Work, works: list[_Work], dag: Dag) -> Iterator[_Work]:
    yield from (replace(work, slip=slip) for slip in (-10, -2, -1, 1, 2, 10))


def _counting(work: _Work, works: list[_Work], dag: Dag) -> Iterator[_Work]:
    first, second, *others = work.inputs
    if _kind(second, dag) == "given":
        for slip in (-1, 1):
            yield replace(work, inputs=(first, dag[str(second)].value + slip, *others))
    elif others:
        yield replace(work, inputs=(first, second))


def _context_value(work: _Work, works: list[_Work], dag: Dag) -> Iterator[_Work]:
    first, second, *others = work.inputs
    if _kind(second, dag) == "given":
        for quantity in dag:
            if quantity.kind == "given" and quantity.id != second:
                yield replace(work, inputs=(first, quantity.id, *others))


def _previous_value(work: _Work, works: list[_Work], dag: Dag) -> Iterator[_Work]:
    first, *others = work.inputs
    earlier = [works[0].inputs[0], *(other.name for other in works[: works.index(work)])]
    for other in earlier:
        if other != first:
            yield replace(work, inputs=(other, *others))


def _unit_conversion(work: _Work, works: list[_Work], dag: Dag) -> Iterator[_Work]:
    first, second, *_ = work.inputs
    if _kind(second, dag) == "constant":
        for factor in _WRONG_UNITS[int(dag[str(second)].value)]:
            yield replace(work, inputs=(first, Fraction(factor)))


def _operator(work: _Work, works: list[_Work], dag: Dag) -> Iterator[_Work]:
    if work.op in _OTHER_OPERATOR and len(work.inputs) == 2:
        yield replace(work, op=_OTHER_OPERATOR[work.op])


def _formula(work: _Work, works: list[_Work], dag: Dag) -> Iterator[_Work]:
    op = _other_formula(work, dag)
    if op:
        yield replace(work, op=op)


# How a line can be wrong, by kind; the two other kinds take a line away or add one.
_CHANGES: dict[str, Callable[[_Work, list[_Work], Dag], Iterator[_Work]]] = {
    "calculation": _calculation,
    "counting": _counting,
    "context_value": _context_value,
    "previous_value": _previous_value,
    "unit_conversion": _unit_conversion,
    "operator": _operator,
    "formula": _formula,
}


def _kind(part: str | Fraction, dag: Dag) -> str:
    return dag[part].kind if isinstance(part, str) else ""


def _other_formula(work: _Work, dag: Dag) -> str:
    """Return what is taken for the formula of a line: so many more for so many times; nothing for others."""
    if work.op in _OTHER_FORMULA:
        return _OTHER_FORMULA[work.op]
    if work.entry.id in ("times", "part"):
        return "add" if work.op == "mul" else "sub"
    is_join = all(_kind(part, dag) == "computed" for part in work.inputs)
    return "average" if work.op == "add" and is_join else ""


def _irrelevant(dag: Dag, works: list[_Work], place: int) -> Iterator[Quantity]:
    """Yield the numbers of the question that lead nowhere; without any, those that other lines take."""
    if dag.distractors:
        yield from dag.distractors
        return
    for quantity in dag:
        near = {part for work in works[place : place + 2] for part in work.inputs}
        if quantity.kind == "given" and quantity.id not in near:
            yield quantity


def _renamed(work: _Work, name: str, other: str | Fraction) -> _Work:
    """Return a line that takes another quantity in place of one."""
    return replace(work, inputs=tuple(other if part == name else part for part in work.inputs))


def _solve(
    item: Item, kind: ErrorKind, place: int, works: list[_Work], changed: list[_Work], right: "_Worked"
) -> WrongSolution | None:
    """Compute a changed solution; None where a number is not whole and above zero, or nothing is wrong."""
    right_values, right_lines = right
    worked = _worked(changed, right_values)
    if worked is None:
        return None
    values, lines = worked
    name = works[place].name
    used = str(works[place].inputs[0])  # in place of a missing step
    is_missing = kind == "missing_step"
    wrong = values["extra" if kind == "irrelevant" else used if is_missing else name]
    answer = values[used if changed[-1].is_hidden else changed[-1].name]
    line = place + (kind == "irrelevant")
    if wrong == right_values[name] or lines[line : line + 1] == right_lines[line : line + 1]:
        return None
    text = "\n".join([*lines, f"#### {number(answer)}"])
    say = item.origin.say
    return WrongSolution(
        kind=kind,
        step=line + 1,
        right=number(right_values[name]),
        wrong=number(wrong),
        solution=say(text) if say else text,
        answer=number(answer),
        changes_answer=number(answer) != item.answer,
    )


_Worked = tuple[dict[str, Fraction], list[str]]  # the value of each quantity, and the lines


def _worked(works: list[_Work], given: dict[str, Fraction]) -> _Worked | None:
    """Compute the lines of a solution; None where a number is not whole and above zero."""
    values, lines = dict(given), []
    for work in works:
        if work.is_hidden:
            continue
        taken = [values[part] if isinstance(part, str) else part for part in work.inputs]
        if 0 in taken[1:]:
            return None
        value = compute(work.op, taken) + work.slip
        if value.denominator != 1 or value < 1:
            return None
        values[work.name] = value
        lines.append(_line(work, taken, value))
    return values, lines


def _line(work: _Work, taken: list[Fraction], value: Fraction) -> str:
    words = work.words
    if work.op == "remainder":
        # The line also says how many boxes are full.
        words = (*words[:_SECOND], number(Fraction(taken[0] // taken[1])), *words[_SECOND + 1 :])
    return work.entry.line.fill(words).replace(SUM, annotated(expression(work.op, taken), number(value)))
