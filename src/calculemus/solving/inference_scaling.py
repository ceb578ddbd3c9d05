"""Thoughts and search on one ruler: a grid of two by two, what each costs, and whether they add up."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from calculemus.claim import Lab, Measured, Metric
from calculemus.errors import InvalidParameterError
from calculemus.events import note
from calculemus.params import AtLeast, Between, Configured
from calculemus.solving.scoring import ScorerName

if TYPE_CHECKING:
    from calculemus.engine.base import Engine
    from calculemus.problems.problemset import ProblemSet
    from calculemus.stats import Estimate, PairedEstimate


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One of the four systems.

    Attributes:
        thinks: Whether it thinks before it answers.
        searches: Whether it samples a tree by reward, where the others sample once.
    """

    thinks: bool
    searches: bool

    def __str__(self) -> str:
        """Name it."""
        parts = [name for name, is_on in (("thoughts", self.thinks), ("search", self.searches)) if is_on]
        return " and ".join(parts) or "neither"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a cell came to.

    Attributes:
        cell: Which.
        figures: 1 for right and 0 for not, by problem, one for each seed.
        accuracy: Share of right answers, with its interval.
        seconds: Of the engine, for one answer; None where unknown.
        flops: For one answer; None where unknown.
        tokens: Sampled for one answer, kept and discarded; None where unknown.
    """

    cell: Cell
    figures: Mapping[str, tuple[float, ...]]
    accuracy: "Estimate"
    seconds: float | None
    flops: float | None
    tokens: float | None

    def __str__(self) -> str:
        low, high = self.accuracy.low, self.accuracy.high
        costs = (("s", self.seconds), ("FLOPs", self.flops), ("tokens", self.tokens))
        known = ", ".join(f"{figure:.4g} {unit}" for unit, figure in costs if figure is not None)
        return f"{self.cell}: accuracy {self.accuracy.value:.4f} [{low:.4f}, {high:.4f}]; an answer {known}"


@dataclass(frozen=True)
class InferenceScaling(Configured):
    """Measure thoughts, reward-balanced search, both and neither on the same problems.

    Source: "Inference Scaling vs Reasoning", arXiv:2412.16260: Quiet-STaR, REBASE and both on GSM8K. Its
    thoughts are hidden: tokens that a model was trained to think before each one that it writes. Such a
    model is not made here yet, so that this axis is open: whoever has an engine that thinks gives it to
    ``run``. Without one, thoughts are those that a model writes down: a worked solution against the answer
    at once.

    Attributes:
        width: Of the search, see ``Rebase``.
        t_balance: Of the search.
        temperature: Of sampling, in all cells.
        scorer: What the search values steps by.
        max_tokens: Longest answer of the cells without search.
    """

    width: Annotated[int, AtLeast(1)] = 16
    t_balance: Annotated[float, Between(0, 1e9, open_left=True)] = 0.2  # as in REBASE
    temperature: Annotated[float, AtLeast(0)] = 0.7
    scorer: ScorerName = "value"
    max_tokens: Annotated[int, AtLeast(1)] = 512

    def cells(self) -> list[Cell]:
        """Return the four systems: neither, search, thoughts, both."""
        return [Cell(thinks, searches) for thinks in (False, True) for searches in (False, True)]

    def solver(self, cell: Cell, writes: bool = True) -> str:
        """Return the solver of a cell, by name and settings.

        Args:
            cell: Which.
            writes: Whether the cell's thoughts are those that a model writes down; else its engine thinks.
        """
        works = cell.thinks and writes
        if cell.searches:
            return (
                f"rebase:width={self.width},t_balance={self.t_balance},temperature={self.temperature},"
                f"scorer={self.scorer},thinks={str(works).lower()}"
            )
        tokens = f"max_tokens={self.max_tokens}" if works else f"max_tokens={min(32, self.max_tokens)}"
        return f"{'cot' if works else 'direct'}:temperature={self.temperature},{tokens}"

    def measure(
        self,
        cell: Cell,
        lab: Lab,
        problems: "ProblemSet",
        *,
        judged: "Callable[[Engine], Engine] | None" = None,
        thinker: "Engine | None" = None,
        metric: Metric | None = None,
    ) -> Measured:
        """Return the figures of one cell and its cost.

        Args:
            cell: Which.
            lab: Where its solver is run.
            problems: What it answers.
            judged: Returns an engine with its verifier beside it; by default engines judge by themselves.
            thinker: An engine that thinks by itself, for the cells with thoughts; by default the lab's model
                writes its thoughts down.
            metric: Figure of one answer; by default 1 for a right one.
        """
        engine = thinker if cell.thinks and thinker is not None else lab.model()
        if cell.searches and judged is not None:
            engine = judged(engine)
        return lab.solve(self.solver(cell, thinker is None), problems, engine=engine, metric=metric)

    def run(
        self,
        lab: Lab,
        problems: "ProblemSet",
        judged: "Callable[[Engine], Engine] | None" = None,
        thinker: "Engine | None" = None,
    ) -> Iterator[Outcome]:
        """Measure the four cells, see ``measure``, and yield each outcome; also tells them as notes."""
        from calculemus.stats import accuracy  # numpy: only where something is measured

        for cell in self.cells():
            measured = self.measure(cell, lab, problems, judged=judged, thinker=thinker)
            outcome = _outcome(cell, measured, accuracy)
            note(str(outcome))
            yield outcome


def _outcome(cell: Cell, measured: Measured, accuracy: "Callable[..., Estimate]") -> Outcome:
    rows = list(measured.outcomes.values())
    n, cost = sum(map(len, rows)), measured.cost
    tokens = None
    if cost.tokens_out is not None and cost.tokens_discarded is not None:
        tokens = cost.tokens_out + cost.tokens_discarded
    each = [None if figure is None else figure / n for figure in (cost.seconds_engine, cost.flops, tokens)]
    return Outcome(cell, measured.outcomes, accuracy(rows), *each)


def interaction(outcomes: Sequence[Outcome]) -> "PairedEstimate":
    """Return by how much more the search brings with thoughts than without them, paired by problem.

    It is ``(both - thoughts) - (search - neither)`` in accuracy: 0 where both gains add up, below 0 where
    one takes from the other.

    Raises:
        InvalidParameterError: A cell is missing, or they have other problems.
    """
    from calculemus.stats import compare  # numpy: only where something is measured

    by_cell = {outcome.cell: outcome.figures for outcome in outcomes}
    cells = InferenceScaling().cells()
    missing = [str(cell) for cell in cells if cell not in by_cell]
    if missing or len({frozenset(figures) for figures in by_cell.values()}) > 1:
        raise InvalidParameterError(
            f"reckoning the interaction of a grid: the cells {', '.join(map(str, by_cell)) or 'none'} have "
            f"{[len(figures) for figures in by_cell.values()]} problems; expected all four cells on the same "
            "problems. Take what 'run' yields"
        )
    neither, search, thoughts, both = (by_cell[cell] for cell in cells)
    without, thinking = gain(neither, search), gain(thoughts, both)
    units = sorted(without)
    return compare([list(without[unit]) for unit in units], [list(thinking[unit]) for unit in units])


def gain(
    before: Mapping[str, tuple[float, ...]], after: Mapping[str, tuple[float, ...]]
) -> dict[str, tuple[float, ...]]:
    """Return by how much the figures of each problem rise, seed by seed."""
    return {unit: tuple(b - a for a, b in zip(before[unit], after[unit], strict=True)) for unit in before}
