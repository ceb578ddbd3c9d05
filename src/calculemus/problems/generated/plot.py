"""The plot of a story, made from its end: which moves, with which factors, over which ranges.

The answer's range comes first; each move, from the last to the first, draws its factors and says where it may
start. Whatever is then drawn from the first range on can be told to the end: see ``ranges``.
"""

from typing import TYPE_CHECKING, NamedTuple

from calculemus.problems.generated.moves import KINDS, MOVES, Kind, Move
from calculemus.problems.generated.ranges import BACK, LEAST, MOST_FACTOR, Back, Drawn, Range, multiplied
from calculemus.problems.generated.spec import Spec
from calculemus.problems.generated.stream import Draw

if TYPE_CHECKING:
    from calculemus.problems.generated.draft import Draft

# Nouns are numbers until they are told: things from 0, packs from 16, money, then units of time by size.
PACKS, MONEY, TIMES = 16, 32, 48
UNITS_IN = (60, 24, 7)  # minutes in an hour, hours in a day, days in a week
_ENDS: tuple[Kind, ...] = ("thing", "money", "thing", "pack", "thing", "money", "thing", "time")
REUSES = ("together", "apart")  # endings that join the last two quantities of one branch
_COMPARED: tuple[Kind, ...] = ("thing", "money")

# A move, its factors (0 where not drawn yet), the range it ends in, the nouns before and after it, and the
# noun of the packs that are only mentioned.
PlannedMove = tuple[Move, int, int, Range, int, int, int]
_Choice = tuple[Move, Back, int]  # with what works it out backwards and its largest factor


class Branch(NamedTuple):
    """A line of the story: what it starts with, and its moves in the order of the story."""

    kind: Kind
    start: Range
    noun: int
    moves: list[PlannedMove]


class Plot(NamedTuple):
    """Branches, and how they end: in nothing more, or in one step that joins quantities.

    Attributes:
        branches: One, or as many as are joined.
        ending: ``""``; ``together`` and ``apart`` join the last two quantities of one branch; ``sum`` and
            ``difference`` join the ends of the branches, a difference the first minus the second.
        things: How many kinds of things have been named.
    """

    branches: list[Branch]
    ending: str
    things: int


def _rotations(choices: list[_Choice]) -> tuple[tuple[_Choice, ...], ...]:
    """Return the choices from each of them on: a move that cannot end in a range gives way to the next."""
    return tuple(tuple(choices[turn:] + choices[:turn]) for turn in range(len(choices)))


