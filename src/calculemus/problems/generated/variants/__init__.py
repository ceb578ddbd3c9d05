"""Variants of generated problems, each with its label and the proof of it.

GSM-Plus' eight kinds, GSM-Symbolic's clauses and no-operations, problems that have no answer in five kinds,
other cultures and personas, and multiple choice. A variant depends on the item and its kind alone.
"""

from calculemus.errors import InvalidParameterError
from calculemus.problems.generated.item import Item
from calculemus.problems.generated.variants import choices, clauses, illposed, numbers, reversal, skins
from calculemus.problems.generated.variants.base import NO_ANSWER, Change, Variant

__all__ = ["GSM_PLUS", "ILL_POSED", "KINDS", "NO_ANSWER", "Variant", "vary"]

_CHANGES: dict[str, Change] = {
    "numerical_substitution": numbers.numerical_substitution,
    "digit_expansion": numbers.digit_expansion,
    "number_conversion": numbers.number_conversion,
    "adding_operation": clauses.adding_operation,
    "reversing_operation": reversal.reversing_operation,
    "problem_understanding": clauses.problem_understanding,
    "distraction_insertion": clauses.distraction_insertion,
    "critical_thinking": illposed.removed_premise,
    "noop": clauses.noop,
    "extra_clauses": clauses.extra_clauses,
    "removed_premise": illposed.removed_premise,
    "contradiction": illposed.contradiction,
    "domain_violation": illposed.domain_violation,
    "no_question": illposed.no_question,
    "foreign_instruction": illposed.foreign_instruction,
    "culture": skins.culture,
    "persona": skins.persona,
    "multiple_choice": choices.multiple_choice,
}
KINDS = tuple(_CHANGES)
GSM_PLUS = KINDS[:8]
ILL_POSED = ("removed_premise", "contradiction", "domain_violation", "no_question", "foreign_instruction")


def vary(item: Item, kind: str, number: int = 0) -> Variant | None:
    """Return a variant of an item; None where the item has no place for it.

    Args:
        item: The problem.
        kind: One of ``KINDS``.
        number: Another number gives another variant of the kind, where there are several.

    Raises:
        InvalidParameterError: No such kind.
    """
    if kind not in _CHANGES:
        raise InvalidParameterError(f"vary: parameter 'kind' is {kind!r}; expected one of {', '.join(KINDS)}")
    return _CHANGES[kind](kind, item, item.origin.draws(f"variant {kind} {number}", item.index))
