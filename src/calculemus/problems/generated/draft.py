"""From a plot to quantities: numbers drawn from the start of the story on, and which split they fall in.

Splits are disjoint by design. What a problem is made of decides where it belongs, whatever the spec or seed:

- ``numbers`` alone gives numbers that begin with 8 (8, 80 to 89, 800 to 899, ...), at least one a problem;
- ``depth`` alone has the held-out shapes of the graph: one in seven by checksum, of two steps or more;
- ``templates`` alone has the held-out sentences, ``names`` alone the held-out names (see ``lexicon``);
- besides, a checksum of moves and numbers, modulo 11, is 0 in ``iid``, 1 in ``templates``, 2 in ``names`` and
  more than 2 in ``train``: no two of them share moves with numbers. The last number that is drawn is moved to
  the nearest one that makes the checksum right.
"""

from typing import NamedTuple

from calculemus.problems.generated.moves import Kind, Move
from calculemus.problems.generated.plot import REUSES, Branch, Plot
from calculemus.problems.generated.ranges import HELD_OUT_DIGIT, LEAST
from calculemus.problems.generated.stream import Draw

CLASSES = 11  # prime, so that nearly every step of a range can reach every class
_CLASS_OF = {"iid": 0, "templates": 1, "names": 2}
_FIRST_OF_TRAIN = 3
SHAPES = 7  # one in so many is held out, also where there are few
_MIX = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_SUMS = {"add": 1, "sub": 2, "mul": 3, "div": 4, "percent": 5, "ratio": 6, "remainder": 7, "ceil": 8}
_ENDINGS = {"": 1, "together": 2, "apart": 3, "sum": 4, "difference": 5}
_KINDS = {"thing": 1, "pack": 2, "money": 3, "time": 4}
_IS_HELD_OUT = bytes(str(value)[0] == HELD_OUT_DIGIT for value in range(1000))

# A move with its numbers, from x by b and c to y, and the nouns before and after it and of packs mentioned.
Step = tuple[Move, int, int, int, int, int, int, int]


class Line(NamedTuple):
    """A branch with its numbers."""

    kind: Kind
    value: int
    noun: int
    steps: list[Step]

    @property
    def end(self) -> int:
        """The quantity that the branch ends in."""
        return self.steps[-1][4]


class Draft(NamedTuple):
    """The quantities of a problem, before anything is told.

    Attributes:
        lines: One line of the story, or several that are joined.
        ending: As in ``Plot``.
        answer: The quantity asked for.
        things: How many kinds of things it names.
        structure: 64 bits that name moves and numbers; equal for no two splits.
    """

    lines: list[Line]
    ending: str
    answer: int
    things: int
    structure: int


def is_held_out(value: int) -> bool:
    """Say whether a given number is for the split ``numbers`` alone."""
    return str(value)[0] == HELD_OUT_DIGIT


def is_held_out_shape(plot: Plot) -> bool:
    """Say whether the graph, without its numbers and words, is for the split ``depth`` alone."""
    branches, ending, _ = plot
    if not ending and len(branches[0].moves) == 1:
        return False
    place, total = 0, _ENDINGS[ending]
    for branch in branches:
        place += 1
        for planned in branch.moves:
            place += 1
            total += place * _SUMS[planned[0].sum]
    return total % SHAPES == 0


class Drawer:
    """Draws the numbers of plots for one split."""

    def __init__(self, split: str) -> None:
        self.wants_held_out = split == "numbers"
        self.wants_shape = split == "depth"
        self.wanted = _CLASS_OF.get(split)
        self.has_class = self.wanted is not None or split == "train"

    def draft(self, plot: Plot, draw: Draw) -> Draft | None:
        """Return a draft of the plot; None where it is for another split."""
        if is_held_out_shape(plot) != self.wants_shape:
            return None
        branches, ending, things = plot
        hand = _Hand(self, draw, branches, ending)
        lines = []
        for branch in branches:
            line = hand.line(branch)
            if line is None:
                return None
            lines.append(line)
        if self.wants_held_out and not hand.has_held_out:
            return None
        return Draft(lines, ending, answer_of(lines, ending), things, hand.name & _MASK)


