"""What a variant of a problem is, and what several kinds of them need."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from calculemus.problem import Problem
from calculemus.problems.generated.graph import Layout, layout_of
from calculemus.problems.generated.item import Item, story
from calculemus.problems.generated.lexicon import Lexicon, lexicon
from calculemus.problems.generated.phrase import in_slot, with_slots
from calculemus.problems.generated.stream import Draw
from calculemus.problems.generated.sums import number
from calculemus.problems.generated.teller import Row, Telling

NO_ANSWER = "None"  # as in GSM-Plus: the right reply is that there is no answer


@dataclass(frozen=True, slots=True)
class Variant:
    """A problem that was changed, with the label of the change and its proof.

    Attributes:
        kind: Of the change.
        parent: The id of the problem it was made from.
        question: What is asked.
        answer: As canonical text; ``None`` where the problem has no answer.
        solution: Worked and annotated; None without an answer.
        program: As of an item; None without an answer.
        meta: As of the parent, its group too.
        proof: What shows that the label is right: quantities by their ids in the graph of the parent.
    """

    kind: str
    parent: str
    question: str
    answer: str
    solution: str | None = None
    program: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    proof: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Names parent and kind."""
        return f"{self.parent}#{self.kind}"

    def to_problem(self) -> Problem:
        """Return the variant as a problem; ``meta`` has the label, the parent and the proof."""
        label = {"variant": self.kind, "parent": self.parent, "proof": dict(self.proof)}
        meta = {**self.meta, **label, "answerable": self.answer != NO_ANSWER}
        return Problem(self.id, self.question, self.answer, self.solution, self.program, meta)


_DECIMAL = re.compile(r"(?<=\d)\.(?=\d)")

Change = Callable[[str, Item, Draw], Variant | None]


def words_of(item: Item, split: str | None = None) -> Lexicon:
    """Return the words that an item is told with, or those of another split."""
    return lexicon(item.spec.language, item.spec.wording, split or item.origin.split)


def layout(item: Item) -> Layout:
    """Return the graph of an item, and where its sentences have the quantities."""
    return layout_of(item.draft, item.telling)


def say(item: Item, text: str) -> str:
    """Translate text that was put together of an item's sentences, where its language asks for it."""
    return item.origin.say(text) if item.origin.say else text


def decimal(item: Item, text: str) -> str:
    """Write decimals as the language of an item does."""
    return _DECIMAL.sub(",", text) if item.spec.language == "de" else text


def from_item(kind: str, parent: Item, made: Item, **proof: Any) -> Variant:
    """Return a variant that is an item with other quantities or sentences."""
    meta = {**parent.meta, "steps": len(made.dag.steps)}
    return Variant(kind, parent.id, made.question, made.answer, made.solution, made.program, meta, proof)


def without_answer(kind: str, parent: Item, question: str, **proof: Any) -> Variant:
    """Return a variant that cannot be answered."""
    return Variant(kind, parent.id, say(parent, question), NO_ANSWER, meta=parent.meta, proof=proof)


def asked(item: Item) -> str:
    """Return the question at the end of an item, with names in place of pronouns."""
    entry, _, words, _ = item.rows[-1]
    return entry.ask_named.fill(words)


def written(item: Item, told: str, ask: str) -> str:
    """Put a story and what is asked together, in the order that the item has."""
    parts = [ask, told] if item.spec.order == "question_first" else [told, ask]
    return " ".join(part for part in parts if part)


def revalued(telling: Telling, places: list[dict[str, str]], values: Mapping[str, Fraction]) -> Telling:
    """Return a telling with other numbers.

    Args:
        telling: The sentences.
        places: The quantity of each slot with a number, for each row.
        values: The number of each quantity.
    """
    changed: dict[int, Row] = {}
    rows: list[Row] = []
    for row, place in zip(telling.rows, places, strict=True):
        entry, variant, words, is_step = row
        slots = {slot: number(values[name]) for slot, name in place.items()}
        if entry.id == "left":
            slots["c"] = number(Fraction(values[place["x"]] // values[place["b"]]))
        elif entry.id == "bags":
            slots["c"] = number(values[place["x"]] - (values[place["y"]] - 1) * values[place["b"]])
        rows.append((entry, variant, with_slots(words, **slots), is_step))
        changed[id(row)] = rows[-1]
    return Telling(rows, [changed.get(id(row), row) for row in telling.shown], telling.ordinals)


def inserted(item: Item, row: Row, after: Row | None = None) -> Telling | None:
    """Return an item's telling with one more sentence; None where the order has no word for so many.

    Args:
        item: The problem.
        row: The sentence.
        after: What it follows; by default all others. Where sentences have an ordinal, those that follow
            move up by one.
    """
    _, shown, ordinals = item.telling
    place = len(shown) if after is None else 1 + next(i for i, other in enumerate(shown) if other is after)
    if not ordinals:
        return item.telling._replace(shown=[*shown[:place], row, *shown[place:]])
    known = words_of(item).ordinals
    if len(shown) == len(known):
        return None
    positions = [known.index(ordinal) for ordinal in ordinals]
    own = len(shown) if after is None else positions[place - 1] + 1
    moved = [position + (position >= own) for position in positions]
    return Telling(item.rows, [*shown, row], [known[position] for position in (*moved, own)])


def told(telling: Telling) -> str:
    """Return the story of a telling."""
    return story(telling.shown, telling.ordinals)


def speaks_of(row: Row, slot: str) -> str:
    """Return the word that a row has in a slot."""
    return in_slot(row[2], slot)
