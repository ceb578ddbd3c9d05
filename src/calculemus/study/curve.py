"""Accuracy over what is spent: methods in several sizes, each brought to the same sampled tokens.

A method's template has ``{k}`` (or ``{k/4}``) where its size belongs: ``vote:n={k}``, ``beam:width={k/4}``. A
pilot on the first problems tells how many tokens it samples for each unit of size; from that follows the size
for a budget. What was really sampled is measured and shown: sizes are whole, and not every method is linear.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from calculemus.errors import InvalidParameterError
from calculemus.grading.base import Grader
from calculemus.problems.problemset import ProblemSet
from calculemus.store import Store
from calculemus.study.compare import compare
from calculemus.study.comparison import Comparison, PairResult, SystemResult
from calculemus.study.system import System

UNIT = 4
"""Sizes are multiples of it, so that a beam of a quarter of its candidates divides them."""
_PLACE = re.compile(r"\{k(?:/(\d+))?\}")

Open = Callable[[str], System]


@dataclass(frozen=True, slots=True)
class Point:
    """A method at one budget.

    Attributes:
        system: Its line in the comparison at this budget; its name has the size.
        tokens: Sampled tokens a problem, kept and discarded.
        pair: Against the baseline at this budget; None for the baseline itself.
    """

    system: SystemResult
    tokens: float
    pair: PairResult | None


@dataclass(frozen=True, slots=True)
class Curve:
    """Methods at several budgets on the same problems.

    Attributes:
        budgets: Sampled tokens a problem, ascending.
        methods: Templates, the baseline first.
        comparisons: One for each budget, its systems in the order of the methods.
    """

    budgets: tuple[int, ...]
    methods: tuple[str, ...]
    comparisons: tuple[Comparison, ...]

    def points(self, method: str) -> list[Point]:
        """Return a method's points, one for each budget."""
        place = self.methods.index(method)
        found = []
        for comparison in self.comparisons:
            system = comparison.systems[place]
            pairs = {pair.b: pair for pair in comparison.pairs if pair.a == comparison.baseline}
            found.append(Point(system, sampled(system.cost), pairs.get(system.name)))
        return found

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dictionaries."""
        return {
            "budgets": list(self.budgets),
            "methods": {method: [asdict(point) for point in self.points(method)] for method in self.methods},
        }


def sampled(cost: Mapping[str, float]) -> float:
    """Return the tokens that were sampled, kept and discarded; 0 where they are unknown."""
    return cost.get("tokens_out", 0.0) + cost.get("tokens_discarded", 0.0)


def fill(template: str, k: int) -> str:
    """Put a size into a template.

    Example:
        >>> fill("ovm:candidates={k},beams={k/4}@tiny", 16)
        'ovm:candidates=16,beams=4@tiny'
    """
    return _PLACE.sub(lambda place: str(max(1, k // int(place[1] or 1))), template)


def size_for(budget: int, pilot_size: int, pilot_tokens: float) -> int:
    """Return the size at which a method samples about so many tokens a problem.

    Args:
        budget: Tokens.
        pilot_size: Size that was tried ...
        pilot_tokens: ... and the tokens a problem that it sampled.
    """
    units = budget * pilot_size / max(pilot_tokens, 1.0) / UNIT
    return UNIT * max(1, round(units))


def draw_curve(
    store: Store,
    methods: Sequence[str],
    budgets: Sequence[int],
    problems: ProblemSet,
    grader: Grader,
    opened: Open,
    n_pilot: int = 20,
    pilot_size: int = 8,
) -> Curve:
    """Bring methods to the same sampled tokens and compare them at each budget.

    What the store has already is not done again.

    Args:
        store: Where runs are kept.
        methods: ``SOLVER@MODEL`` with places for the size; the first is the baseline. One without a place is
            the same at every budget.
        budgets: Sampled tokens a problem.
        problems: What they are compared on.
        grader: Gives the verdicts.
        opened: Opens a system by its text.
        n_pilot: Problems of the pilot, from the start of the set.
        pilot_size: Size at which the pilot tries a method.

    Raises:
        InvalidParameterError: There is no method, or a budget that is not positive.
    """
    if not methods or not budgets or min(budgets) < 1:
        raise InvalidParameterError(
            f"drawing a curve: the methods are {list(methods)}, the budgets {list(budgets)}; expected at "
            "least one method, and budgets of at least 1 token"
        )
    first = problems.first(n_pilot)
    rates: dict[str, float] = {}
    for method in dict.fromkeys(method for method in methods if _PLACE.search(method)):
        pilot = compare(store, [opened(fill(method, pilot_size))], first, grader)
        rates[method] = sampled(pilot.systems[0].cost)
    comparisons = []
    for budget in sorted(set(budgets)):
        texts = [fill(m, size_for(budget, pilot_size, rates[m])) if m in rates else m for m in methods]
        comparisons.append(compare(store, [opened(text) for text in texts], problems, grader))
    return Curve(tuple(sorted(set(budgets))), tuple(methods), tuple(comparisons))
