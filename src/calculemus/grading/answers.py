"""The shapes that an answer can have."""

from dataclasses import dataclass
from fractions import Fraction

from calculemus.grading.expression import Expr
from calculemus.grading.units import Unit


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number or expression.

    Attributes:
        expr: The expression, without percent sign and unit.
        value: Its exact value where it is a plain number.
        unit: The unit that stood with it.
        percent: Whether a percent sign stood with it.
    """

    expr: Expr
    value: Fraction | None = None
    unit: Unit | None = None
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Several answers, ``brackets`` being ``()``, ``[]``, ``{}`` or empty for a bare list."""

    brackets: str
    items: tuple["Answer", ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers between two ends, each end inside or not."""

    low: Expr
    high: Expr
    closed_low: bool
    closed_high: bool


@dataclass(frozen=True, slots=True)
class Union:
    """Several intervals or sets together."""

    parts: tuple["Answer", ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A set without the members of another."""

    whole: "Answer"
    removed: "Answer"


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of expressions."""

    rows: tuple[tuple["Answer", ...], ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """Sides joined by ``=``, ``<``, ``<=``, ``>``, ``>=`` or ``!=``, each operator between two sides.

    Attributes:
        sides: The sides, from left to right.
        operators: One fewer.
        name: The name that an assignment gives to its right side (``x = 5``, ``f(x) = x^2``), else None.
    """

    sides: tuple["Answer", ...]
    operators: tuple[str, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """``3:4`` or ``1:2:3``; two parts may also be a time of day, then ``half`` is ``a``, ``p`` or empty."""

    parts: tuple[Fraction, ...]
    half: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A letter of a multiple choice, and what stands behind it."""

    letter: str
    rest: "Answer | None" = None


@dataclass(frozen=True, slots=True)
class Text:
    """Words, in one spelling."""

    words: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Mathematics that this package does not parse."""

    source: str


Answer = (
    Scalar | Group | Interval | Union | Difference | Matrix | Relation | Ratio | Choice | Text | Unreadable
)
