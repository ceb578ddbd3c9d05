"""What matters for merging at scale: size, base, number of experts and method, crossed and counted."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product
from typing import TYPE_CHECKING, Annotated, Literal

from calculemus.cost import Cost
from calculemus.errors import InvalidParameterError
from calculemus.events import note, track
from calculemus.merging.bench_cost import taking
from calculemus.merging.bench_making import n_bytes_read
from calculemus.merging.bench_panel import Panel, arith_panel, digit_panel
from calculemus.merging.bench_scoring import FEWEST_RIGHT, Scores, check_experts
from calculemus.merging.contest import merge, plan, tuned
from calculemus.params import AtLeast, Configured
from calculemus.stats import mcnemar
from calculemus.tuning.tasks import mean_accuracy, measure
from calculemus.tuning.weights import carrying, read_weights

if TYPE_CHECKING:
    from calculemus.tuning.tasks import Task

SKILLS = ("add", "sub", "sort", "max")
HELD_OUT = "copy"
DOMAINS = ("plain", "turned", "inverted", "noisy")


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One merge of the design.

    Attributes:
        size: Width of the models.
        budget: Steps of the base's training.
        number: Experts that are merged.
        method: Its name with settings, ``{}`` where the scale goes.
    """

    size: int
    budget: int
    number: int
    method: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a merge came to.

    Attributes:
        cell: Its place in the design.
        method: With the scale that was chosen.
        held_in: Mean over the experts' tasks of accuracy relative to the expert.
        held_out: Accuracy relative to the base on a task that no expert learned; None where there is none, or
            the base cannot do it.
        n_parameters: Of the model.
        cost: Of choosing the scale and merging.
    """

    cell: Cell
    method: str
    held_in: float
    held_out: float | None
    n_parameters: int
    cost: Cost


@dataclass(frozen=True, slots=True)
class Trend:
    """A sign test over pairs of cells that differ in one factor alone.

    Attributes:
        name: What is said to be better.
        n_for: Pairs that say so.
        n_against: Pairs that say the opposite; ties count for neither.
        p_value: Two-sided, as if pairs were independent, which those of one base are not.
    """

    name: str
    n_for: int
    n_against: int
    p_value: float

    @property
    def verdict(self) -> Literal["shown", "the opposite is shown", "not shown"]:
        """What the signs say at the level of 5 %."""
        if self.p_value >= 0.05:
            return "not shown"
        return "shown" if self.n_for > self.n_against else "the opposite is shown"

    def __str__(self) -> str:
        counts = f"{self.n_for} pairs for, {self.n_against} against, p = {self.p_value:.2g}"
        return f"{self.name}: {self.verdict} ({counts})"


@dataclass(frozen=True)
class MergeAtScale(Configured):
    """Merge in every cell of a factorial design, on small models trained alike, and test for trends.

    Source: Yadav et al. 2024, arXiv:2410.03617: averaging, task arithmetic, DARE-TIES and TIES; sizes, two
    kinds of base, numbers of experts; held-in tasks relative to the experts, held-out tasks relative to the
    base; scales tuned in each cell. The paper's bases are pre-trained or tuned on instructions; here they
    were trained briefly or long. Experts of all sizes get the same steps. Training on all tasks together,
    which the paper compares with, is not repeated.

    Attributes:
        sizes: Widths of the models.
        budgets: Steps of the bases.
        numbers: Of experts that are merged: the first ones of all.
        methods: With ``{}`` where a tuned scale goes.
        scales: That are tried, on rows kept apart.
        expert_steps: Of each expert.
        models: ``arith`` for language models of sums, ``digits`` for readers of digits.
        seed: Of all training.
    """

    sizes: tuple[int, ...] = (48, 64, 96)
    budgets: tuple[int, ...] = (100, 300)
    numbers: tuple[int, ...] = (2, 4)
    methods: tuple[str, ...] = (
        "linear",
        "task_arithmetic:scale={}",
        "ties:scale={}",
        "dare_ties:density=0.5,scale={}",
    )
    scales: tuple[float, ...] = (0.2, 0.5, 1.0)
    expert_steps: Annotated[int, AtLeast(1)] = 100
    models: Literal["arith", "digits"] = "arith"
    seed: Annotated[int, AtLeast(0)] = 0

    def cells(self) -> list[Cell]:
        """Return the design: every combination once."""
        return [Cell(*levels) for levels in product(self.sizes, self.budgets, self.numbers, self.methods)]

    def run(self) -> Iterator[Outcome]:
        """Train what the cache lacks, and yield the outcome of each cell, in their order.

        Raises:
            InvalidParameterError: More experts are wanted than there are, or an expert has learned nothing.
        """
        experts = len(SKILLS if self.models == "arith" else DOMAINS)
        if not all(2 <= number <= experts for number in self.numbers):
            raise InvalidParameterError(
                f"MergeAtScale: parameter 'numbers' is {self.numbers}; expected numbers from 2 to {experts}, "
                "as many experts as there are"
            )
        for size, budget in track(list(product(self.sizes, self.budgets)), "training and merging"):
            yield from self._of_base(size, budget)

    def _of_base(self, size: int, budget: int) -> Iterator[Outcome]:
        panel = self._panel(size, budget)
        experts, base = _own_scores(panel), _scores(panel, panel.base, panel.abilities)
        check_experts(experts)
        for number, method in product(self.numbers, self.methods):
            yield self._outcome(Cell(size, budget, number, method), panel, experts, base)

    def _panel(self, size: int, budget: int) -> Panel:
        if self.models == "digits":
            from calculemus.tiny.digit_family import DigitRecipe

            return digit_panel(
                DigitRecipe(
                    domains=DOMAINS,
                    base_steps=budget,
                    expert_steps=self.expert_steps,
                    width=size,
                    n_layers=2,
                    seed=self.seed,
                )
            )
        from calculemus.tiny.arith_family import ArithRecipe

        return arith_panel(
            ArithRecipe(
                base=(*SKILLS, HELD_OUT),
                experts=SKILLS,
                base_steps=budget,
                expert_steps=self.expert_steps,
                d_model=size,
                seed=self.seed,
            )
        )

    def _outcome(self, cell: Cell, panel: Panel, experts: Scores, base: Scores) -> Outcome:
        some = Panel(
            panel.source,
            panel.base,
            panel.experts[: cell.number],
            panel.tasks[: cell.number],
            panel.abilities,
            panel.make,
        )
        tries = [cell.method.format(scale) for scale in self.scales] if "{}" in cell.method else []
        with taking() as taken:
            text = tuned(some, cell.method, self.scales, self.seed) if tries else cell.method
            weights = merge(some, text, self.seed)
        read = sum(n_bytes_read(plan(some, each)) for each in (*tries, text))
        with carrying(some.model(), weights):
            found = measure(some.model(), [*some.tasks, *some.abilities], "test")
        ratios = [found[task.name].accuracy / experts[task.name].accuracy for task in some.tasks]
        return Outcome(
            cell,
            text,
            held_in=sum(ratios) / len(ratios),
            held_out=_relative(found, base),
            n_parameters=panel.base.n_parameters,
            cost=Cost(seconds_engine=taken.seconds, peak_bytes=taken.peak_bytes, bytes_read=read),
        )


def _own_scores(panel: Panel) -> Scores:
    """Return what each expert is worth on its own task."""
    found = {}
    for task, expert in zip(panel.tasks, panel.experts, strict=True):
        found |= _scores(panel, expert, [task])
    return found


def _scores(panel: Panel, model: object, tasks: "Sequence[Task]") -> Scores:
    with carrying(panel.model(), read_weights(model)):  # type: ignore[arg-type]  # a checkpoint
        return measure(panel.model(), tasks, "test")


def _relative(found: Scores, base: Scores) -> float | None:
    """Return accuracy relative to the base's on tasks that nobody was trained for."""
    n_right = sum(sum(score.outcomes.values()) for score in base.values())
    if n_right < FEWEST_RIGHT:
        return None
    return mean_accuracy({name: found[name] for name in base}) / mean_accuracy(base)


