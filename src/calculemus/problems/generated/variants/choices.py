"""Multiple choice, with wrong options that real mistakes lead to."""

from calculemus.problems.generated.errors import KINDS, all_errors
from calculemus.problems.generated.item import Item
from calculemus.problems.generated.stream import Draw
from calculemus.problems.generated.variants.base import Variant

LETTERS = "ABCD"
_NEAR = (1, -1, 10, 2, -2, 3)  # where an item has fewer mistakes than options


def multiple_choice(kind: str, item: Item, draw: Draw) -> Variant | None:
    """Offer four answers, of which the others are what wrong solutions end in."""
    reasons: dict[str, str] = {}
    wrongs = [wrong for error in KINDS for wrong in all_errors(item, error) if wrong.changes_answer]
    while wrongs and len(reasons) < len(LETTERS) - 1:
        wrong = wrongs.pop(draw() * len(wrongs) >> 32)
        reasons.setdefault(wrong.answer, f"{wrong.kind} in step {wrong.step}")
    for distance in _NEAR:
        other = int(item.answer) + distance
        if len(reasons) < len(LETTERS) - 1 and other > 0:
            reasons.setdefault(str(other), "a number near the answer")
    options = [item.answer, *reasons]
    for place in range(len(options) - 1, 0, -1):
        other = draw() * (place + 1) >> 32
        options[place], options[other] = options[other], options[place]
    listed = "\n".join(f"({letter}) {option}" for letter, option in zip(LETTERS, options, strict=True))
    letter = LETTERS[options.index(item.answer)]
    proof = {option: reasons.get(option, "right") for option in options}
    solution = item.solution.rpartition("\n")[0] + f"\n#### {letter}"
    meta = {**item.meta, "options": options}
    question = f"{item.question}\n{listed}"
    return Variant(kind, item.id, question, letter, solution, item.program, meta, proof)
