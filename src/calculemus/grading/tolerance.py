"""Nearness, where a problem asks for it: relative, absolute, or to so many significant figures."""

from dataclasses import dataclass
from fractions import Fraction

from calculemus.errors import GradingError
from calculemus.exact import parse_number
from calculemus.grading.answers import Answer, Scalar
from calculemus.problem import Problem


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How near a number must come to the gold.

    Attributes:
        relative: Largest difference as a share of the gold.
        absolute: Largest difference.
        figures: Significant figures to which the gold, rounded half up, must agree.
    """

    relative: Fraction | None = None
    absolute: Fraction | None = None
    figures: int | None = None

    @classmethod
    def of(cls, problem: Problem) -> "Tolerance | None":
        """Read ``rel_tol``, ``abs_tol`` and ``figures`` of a problem's meta; None where it has none.

        Raises:
            GradingError: One of them is not a non-negative number.
        """
        meta = problem.meta
        if not meta or not ({"rel_tol", "abs_tol", "figures"} & meta.keys()):
            return None
        bounds = {}
        for name in ("rel_tol", "abs_tol", "figures"):
            if meta.get(name) is None:
                continue
            value = parse_number(str(meta[name]))
            if value is None or value < 0 or (name == "figures" and (value.denominator != 1 or value < 1)):
                raise GradingError(
                    f"grading '{problem.id}': its {name} is {meta[name]!r}; expected "
                    f"{'a whole number from 1' if name == 'figures' else 'a number, 0 or more'}"
                )
            bounds[name] = value
        figures = bounds.get("figures")
        return cls(bounds.get("rel_tol"), bounds.get("abs_tol"), int(figures) if figures else None)

    def accepts(self, gold: Answer, given: Answer) -> bool | None:
        """Say whether a number comes near enough; None where one of the two is no plain number."""
        if not (isinstance(gold, Scalar) and isinstance(given, Scalar)):
            return None
        if gold.value is None or given.value is None:
            return None
        difference = abs(gold.value - given.value)
        if self.relative is not None and difference <= self.relative * abs(gold.value):
            return True
        if self.absolute is not None and difference <= self.absolute:
            return True
        if self.figures is not None:
            return round_to(gold.value, self.figures) == round_to(given.value, self.figures)
        return difference == 0


def round_to(value: Fraction, figures: int) -> Fraction:
    """Round to significant figures, halves away from zero."""
    if value == 0:
        return value
    size = abs(value)
    power = len(str(size.numerator)) - len(str(size.denominator))  # within one of the decimal exponent
    if size < Fraction(10) ** power:
        power -= 1
    unit = Fraction(10) ** (power - figures + 1)
    rounded = (size / unit + Fraction(1, 2)).__floor__() * unit
    return rounded if value > 0 else -rounded
