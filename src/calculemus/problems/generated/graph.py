"""The graph of an item, from its quantities and the words it is told in."""

from dataclasses import dataclass
from fractions import Fraction

from calculemus.problems.generated.dag import Dag, Quantity, Unit
from calculemus.problems.generated.draft import Draft, Step
from calculemus.problems.generated.phrase import SLOTS, Words
from calculemus.problems.generated.teller import Row, Telling

_OWNER, _NEW_OWNER = SLOTS.index("P"), SLOTS.index("Q")
_NOUN, _NEXT_NOUN, _PACK, _VALUE = (SLOTS.index(slot) for slot in "NMKb")
_FACTOR = ("share", "part", "times")  # moves whose number has no unit: so many friends, so many times
DISTRACTORS = ("distractor", "noop", "noop_money", "noop_time")


@dataclass(frozen=True, slots=True)
class Layout:
    """The graph of a problem, and where its sentences have the quantities.

    Attributes:
        dag: The graph; distractors are in it, with no path to the goal.
        places: For each row of the telling, the quantity of each slot with a number.
        starts: The quantity that each line of the story starts with.
    """

    dag: Dag
    places: list[dict[str, str]]
    starts: list[str]


def graph_of(draft: Draft, telling: Telling) -> Dag:
    """Return the graph of a problem."""
    return layout_of(draft, telling).dag


def layout_of(draft: Draft, telling: Telling) -> Layout:
    """Return the graph of a problem, and where its sentences have the quantities."""
    builder = _Builder()
    rows = iter(telling.rows)
    ends: list[list[str]] = []
    for line in draft.lines:
        words = next(rows)[2]
        path = [builder.given(line.value, Unit(words[_NOUN]), words[_OWNER])]
        builder.places.append({"y": path[0]})
        for step in line.steps:
            path.append(builder.step(step, path[-1], next(rows)[2]))
        ends.append(path)
    goal = ends[0][-1]
    if draft.ending:
        goal = builder.join(draft, ends, next(rows)[2])
    for row in telling.shown:
        builder.distract(row)
    return Layout(Dag(tuple(builder.quantities), goal), builder.places, [path[0] for path in ends])


class _Builder:
    """Quantities with running ids."""

    def __init__(self) -> None:
        self.quantities: list[Quantity] = []
        self.places: list[dict[str, str]] = []

    def _name(self) -> str:
        return f"q{len(self.quantities) + 1}"

    def given(self, value: int, unit: Unit, owner: str = "", *, is_constant: bool = False) -> str:
        kind = "constant" if is_constant else "given"
        self.quantities.append(Quantity(self._name(), Fraction(value), unit, owner, kind))
        return self.quantities[-1].id

    def computed(self, value: int, unit: Unit, owner: str, op: str, inputs: tuple[str, ...]) -> str:
        self.quantities.append(Quantity(self._name(), Fraction(value), unit, owner, "computed", op, inputs))
        return self.quantities[-1].id

    def step(self, step: Step, before: str, words: Words) -> str:
        """Add the numbers of a move, then its result."""
        move, _, b, c, y, _, _, _ = step
        inputs = [before, self.given(b, _unit(step, words), is_constant=move.op == "convert")]
        if move.sum == "ratio":
            inputs.append(self.given(c, Unit()))
        owner = words[_OWNER] if move.owner == "same" else words[_NEW_OWNER]
        name = self.computed(y, Unit(words[_NEXT_NOUN]), owner, move.sum, tuple(inputs))
        self.places.append(dict(zip("xbc", inputs, strict=False)) | {"y": name})
        return name

    def join(self, draft: Draft, ends: list[list[str]], words: Words) -> str:
        """Add what joins quantities."""
        inputs = ends[0][-2:] if draft.ending in ("together", "apart") else [path[-1] for path in ends]
        op = "add"
        if draft.ending in ("apart", "difference"):
            op = "sub"
            values = {quantity.id: quantity.value for quantity in self.quantities}
            inputs = sorted(inputs, key=lambda name: -values[name])
        name = self.computed(draft.answer, Unit(words[_NOUN]), "", op, tuple(inputs))
        self.places.append(dict(zip("xbc", inputs, strict=False)) | {"y": name})
        return name

    def distract(self, row: Row) -> None:
        """Add the number of a sentence that nothing depends on."""
        entry, _, words, _ = row
        if entry.id in DISTRACTORS:
            self.given(int(words[_VALUE]), Unit(words[_NOUN]), words[_OWNER])


def _unit(step: Step, words: Words) -> Unit:
    """Return the unit of the number that a move gives."""
    move = step[0]
    match move.sum:
        case "add" | "sub":
            return Unit(words[_NOUN])
        case "percent":
            return Unit("percent")
        case "ratio":
            return Unit()
        case "mul":
            return Unit() if move.id in _FACTOR else Unit(words[_NEXT_NOUN], words[_NOUN])
        case "remainder":
            return Unit(words[_NOUN], words[_PACK])
    return Unit() if move.id in _FACTOR else Unit(words[_NOUN], words[_NEXT_NOUN])
