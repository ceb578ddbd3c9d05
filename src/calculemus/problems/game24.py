"""The Game of 24: four numbers from 1 to 13, each used once, must make 24. Generator, moves, exact checker.

    game24:n=50,seed=0      50 different solvable hands, drawn by seed 0

A problem's ``meta['numbers']`` has the hand, which the grader ``game24`` checks an answer against: its gold,
24, says nothing of the numbers used.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, combinations_with_replacement, islice
from typing import Annotated

from calculemus.named import build, parse_named
from calculemus.params import AtLeast, Between, Configured
from calculemus.problem import Problem
from calculemus.problems.arithmetic import evaluate
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng

TARGET = 24
SOLVABLE = 1362  # of the 1820 hands

_NUMBER = re.compile(r"\d+")
_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "[": "(", "]": ")"})
_EXPRESSION = re.compile(r"[-+*/()\d\s=]+")

Hand = tuple[Fraction, ...]


def load(name: str, limit: int | None = None) -> ProblemSet:
    """Return the problem set of a name such as ``game24:n=50,seed=0``.

    Args:
        name: ``game24`` with the parameters of ``Game24``.
        limit: Draw only this many.

    Raises:
        InvalidParameterError: A parameter that there is not, or a value out of range.
    """
    asked = build(Game24, parse_named(name)[1])
    return Game24(min(asked.n, limit or asked.n), asked.seed).problems()


@dataclass(frozen=True)
class Game24(Configured):
    """A problem set of different solvable hands.

    Attributes:
        n: How many.
        seed: Names the draw.
    """

    n: Annotated[int, Between(1, SOLVABLE)] = 100
    seed: Annotated[int, AtLeast(0)] = 0

    def problems(self) -> ProblemSet:
        """Draw the hands."""
        drawn = islice(filter(is_solvable, self._hands()), self.n)
        name = f"game24:n={self.n},seed={self.seed}"
        return ProblemSet(name, tuple(map(to_problem, drawn)), "generated")

    def _hands(self) -> Iterator[Hand]:
        """Yield all hands in the order of the draw; a larger set begins with the smaller one."""
        hands = list(combinations_with_replacement(range(1, 14), 4))
        for index in Rng(self.seed).child("game24").generator().permutation(len(hands)):
            yield tuple(map(Fraction, hands[index]))


@dataclass(frozen=True, slots=True)
class Move:
    """Two numbers of a hand joined into one.

    Attributes:
        text: As people write it: ``10 - 4 = 6 (left: 3 6 6)``.
        left: The hand after it, in order of size.
    """

    text: str
    left: Hand


def moves(hand: Sequence[Fraction]) -> list[Move]:
    """Return all moves that a hand allows, each result once; negative numbers need none of their own."""
    found: dict[str, Move] = {}
    for i, j in combinations(range(len(hand)), 2):
        low, high = sorted((hand[i], hand[j]))
        rest = [value for index, value in enumerate(hand) if index not in (i, j)]
        for text, value in _joined(low, high):
            left = tuple(sorted([*rest, value]))
            line = f"{text} = {value} (left: {' '.join(map(str, left))})"
            found.setdefault(line, Move(line, left))
    return list(found.values())


def _joined(low: Fraction, high: Fraction) -> Iterator[tuple[str, Fraction]]:
    yield f"{_operand(low)} + {_operand(high)}", low + high
    yield f"{_operand(high)} - {_operand(low)}", high - low
    yield f"{_operand(low)} * {_operand(high)}", low * high
    if low:
        yield f"{_operand(high)} / {_operand(low)}", high / low
    if high and low != high:
        yield f"{_operand(low)} / {_operand(high)}", low / high


def _operand(value: Fraction) -> str:
    return str(value) if value.denominator == 1 else f"({value})"


@lru_cache(maxsize=65536)
def is_solvable(hand: Hand) -> bool:
    """Say whether a hand, of any size, can make 24."""
    if len(hand) == 1:
        return hand[0] == TARGET
    return any(is_solvable(move.left) for move in moves(hand))


def solve(hand: Hand) -> list[Move] | None:
    """Return moves that make 24; None where there are none."""
    if len(hand) == 1:
        return [] if hand[0] == TARGET else None
    for move in moves(hand):
        if is_solvable(move.left):
            return [move, *(solve(move.left) or [])]
    return None


def to_problem(hand: Hand) -> Problem:
    """Put a solvable hand as a problem."""
    numbers = [int(value) for value in hand]
    listed = f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
    return Problem(
        id=f"game24/{'-'.join(map(str, numbers))}",
        question=f"Use each of the numbers {listed} once, with + - * / and brackets, to make {TARGET}.",
        answer=str(TARGET),
        solution="\n".join(move.text for move in solve(hand) or []),
        meta={"numbers": numbers},
    )


def check(numbers: Sequence[int], answer: str) -> tuple[bool | None, str | None]:
    """Say whether an answer makes 24 of the numbers, each used once; None where it has no expression.

    Returns:
        The verdict, and the expression that it is on: the last of the text's last line that has one.

    Example:
        >>> check([3, 4, 6, 10], "The answer is (10 - 4) * 3 + 6 = 24.")
        (True, '(10 - 4) * 3 + 6')
        >>> check([3, 4, 6, 10], "4 * 6 = 24")
        (False, '4 * 6')
    """
    for line in reversed(answer.translate(_SIGNS).splitlines()):
        for found in reversed(_EXPRESSION.findall(line)):
            sides = [side.strip() for side in found.split("=")]
            sides = [side for side in sides if evaluate(side) is not None]
            written = [side for side in sides if not side.isdigit()]
            if written:
                return _makes_target(numbers, written[0], sides), written[0]
    return None, None


def _makes_target(numbers: Sequence[int], expression: str, sides: Sequence[str]) -> bool:
    used = sorted(int(number) for number in _NUMBER.findall(expression))
    values = {evaluate(side) for side in sides}
    return used == sorted(numbers) and "//" not in expression and values == {Fraction(TARGET)}