def trends(outcomes: Sequence[Outcome]) -> list[Trend]:
    """Return the sign tests of what the paper finds; also tells them as notes."""
    found = [
        _trend("a stronger base is better", outcomes, "budget"),
        _trend("a larger model is better", outcomes, "size"),
        _trend("more experts are better", outcomes, "number"),
        _alike(outcomes),
    ]
    for trend in found:
        note(str(trend))
    return found


def _trend(name: str, outcomes: Sequence[Outcome], factor: str) -> Trend:
    """Compare cells that differ in one factor, the higher level with the next lower one."""
    by_cell = {outcome.cell: outcome.held_in for outcome in outcomes}
    return _signs(name, _steps(by_cell, factor, lambda before, after: after - before))


def _alike(outcomes: Sequence[Outcome]) -> Trend:
    """See whether the best and the worst method come closer to each other in larger models."""
    cells: dict[Cell, list[float]] = {}
    for outcome in outcomes:
        cell = outcome.cell
        cells.setdefault(Cell(cell.size, cell.budget, cell.number, ""), []).append(outcome.held_in)
    spread = {cell: max(values) - min(values) for cell, values in cells.items()}
    name = "methods differ less in larger models"
    return _signs(name, _steps(spread, "size", lambda before, after: before - after))


def _steps(figures: dict[Cell, float], factor: str, gain: Callable[[float, float], float]) -> Iterator[float]:
    """Yield the gain from each level of a factor to the next, all else equal."""
    levels = sorted({getattr(cell, factor) for cell in figures})
    following = dict(pairwise(levels))
    for low, high in combinations(sorted(figures, key=lambda cell: getattr(cell, factor)), 2):
        is_next = getattr(high, factor) == following.get(getattr(low, factor))
        if is_next and _without(low, factor) == _without(high, factor):
            yield gain(figures[low], figures[high])


def _without(cell: Cell, factor: str) -> tuple[object, ...]:
    names = ("size", "budget", "number", "method")
    return tuple(getattr(cell, name) for name in names if name != factor)


def _signs(name: str, gains: Iterator[float]) -> Trend:
    found = list(gains)
    n_for, n_against = sum(gain > 0 for gain in found), sum(gain < 0 for gain in found)
    return Trend(name, n_for, n_against, mcnemar(n_against, n_for))
