"""The graph of quantities that a problem is: typed, with units, executable, and the proof of what matters."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: ``apples``, ``dollars per apple``; factors without one (three times) have an empty ``top``."""

    top: str = ""
    bottom: str = ""

    def __str__(self) -> str:
        return f"{self.top} per {self.bottom}" if self.bottom else self.top


@dataclass(frozen=True, slots=True)
class Quantity:
    """A node of the graph.

    Attributes:
        id: Unique in its graph; the same in every language.
        value: Exact.
        unit: What it counts.
        owner: Whose it is; empty where it is nobody's, as a price.
        kind: Given in the question, known to everyone (``constant``), or computed.
        op: What computes it.
        inputs: The quantities that it is computed from, in order.
    """

    id: str
    value: Fraction
    unit: Unit
    owner: str = ""
    kind: Literal["given", "constant", "computed"] = "given"
    op: str = ""
    inputs: tuple[str, ...] = ()


def apply(op: str, values: list[Fraction]) -> Fraction:
    """Compute an operation exactly.

    Raises:
        ZeroDivisionError: Division by zero.
    """
    x, *others = values
    match op:
        case "add":
            return sum(others, x)
        case "sub":
            return x - others[0]
        case "mul":
            return x * others[0]
        case "div":
            return x / others[0]
        case "percent":
            return x * others[0] / 100
        case "ratio":
            return x / others[0] * others[1]
        case "remainder":
            return x % others[0]
    return Fraction(-(-x // others[0]))


@dataclass(frozen=True)
class Dag:
    """Quantities, each after those it is computed from, and which of them is asked for.

    Example:
        >>> two, three = (Quantity(n, Fraction(v), Unit("apples")) for n, v in (("a", 2), ("b", 3)))
        >>> total = Quantity("c", Fraction(5), Unit("apples"), kind="computed", op="add", inputs=("a", "b"))
        >>> graph = Dag((two, three, total), "c")
        >>> str(graph.evaluate({"a": Fraction(10)})["c"]), graph.depth, sorted(graph.relevant)
        ('13', 1, ['a', 'b', 'c'])
    """

    quantities: tuple[Quantity, ...]
    goal: str

    def __iter__(self) -> Iterator[Quantity]:
        return iter(self.quantities)

    def __getitem__(self, name: str) -> Quantity:
        return self._by_id[name]

    @cached_property
    def _by_id(self) -> dict[str, Quantity]:
        return {quantity.id: quantity for quantity in self.quantities}

    @property
    def steps(self) -> tuple[Quantity, ...]:
        """The computed quantities, in order."""
        return tuple(quantity for quantity in self.quantities if quantity.kind == "computed")

    @property
    def relevant(self) -> frozenset[str]:
        """Everything from which a path leads to the goal, the goal too."""
        inputs = {quantity.id: quantity.inputs for quantity in self.quantities}
        found: set[str] = set()
        waiting = [self.goal]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += inputs[name]
        return frozenset(found)

    @property
    def distractors(self) -> tuple[Quantity, ...]:
        """The quantities from which no path leads to the goal."""
        relevant = self.relevant
        return tuple(quantity for quantity in self.quantities if quantity.id not in relevant)

    @property
    def depth(self) -> int:
        """The most steps on one path to the goal."""
        depths: dict[str, int] = {}
        for quantity in self.quantities:
            below = max((depths[name] for name in quantity.inputs), default=-1)
            depths[quantity.id] = below + 1
        return depths[self.goal]

    @property
    def fan_in(self) -> int:
        """The most computed quantities that one step takes."""
        computed = {quantity.id for quantity in self.steps}
        return max((sum(name in computed for name in step.inputs) for step in self.steps), default=0)

    def evaluate(
        self, replaced: Mapping[str, Fraction] | None = None, removed: Iterable[str] = ()
    ) -> dict[str, Fraction]:
        """Compute every quantity from those that are given.

        Args:
            replaced: Other values for some; a computed one that is replaced is not computed.
            removed: Given ones that are not known; what depends on them is left out of the result.
        """
        values: dict[str, Fraction] = {}
        unknown = set(removed)
        for quantity in self.quantities:
            if replaced and quantity.id in replaced:
                values[quantity.id] = replaced[quantity.id]
            elif quantity.kind != "computed" and quantity.id not in unknown:
                values[quantity.id] = quantity.value
            elif quantity.inputs and all(name in values for name in quantity.inputs):
                values[quantity.id] = apply(quantity.op, [values[name] for name in quantity.inputs])
        return values

    def unit_faults(self) -> list[str]:
        """Say of each step whose units do not fit what is wrong; nothing for a sound graph."""
        faults = []
        for step in self.steps:
            units = [self[name].unit for name in step.inputs]
            if unit_of(step.op, units) != step.unit:
                told = ", ".join(str(unit) or "a number" for unit in units)
                faults.append(f"{step.id}: {step.op} of {told} does not give {step.unit}")
        return faults


def unit_of(op: str, units: list[Unit]) -> Unit | None:
    """Return the unit of a result; None where the units do not fit the operation."""
    x, b = units[0], units[1]
    if op in ("add", "sub"):
        return x if all(unit == x for unit in units) else None
    if op == "percent":
        return x if b == Unit("percent") else None
    if op == "ratio":
        return x if b == units[2] == Unit() else None
    if b == Unit():
        return x if op in ("mul", "div") else None
    if op == "mul":
        return Unit(b.top) if b.bottom == x.top else None
    if op in ("div", "ceil"):
        return Unit(b.bottom) if b.top == x.top and b.bottom else None
    return x if b.top == x.top and b.bottom else None
