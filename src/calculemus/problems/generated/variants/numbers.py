"""Variants with other numbers: substituted, with more digits, or with decimals."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

from calculemus.problems.generated.dag import Dag, Quantity
from calculemus.problems.generated.draft import Draft, Drawer
from calculemus.problems.generated.item import Item
from calculemus.problems.generated.plot import Plotter
from calculemus.problems.generated.spec import Spec
from calculemus.problems.generated.stream import Draw
from calculemus.problems.generated.sums import number
from calculemus.problems.generated.variants.base import Variant, decimal, from_item, layout, revalued

MOST_DIGITS = 6
_ATTEMPTS = 200
_ADDED_DIGITS = 2
_PARTS = (Fraction(1, 2), Fraction(1, 4), Fraction(3, 4))
_DIVISIBLE = ("dollars", "Euro", "hours", "Stunden", "days", "Tage", "weeks", "Wochen")


@cache
def _tools(spec: Spec, split: str) -> tuple[Plotter, Drawer]:
    return Plotter(spec), Drawer(split)


def numerical_substitution(kind: str, item: Item, draw: Draw) -> Variant | None:
    """Draw all numbers anew; moves, people and sentences stay."""
    return _redrawn(kind, item, item.spec, draw)


def digit_expansion(kind: str, item: Item, draw: Draw) -> Variant | None:
    """Draw all numbers anew, with two more digits."""
    digits = min(item.spec.digits + _ADDED_DIGITS, MOST_DIGITS)
    if digits == item.spec.digits:
        return None
    return _redrawn(kind, item, replace(item.spec, digits=digits), draw)


def _redrawn(kind: str, item: Item, spec: Spec, draw: Draw) -> Variant | None:
    """Return the item with numbers of another draw that has at least one other number."""
    plotter, drawer = _tools(spec, item.origin.split)
    enough = 10 ** (spec.digits - 1) if kind == "digit_expansion" else 0
    for _ in range(_ATTEMPTS):
        plot = plotter.retrace(item.draft, draw)
        draft = drawer.draft(plot, draw) if plot else None
        if draft and draft.structure != item.draft.structure and _largest(draft) >= enough:
            made = renumbered(item, draft)
            return from_item(kind, item, made, answer=made.answer)
    return None


def _largest(draft: Draft) -> int:
    return max(max(line.value, *(step[4] for step in line.steps)) for line in draft.lines)


def renumbered(item: Item, draft: Draft) -> Item:
    """Return an item told in the same words with the quantities of another draft of its moves."""
    places = layout(item).places
    # The same moves give the same ids, so the new graph knows the new number of each.
    bare = item.telling._replace(shown=[])
    values = {quantity.id: quantity.value for quantity in Item(item.origin, 0, draft, bare).dag}
    return Item(item.origin, item.index, draft, revalued(item.telling, places, values))


def number_conversion(kind: str, item: Item, draw: Draw) -> Variant | None:
    """Give one amount of money or time a fractional part; what is counted stays whole."""
    dag, places = layout(item).dag, layout(item).places
    candidates = [
        (quantity, part)
        for quantity in dag
        if quantity.kind == "given" and quantity.id in dag.relevant and _is_divisible(quantity)
        for part in _PARTS
    ]
    first = draw() * max(1, len(candidates)) >> 32
    for quantity, part in candidates[first:] + candidates[:first]:
        values = dag.evaluate({quantity.id: quantity.value + part})
        if values[dag.goal] != dag[dag.goal].value and _stays_sound(dag, values):
            return _converted(kind, item, values, places, quantity)
    return None


def _is_divisible(quantity: Quantity) -> bool:
    return quantity.unit.top in _DIVISIBLE


def _stays_sound(dag: Dag, values: dict[str, Fraction]) -> bool:
    """Say whether what is counted is whole, and everything has at most two decimals, which floats hold."""
    return all(
        values[quantity.id].denominator in ((1, 2, 4) if _is_divisible(quantity) else (1,))
        for quantity in dag
    )


def _converted(
    kind: str, item: Item, values: dict[str, Fraction], places: list[dict[str, str]], changed: Quantity
) -> Variant:
    dag = item.dag
    answer = number(values[dag.goal])
    made = Item(item.origin, item.index, item.draft, revalued(item.telling, places, values))
    lines = made.solution.split("\n")
    solution = "\n".join([*lines[:-1], f"#### {answer}"])
    # Python's // would round decimals down; rounding up is written with it, and only for things.
    program = "\n".join(
        line if "-(-" in line else line.replace(" // ", " / ") for line in made.program.split("\n")
    )
    proof = {"quantity": changed.id, "value": number(values[changed.id]), "was": number(changed.value)}
    return Variant(kind, item.id, decimal(item, made.question), answer, solution, program, item.meta, proof)