class _Hand:
    """The numbers of one draft while they are drawn."""

    __slots__ = ("coefficient", "draw", "drawer", "has_held_out", "left", "name", "sum")

    def __init__(self, drawer: Drawer, draw: Draw, branches: list[Branch], ending: str) -> None:
        self.drawer = drawer
        self.draw = draw
        self.coefficient = 0
        self.has_held_out = False
        left = len(branches)
        name = _ENDINGS[ending]
        for branch in branches:
            name = name * 31 + _KINDS[branch.kind]
            for move, b, c, _, _, _, _ in branch.moves:
                name = name * 1_000_003 + move.number * 10_007 + b * 101 + c
                if not b:
                    left += 1
        self.left = left
        self.name = self.sum = ((name * _MIX) & _MASK) >> 3

    def line(self, branch: Branch) -> Line | None:
        """Draw a branch from its start on; None where no number of it can be in the split."""
        kind, (low, high, step, residue), noun, moves = branch
        first = y = self.number(low, high, step, residue)
        if not first:
            return None
        steps: list[Step] = []
        for move, b, c, (low, high, step, residue), before, after, pack in moves:
            x = y
            match move.sum:
                case "add":
                    b = self.number(max(LEAST, low - x), high - x, step, residue - x)
                    y = x + b
                case "sub":
                    b = self.number(max(LEAST, x - high), x - low, step, x - residue)
                    y = x - b
                case "mul":
                    y = x * b
                case "div":
                    y = x // b
                case _:
                    y, c = computed(move.sum, x, b, c)
            if not b:
                return None
            steps.append((move, x, b, c, y, before, after, pack))
        return Line(kind, first, noun, steps)

    def number(self, low: int, high: int, step: int, residue: int) -> int:
        """Draw a number of a range that the split may give; 0 where there is none."""
        low += (residue - low) % step
        count = (high - low) // step + 1
        if count < 1:
            return 0
        drawer = self.drawer
        value = low + (self.draw() * count >> 32) * step
        if (_IS_HELD_OUT[value] if value < 1000 else is_held_out(value)) != drawer.wants_held_out:
            value = self._other(value, low, step, count)
        self.left = left = self.left - 1
        self.coefficient = coefficient = self.coefficient % (CLASSES - 1) + 1
        if not left and drawer.has_class and value:
            value = self._classed(value, low, step, count)
        if drawer.wants_held_out and is_held_out(value):
            self.has_held_out = True
        self.sum += coefficient * value
        self.name = self.name * 1_000_003 + value & _MASK
        return value

    def _other(self, value: int, low: int, step: int, count: int) -> int:
        """Draw among the held-out numbers of a range where they are wanted, else among the others.

        Where held-out numbers are wanted and the range has none, ``value`` stays.
        """
        wants = self.drawer.wants_held_out
        parts = _parts(low, step, count)[0 if wants else 1]
        total = sum(stop - start for start, stop in parts)
        if not total:
            return value if wants else 0
        place = self.draw() * total >> 32
        for start, stop in parts:
            if place < stop - start:
                return low + (start + place) * step
            place -= stop - start
        return 0

    def _classed(self, value: int, low: int, step: int, count: int) -> int:
        """Move a number to the nearest that makes the checksum right; 0 where none does."""
        found = (self.sum + self.coefficient * value) % CLASSES
        wanted = self.drawer.wanted
        if wanted is None:
            wanted = found if found >= _FIRST_OF_TRAIN else found + _FIRST_OF_TRAIN
        if found == wanted:
            return value
        slope = self.coefficient * step % CLASSES
        if not slope:
            return 0
        place = (value - low) // step + (wanted - found) * pow(slope, -1, CLASSES) % CLASSES
        for candidate in (place, place - CLASSES, place + CLASSES):
            other = low + candidate * step
            if 0 <= candidate < count and not is_held_out(other):
                return other
        return 0


def _parts(low: int, step: int, count: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the places of a range with held-out numbers, and those with others, as half-open intervals."""
    held_out, others = [], []
    place, power = 0, 1
    while place < count:
        # Where 8, 80, 800, ... and 9, 90, 900, ... are, or the next place after them.
        block = (-(-(first * power - low) // step) for first in (8, 9))
        start, stop = (min(max(bound, place), count) for bound in block)
        others.append((place, start))
        held_out.append((start, stop))
        place = stop
        power *= 10
    return held_out, others


def computed(kind: str, x: int, b: int, c: int) -> tuple[int, int]:
    """Return the result of a sum, and its second number where that follows from the first."""
    if kind == "percent":
        return x * b // 100, 0
    if kind == "ratio":
        return x // b * c, c
    if kind == "remainder":
        return x % b, x // b
    return -(-x // b), c


def joined_values(lines: list[Line], ending: str) -> list[int]:
    """Return the quantities that the ending joins, in the order of the story."""
    if ending in REUSES:
        _, x, _, _, y, _, _, _ = lines[0].steps[-1]
        return [x, y]
    return [line.end for line in lines]


def answer_of(lines: list[Line], ending: str) -> int:
    """Return what is asked for, once all lines have their numbers."""
    values = joined_values(lines, ending)
    return abs(values[0] - values[1]) if ending in ("apart", "difference") else sum(values)
