"""The problem turned round: what was asked for is told, and what it began with is asked for."""

from calculemus.problems.generated.graph import Layout
from calculemus.problems.generated.item import Item
from calculemus.problems.generated.lexicon import SUM
from calculemus.problems.generated.phrase import in_slot, with_slots
from calculemus.problems.generated.plot import REUSES
from calculemus.problems.generated.stream import Draw
from calculemus.problems.generated.sums import annotated
from calculemus.problems.generated.teller import Row
from calculemus.problems.generated.variants.base import Variant, layout, say, told, words_of, written

# How to get back from the result y: in numbers, and with the names of a program.
_BACK = {
    "add": "{y} - {b}",
    "sub": "{y} + {b}",
    "mul": "{y} / {b}",
    "div": "{y} * {b}",
    "percent": "{y} * 100 / {b}",
    "ratio": "{y} / {c} * {b}",
}
# From what two people have together, or one more than the other, to what the first has.
_APART = {
    ("together", "more"): "({y} - {b}) / 2",
    ("together", "fewer"): "({y} + {b}) / 2",
    ("together", "times"): "{y} / ({b} + 1)",
    ("together", "part"): "{y} / ({b} + 1) * {b}",
    ("apart", "times"): "{y} / ({b} - 1)",
}


class _Writer:
    """Solution and program of a reversed problem while they are written."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.lines: list[str] = []
        self.code: list[str] = []

    def forward(self, row: Row) -> None:
        """Add a row as it stands."""
        entry, _, words, is_step = row
        self.code.append(entry.code.fill(words).strip())
        if is_step:
            self.lines.append(entry.step.fill(words))

    def back(self, row: Row, sum_: str, value: str, name: str) -> None:
        """Add a line that says what a row had, computed otherwise."""
        entry, _, words, _ = row
        self.lines.append(entry.line.fill(words).replace(SUM, annotated(sum_, value)))
        self.code.append(f"{in_slot(words, 'w')} = {name.replace(' / ', ' // ')}")


def reversing_operation(kind: str, item: Item, draw: Draw) -> Variant | None:
    """Ask for what the first line of the story began with, given what was asked for."""
    steps = item.draft.lines[0].steps
    ending = item.draft.ending
    back = list(steps[:-1] if ending in REUSES else steps)
    if any(step[0].sum not in _BACK for step in back):
        return None
    if ending in REUSES and (ending, steps[-1][0].id) not in _APART:
        return None
    place = layout(item)
    writer = _Writer(item)
    last = item.rows[-1]
    if ending:
        writer.code.append(f"{in_slot(last[2], 'w')} = {item.answer}")
        _undo_ending(writer, ending)
    else:
        writer.code.append(f"{in_slot(last[2], 'w')} = {item.answer}")
    for at in range(len(back), 0, -1):
        _undo(writer, item.rows[at], item.rows[at - 1])
    return _turned(kind, item, writer, place)


def _undo(writer: _Writer, row: Row, before: Row) -> None:
    """Go back from the result of a row to the result of the one before it."""
    words = row[2]
    x, b, c, y = (in_slot(words, slot) for slot in "xbcy")
    form = _BACK[_sum_of(row)]
    name = in_slot(words, "w")
    writer.back(before, form.format(y=y, b=b, c=c), x, form.format(y=name, b=b, c=c))


def _sum_of(row: Row) -> str:
    """Return what a row computes."""
    form = row[0].sum.text.split(" = ")[0]
    return {
        "{x} + {b}": "add",
        "{x} - {b}": "sub",
        "{x} * {b}": "mul",
        "{x} / {b}": "div",
        "{x} * {b} / 100": "percent",
        "{x} / {b} * {c}": "ratio",
    }[form]


def _undo_ending(writer: _Writer, ending: str) -> None:
    """Go back from what was joined to the end of the first line, or to what two people share."""
    item = writer.item
    rows, lines = item.rows, item.draft.lines
    end = rows[-1]
    total, variable = in_slot(end[2], "y"), in_slot(end[2], "w")
    count = len(lines[0].steps)
    if ending in REUSES:
        row = rows[count]
        b, x = in_slot(row[2], "b"), in_slot(row[2], "x")
        form = _APART[ending, row[0].id]
        writer.back(rows[count - 1], form.format(y=total, b=b), x, form.format(y=variable, b=b))
        return
    for row in rows[count + 1 : -1]:
        writer.forward(row)
    own = rows[count]
    ends, at = [], count
    for line in lines[1:]:
        at += 1 + len(line.steps)
        ends.append(rows[at])
    sign = "+" if ending == "difference" else "-"
    sums = [f" {sign} ".join([head, *(in_slot(row[2], slot) for row in ends)])
            for head, slot in ((total, "y"), (variable, "w"))]  # fmt: skip
    writer.back(own, sums[0], in_slot(own[2], "y"), sums[1])


def _turned(kind: str, item: Item, writer: _Writer, place: Layout) -> Variant:
    """Write the question: the start is not known, the result is."""
    start, last = item.rows[0], item.rows[-1]
    entry, variant, words, _ = start
    unknown = (entry, variant, with_slots(words, y=words_of(item).unknown[0]), False)
    shown = [unknown if row is start else row for row in item.telling.shown]
    result = last[0].line.fill(last[2]).replace(SUM, item.answer)
    text = f"{told(item.telling._replace(shown=shown))} {result}"
    answer = in_slot(words, "y")
    solution = "\n".join([*writer.lines, f"#### {answer}"])
    code = [*writer.code, f"return {in_slot(words, 'w')}"]
    program = "\n".join(["def solution():", *(f"    {line}" for line in code)])
    question = say(item, written(item, text, entry.ask_first.fill(words)))
    proof = {"asked": place.starts[0], "given": place.dag.goal}
    meta = {**item.meta, "steps": len(writer.lines)}
    return Variant(kind, item.id, question, answer, say(item, solution), program, meta, proof)