class Plotter:
    """Makes plots of a spec."""

    def __init__(self, spec: Spec) -> None:
        self._steps = spec.steps
        self._fan_in = spec.fan_in
        self._limit = 10**spec.digits - 1
        self._most = most = MOST_FACTOR[spec.digits - 1]
        by_kind: dict[Kind, list[_Choice]] = {
            kind: [
                (move, BACK[move.sum], min(most, move.cap))
                for move in MOVES
                if move.after == kind and move.op in spec.operations
            ]
            for kind in KINDS
        }
        compared = {
            kind: [choice for choice in by_kind[kind] if choice[0].op == "compare"] for kind in _COMPARED
        }
        times = {kind: [choice for choice in compared[kind] if choice[0].id == "times"] for kind in _COMPARED}
        self._moves = {kind: _rotations(choices) for kind, choices in by_kind.items()}
        self._last_moves = {
            "together": {kind: _rotations(choices) for kind, choices in compared.items()},
            "apart": {kind: _rotations(choices) for kind, choices in times.items()},
        }
        self._ends: tuple[Kind, ...] = tuple(kind for kind in _ENDS if by_kind[kind])
        self._joined: tuple[Kind, ...] = tuple(kind for kind in self._ends if kind != "time")
        can_reuse = self._steps > 1 and self._fan_in == min(2, self._steps - 1)
        self._reused: tuple[Kind, ...] = tuple(kind for kind in _COMPARED if times[kind]) if can_reuse else ()

    def plot(self, draw: Draw) -> Plot | None:
        """Draw a plot; None where the moves lead nowhere."""
        if self._reused and not draw() >> 30:
            return self._reuse(draw)
        if self._fan_in > 1:
            return self._join(draw)
        if not self._ends:
            return None
        counts = [0, PACKS]
        kind = self._ends[draw() * len(self._ends) >> 32]
        end = (LEAST, self._limit, 1, 0)
        branch = self._branch(draw, kind, self._steps, end, "", counts)
        return Plot([branch], "", counts[0]) if branch else None

    def retrace(self, draft: "Draft", draw: Draw) -> Plot | None:
        """Draw other factors for the moves of a draft; None where these lead nowhere."""
        branches = []
        ends = _end_ranges(draft.ending, len(draft.lines), self._limit)
        for line, end in zip(draft.lines, ends, strict=True):
            limit = self._limit // 2 if draft.ending in REUSES else self._limit
            told: list[PlannedMove] = []
            for move, _, _, _, _, before, after, pack in reversed(line.steps):
                drawn = BACK[move.sum](draw, *end, limit, min(self._most, move.cap))
                if move.op == "convert":
                    drawn = multiplied(UNITS_IN[after - TIMES], *end)
                if drawn is None:
                    return None
                b, c, start = drawn
                told.append((move, b, c, end, before, after, pack))
                end, limit = start, self._limit
            branches.append(Branch(line.kind, end, line.noun, told[::-1]))
        return Plot(branches, draft.ending, draft.things)

    def _reuse(self, draw: Draw) -> Plot | None:
        """End with two people's quantities, one computed from the other."""
        kind = self._reused[draw() * len(self._reused) >> 32]
        ending = "apart" if draw() >> 31 else "together"
        counts = [0, PACKS]
        (end,) = _end_ranges(ending, 1, self._limit)
        branch = self._branch(draw, kind, self._steps - 1, end, ending, counts)
        return Plot([branch], ending, counts[0]) if branch else None

    def _join(self, draw: Draw) -> Plot | None:
        """End with the quantities of two or three people, each with a story of its own."""
        limit, parts = self._limit, self._fan_in
        if not self._joined:
            return None
        kind = self._joined[draw() * len(self._joined) >> 32]
        ending = "difference" if parts == 2 and draw() * 3 >> 32 == 0 else "sum"
        ends = _end_ranges(ending, parts, limit)
        counts = [1, PACKS + 1]  # the noun that all branches end in is the first of its kind
        left = self._steps - 1
        branches: list[Branch] = []
        for place, end in enumerate(ends):
            others = parts - place - 1
            steps = 1 + (draw() * (left - others) >> 32) if others else left
            left -= steps
            branch = self._branch(draw, kind, steps, end, ending, counts)
            if branch is None:
                return None
            branches.append(branch)
        return Plot(branches, ending, counts[0])

    def _branch(
        self, draw: Draw, kind: Kind, steps: int, end: Range, ending: str, counts: list[int]
    ) -> Branch | None:
        """Draw a branch that ends in a quantity of the kind; None where the moves lead nowhere.

        Args:
            draw: The source of chance.
            kind: The kind of thing it ends in.
            steps: How many moves it has.
            end: The range it ends in.
            ending: How the plot ends.
            counts: The next free noun of things and of packs; changed.
        """
        noun, unit = _last_noun(draw, kind, ending, counts)
        limit = self._limit
        tables = self._last_moves.get(ending)
        reuses = tables is not None
        if tables is None:
            tables = self._moves
        else:
            limit //= 2  # both quantities that are joined stay below half
        may_share = not ending  # people that are joined are asked for by name; "each friend" has none
        told: list[PlannedMove] = []
        later = None
        for _ in range(steps):
            found = self._move(draw, tables[kind], end, limit, unit, later, may_share)
            if found is None:
                return None
            later, (b, c, start) = found
            before, after = noun, noun
            if later.before != later.after:
                noun, unit = _noun_before(draw, later.before, counts)
                before = noun
            elif later.op == "convert":
                unit += 1
                before = noun = TIMES + unit
            pack = 0
            if later.id == "left":
                pack = counts[1]
                counts[1] += 1
            told.append((later, b, c, end, before, after, pack))
            if later.owner != "same":
                may_share = later.owner == "new" and not (reuses and len(told) == 1)
            kind, end, limit, tables = later.before, start, self._limit, self._moves
        told.reverse()
        return Branch(kind, end, noun, told)

    def _move(
        self,
        draw: Draw,
        rotations: tuple[tuple[_Choice, ...], ...],
        end: Range,
        limit: int,
        unit: int,
        later: Move | None,
        may_share: bool,
    ) -> tuple[Move, Drawn] | None:
        """Draw a move that can end in the range; the one that follows it is taken only for want of others."""
        if not rotations:
            return None
        low, high, step, residue = end
        turn = draw() * len(rotations) >> 32
        if rotations[turn][0][0] is later:
            turn += 1 - len(rotations)
        for move, back, most in rotations[turn]:
            if move.owner == "friend" and not may_share:
                continue
            drawn = back(draw, low, high, step, residue, limit, most)
            if move.op == "convert" or move.id == "check":
                drawn = _timed(move, drawn, end, unit)
            if drawn is not None:
                return move, drawn
        return None


def _end_ranges(ending: str, parts: int, limit: int) -> list[Range]:
    """Return the ranges in which lines end so that what joins them stays within the limit."""
    if ending == "difference":
        return [(limit // 2 + LEAST, limit, 1, 0), (LEAST, limit // 2, 1, 0)]
    if ending in REUSES:
        parts = 2
    return [(LEAST, limit // parts, 1, 0)] * (1 if ending in REUSES else parts)


def _timed(move: Move, drawn: Drawn | None, end: Range, unit: int) -> Drawn | None:
    """Return the draw of a move whose unit of time matters: minutes of work, or one unit in another."""
    if move.op == "convert":
        return multiplied(UNITS_IN[unit], *end) if unit < len(UNITS_IN) else None
    return drawn if unit == 0 else None


def _last_noun(draw: Draw, kind: Kind, ending: str, counts: list[int]) -> tuple[int, int]:
    """Return the noun of the last quantity, and its unit of time."""
    if kind == "money":
        return MONEY, 0
    if kind == "time":
        unit = draw() * 3 >> 32
        return TIMES + unit, unit
    place = 0 if kind == "thing" else 1
    if ending not in ("sum", "difference"):
        counts[place] += 1
    return (0, PACKS)[place], 0


def _noun_before(draw: Draw, kind: Kind, counts: list[int]) -> tuple[int, int]:
    """Name what a move from one kind of thing to another starts from."""
    if kind == "money":
        return MONEY, 0
    if kind == "time":
        unit = 1 + (draw() * 3 >> 32)
        return TIMES + unit, unit
    place = 0 if kind == "thing" else 1
    counts[place] += 1
    return counts[place] - 1, 0
