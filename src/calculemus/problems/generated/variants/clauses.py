"""Variants with one sentence more, or with other sentences: clauses that matter, and some that do not."""

from calculemus.problems.generated.draft import Draft, Line, Step, is_held_out
from calculemus.problems.generated.item import Item
from calculemus.problems.generated.lexicon import lexicon
from calculemus.problems.generated.moves import MOVES, Move
from calculemus.problems.generated.phrase import with_slots
from calculemus.problems.generated.ranges import LEAST
from calculemus.problems.generated.stream import Draw
from calculemus.problems.generated.teller import Row, Telling
from calculemus.problems.generated.variants.base import (
    Variant,
    from_item,
    inserted,
    layout,
    speaks_of,
    words_of,
)

_CHANGES = {  # what can happen to a quantity right at the start
    "thing": ("gain", "lose"),
    "pack": ("gain", "lose"),
    "money": ("earn", "spend"),
    "time": ("longer", "shorter"),
}
_NOOPS = {"money": "noop_money", "time": "noop_time"}
_MOST_NOOP = 9


def problem_understanding(kind: str, item: Item, draw: Draw) -> Variant | None:
    """Tell the same story in other sentences: the other register, or else the sentences that are held out."""
    spec, split = item.spec, item.origin.split
    if spec.language == "en":
        other = lexicon("en", "rich" if spec.wording == "plain" else "plain", split)
    else:
        other = words_of(item, "train" if split == "templates" else "templates")

    def retold(row: Row) -> Row:
        entry, variant, words, is_step = row
        tells = other.entries[entry.id].tells
        return other.entries[entry.id], draw() * len(tells) >> 32 if variant >= 0 else -1, words, is_step

    again = {id(row): retold(row) for row in (*item.rows, *item.telling.shown)}
    rows = [again[id(row)] for row in item.rows]
    shown = [again[id(row)] for row in item.telling.shown]
    made = Item(item.origin, item.index, item.draft, Telling(rows, shown, item.telling.ordinals))
    return from_item(kind, item, made)


def adding_operation(kind: str, item: Item, draw: Draw) -> Variant | None:
    """Let something happen to a quantity before the rest of the story: one more step, and it matters."""
    made = _with_clause(item, draw)
    return from_item(kind, item, made, added=1) if made else None


def extra_clauses(kind: str, item: Item, draw: Draw) -> Variant | None:
    """Add two clauses that matter, as GSM-Symbolic's second step does."""
    made = _with_clause(item, draw)
    made = _with_clause(made, draw) if made else None
    return from_item(kind, item, made, added=2) if made else None


def _with_clause(item: Item, draw: Draw) -> Item | None:
    """Return the item with a first move more on one line, from another start to the old one.

    What follows is as it was, so every constraint still holds; the graph has one step more on a path that
    leads to the goal.
    """
    draft = item.draft
    place = draw() * len(draft.lines) >> 32
    line = draft.lines[place]
    changed = _changed_start(line, 10**item.spec.digits - 1, draw)
    if changed is None:
        return None
    move, start, b = changed
    step: Step = (move, start, b, 0, line.value, line.noun, line.noun, 0)
    lines = list(draft.lines)
    lines[place] = Line(line.kind, start, line.noun, [step, *line.steps])
    row_place = sum(1 + len(other.steps) for other in draft.lines[:place])
    old = item.rows[row_place]
    entry, variant, words, _ = old
    first = (entry, variant, with_slots(words, y=str(start)), False)
    added = words_of(item).entries[move.id]
    new: Row = (
        added,
        draw() * len(added.tells) >> 32,
        with_slots(
            words, b=str(b), c="0", x=str(start), y=str(line.value), v=speaks_of(old, "w"),
            M=speaks_of(old, "N"), m=speaks_of(old, "n"),
        ),
        True,
    )  # fmt: skip
    telling = inserted(item, new, after=old)
    if telling is None:
        return None
    shown = [first if row is old else row for row in telling.shown]
    rows = [*item.rows[:row_place], first, new, *item.rows[row_place + 1 :]]
    changed_draft = Draft(lines, draft.ending, draft.answer, draft.things, draft.structure)
    return Item(item.origin, item.index, changed_draft, Telling(rows, shown, telling.ordinals))


def _changed_start(line: Line, limit: int, draw: Draw) -> tuple[Move, int, int] | None:
    """Draw a move, another start and a number that lead to the start of a line."""
    for id_ in _CHANGES[line.kind][:: -1 if draw() >> 31 else 1]:
        move = next(move for move in MOVES if move.id == id_ and move.after == line.kind)
        room = line.value - 2 * LEAST if move.sum == "add" else limit - line.value - LEAST
        if room >= 0:
            b = LEAST + (draw() * (room + 1) >> 32)
            b = b // 2 if is_held_out(b) else b
            if b >= LEAST:
                return move, line.value - b if move.sum == "add" else line.value + b, b
    return None


def distraction_insertion(kind: str, item: Item, draw: Draw) -> Variant | None:
    """Add what somebody has of another kind."""
    words = words_of(item)
    said = {word for row in item.telling.shown for word in row[2]}
    strangers = [person for person in words.people if person.first not in said]
    things = [noun for noun in words.things if noun.plural not in said]
    person = strangers[draw() * len(strangers) >> 32]
    noun = things[draw() * len(things) >> 32]
    entry = words.entries["distractor"]
    number = LEAST + (draw() * (10**item.spec.digits - 1 - LEAST) >> 32)
    number = number // 2 if is_held_out(number) else number
    slots = {"P": person.first, "S": person.first, "p": person.later, "N": noun.plural, "b": str(number)}
    row: Row = (entry, draw() * len(entry.tells) >> 32, with_slots(("",) * 21, **slots), False)
    return _distracted(kind, item, row, None)


def noop(kind: str, item: Item, draw: Draw) -> Variant | None:
    """Say something about some of the things that are there, with their number; nothing depends on it."""
    known = [
        (row, place["y"])
        for row, place in zip(item.rows, layout(item).places, strict=True)
        if row[1] >= 0 and int(speaks_of(row, "y")) > 2 * LEAST
    ]
    if item.spec.reference != "explicit":
        # Another sentence in between would make "they" unclear.
        known = [pair for pair in known if pair[0] is item.telling.shown[-1]]
    if not known:
        return None
    about, quantity = known[draw() * len(known) >> 32]
    words = words_of(item)
    noun = speaks_of(about, "M") or speaks_of(about, "N")
    kinds = {words.money.plural: "money"} | {time.plural: "time" for time in words.times}
    entry = words.entries[_NOOPS.get(kinds.get(noun, ""), "noop")]
    most = min(_MOST_NOOP, int(speaks_of(about, "y")) - 1)
    number = LEAST + (draw() * (most - LEAST + 1) >> 32)
    number = number - 1 if is_held_out(number) else number
    slots = {"P": speaks_of(about, "P"), "N": noun, "b": str(number)}
    row: Row = (entry, draw() * len(entry.tells) >> 32, with_slots(("",) * 21, **slots), False)
    return _distracted(kind, item, row, about, about=quantity)


def _distracted(kind: str, item: Item, row: Row, after: Row | None, **proof: str) -> Variant | None:
    """Return the item with a sentence that no path to the goal uses, and the graph's word for that."""
    telling = inserted(item, row, after)
    if telling is None:
        return None
    made = Item(item.origin, item.index, item.draft, telling)
    new = [quantity.id for quantity in made.dag if quantity not in item.dag.quantities]
    reaches = bool(made.dag.relevant & set(new))
    return from_item(kind, item, made, quantity=new[-1] if new else "", reaches_goal=reaches, **proof)
