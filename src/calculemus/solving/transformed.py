"""Any solver behind a transform of its questions: ``dip:inner=vote:n=8``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

from calculemus.card import Card
from calculemus.catalog import load, read_catalog
from calculemus.errors import InvalidParameterError
from calculemus.named import build, parse_named, suggest
from calculemus.problem import Problem
from calculemus.solution import Node, Trace
from calculemus.solving.base import Steps
from calculemus.solving.context import Context
from calculemus.solving.nesting import Nesting

INNER = "inner"


class Rewriting(Protocol):
    """What stands before the solver: a transform that makes one problem of each."""

    @property
    def reads(self) -> str:
        """What it reads besides its parameters, by content."""
        ...

    def apply(self, problem: Problem) -> Sequence[Problem]:
        """Return the problems that one becomes."""
        ...


@dataclass(frozen=True)
class Transformed(Nesting):
    """Have a solver answer what a transform makes of the question.

    Source: none of its own; the transform's card names one. What comes of a problem is graded against the
    problem as it was. ``get_solver("dip:order=append,inner=cot")`` makes one.

    Attributes:
        transform: ``NAME[:param=value,...]`` of a transform that makes exactly one problem of each.
        inner: The solver in the same form; with semicolons in place of commas where both stand in one text.
    """

    transform: str
    inner: str = "cot"

    def __post_init__(self) -> None:
        super().__post_init__()
        find_transform(self.transform)

    @property
    def own_reads(self) -> str:
        """What the transform reads besides its parameters."""
        return find_transform(self.transform).reads

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Transform the problem and go on as the solver does; the trace ends with what it was asked."""
        made = find_transform(self.transform).apply(problem)
        if len(made) != 1:
            raise InvalidParameterError(
                f"solving '{problem.id}' behind '{self.transform}': it made {len(made)} problems of it; "
                "expected one. Apply it to the problem set instead"
            )
        new = {name: value for name, value in made[0].meta.items() if name not in problem.meta}
        solution = yield from self.solver.solve(made[0], ctx)
        asked = Node("question", made[0].question, (), new)
        return replace(solution, trace=Trace((*solution.trace.nodes, asked)))


def transforms(*folders: Path) -> dict[str, Card]:
    """Return the cards of all transforms that are built, by id and alias."""
    cards = [card for card in read_catalog(*folders) if card.interface == "Transform" and card.entry]
    return {name: card for card in cards for name in (*card.aliases, card.id)}


@cache
def find_transform(spec: str) -> Rewriting:
    """Return the transform that ``NAME[:param=value,...]`` describes.

    Raises:
        InvalidParameterError: No transform has that name, it has no such parameter, or a value is out of
            range.
        CardError: It cannot be imported.
    """
    name, values = parse_named(spec)
    cards = transforms()
    if name not in cards:
        raise InvalidParameterError(
            f"choosing a transform: there is no '{name}'; {suggest(name, cards)}there are "
            f"{', '.join(sorted({card.id for card in cards.values()})) or 'none'}"
        )
    return build(load(cards[name]), values)


def behind(name: str, values: Mapping[str, str]) -> Transformed:
    """Return the solver that stands behind a transform.

    Args:
        name: Of the transform.
        values: Its parameters as texts, and ``inner``.
    """
    own = ",".join(f"{key}={value}" for key, value in values.items() if key != INNER)
    inner = values.get(INNER, "cot")
    return Transformed(f"{name}:{own}" if own else name, inner)
