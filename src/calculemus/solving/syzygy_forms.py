"""The form that a syzygy of thoughts is written in: its fields under two sets of names, and its reading."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from calculemus.errors import ParseError
from calculemus.solving.json_reading import read_object

NamesOf = Literal["algebra", "plain"]


@dataclass(frozen=True, slots=True)
class Names:
    """What the fields of the form are called."""

    problem: str
    count: str
    conditions: str
    condition: str
    solutions: str
    solution: str
    review: str
    analysis: str
    best: str
    final: str


NAMES: dict[NamesOf, Names] = {
    "algebra": Names(
        problem="module",
        count="betti_number",
        conditions="free_conditions",
        condition="condition",
        solutions="mapping",
        solution="solution",
        review="minimality",
        analysis="analysis",
        best="optimal_solution",
        final="final_answer",
    ),
    "plain": Names(
        problem="problem",
        count="number_of_facts",
        conditions="facts",
        condition="fact",
        solutions="attempts",
        solution="attempt",
        review="review",
        analysis="comparison",
        best="best_attempt",
        final="answer",
    ),
}
"""``algebra`` borrows from minimal free resolutions; ``plain``, the control, says the same in plain words."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a model has written into the form.

    Attributes:
        conditions: The auxiliary conditions.
        solutions: The solutions from start to finish.
        best: The solution that it found best; None where it names none.
        final: The final answer; None where it gives none.
    """

    conditions: tuple[str, ...]
    solutions: tuple[str, ...]
    best: str | None
    final: str | None


def form(names: Names, conditions: int, solutions: int) -> str:
    """Return the empty form: JSON with a place for each condition and each solution.

    Args:
        names: What the fields are called.
        conditions: How many conditions it asks for.
        solutions: How many solutions.
    """
    fields = {
        names.problem: "the problem in one sentence",
        names.count: conditions,
        names.conditions: {f"{names.condition}{number}": "..." for number in range(1, conditions + 1)},
        names.solutions: {f"{names.solution}{number}": "..." for number in range(1, solutions + 1)},
        names.review: {names.analysis: "...", names.best: "..."},
        names.final: "the number alone",
    }
    return json.dumps(fields, indent=1)


def read_form(names: Names, text: str) -> Filled:
    """Return what a model has written into the form.

    Raises:
        ParseError: There is no form in the text, or neither a solution nor an answer in it.
    """
    doing = "syzygy: reading the form"
    fields = read_object(text, doing)
    review = fields.get(names.review)
    best = review.get(names.best) if isinstance(review, Mapping) else None
    filled = Filled(
        conditions=_texts(fields.get(names.conditions)),
        solutions=_texts(fields.get(names.solutions)),
        best=_text(best),
        final=_text(fields.get(names.final)),
    )
    if not filled.solutions and filled.final is None:
        raise ParseError(doing, text, f"'{names.solutions}' or '{names.final}' in it")
    return filled


def _texts(value: Any) -> tuple[str, ...]:
    """Return the texts of an object or a list, without what was left as it stood in the empty form."""
    parts = list(value.values()) if isinstance(value, Mapping) else value
    if not isinstance(parts, list):
        parts = [parts]
    return tuple(text for part in parts if (text := _text(part)) is not None)


def _text(value: Any) -> str | None:
    """Return a value as text; None where it says nothing."""
    if value is None or isinstance(value, bool):
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.strip() if text.strip(" .\n") else None
