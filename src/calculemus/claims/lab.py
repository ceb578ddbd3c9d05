"""The lab of a claim: problems, models and solvers, with everything stored that was paid for."""

import copy
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from calculemus.claim import Measured, Metric, Size
from calculemus.cost import Cost, Meter
from calculemus.engine.base import Engine
from calculemus.engine.opening import TINY, EngineOptions
from calculemus.errors import ClaimError
from calculemus.grading import get_grader
from calculemus.grading.base import grader_id
from calculemus.problems import load
from calculemus.problems.problemset import ProblemSet
from calculemus.solving import get_solver
from calculemus.store import Store
from calculemus.study.live import LiveSystem
from calculemus.study.run import generate, grade
from calculemus.study.systems import Live


def is_right(correct: bool, cost: Cost) -> float:
    """Return 1 for a right answer, 0 for another."""
    del cost
    return float(correct)


@dataclass
class StudyLab:
    """A lab over a store; leaving the block closes the models.

    Attributes:
        store: Where answers are kept: a claim that is run again does not pay for them twice.
        size: Of the experiment.
        seeds: One figure of a unit for each.
        model_name: What solvers run on.
        problems_name: The user's problems, for the size ``real``.
        data: Folder of named problem sets.
        options: How models are opened.
        folders: More folders with cards, whose solvers the claim may name.
    """

    store: Store
    size: Size = "small"
    seeds: tuple[int, ...] = (0,)
    model_name: str = TINY
    problems_name: str | None = None
    data: Path | None = None
    options: EngineOptions = EngineOptions()
    folders: tuple[Path, ...] = ()
    _live: Live = field(init=False, repr=False)
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    def __post_init__(self) -> None:
        if self.size == "real" and self.problems_name is None:
            raise ClaimError(
                "running a claim of size 'real': no problems are given; expected some. Give --problems, and "
                "--model for a model of your own"
            )
        self._live = self._stack.enter_context(Live(model=self.model_name, options=self.options))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def reseeded(self, seeds: tuple[int, ...]) -> Self:
        """Return the same lab with other seeds."""
        other = copy.copy(self)
        other.seeds = seeds
        return other

    def problems(self, *, smoke: str, small: str) -> ProblemSet:
        """Return the problems of this size."""
        name = {"smoke": smoke, "small": small}.get(self.size) or self.problems_name
        assert name is not None, "checked when the lab was made"
        return load(name, data=self.data)

    def model(self, *verifiers: str) -> Engine:
        """Return the model that solvers run on by default, with verifiers beside it."""
        return self._live.engine("+".join([self.model_name, *verifiers]))

    def solve(
        self,
        solver: str,
        problems: ProblemSet,
        *,
        metric: Metric | None = None,
        engine: Engine | None = None,
        grader: str | None = None,
    ) -> Measured:
        """Have a solver answer problems, once for each seed."""
        figures: defaultdict[str, list[float]] = defaultdict(list)
        meter = Meter()
        method = get_solver(solver, *self.folders)
        for seed in self.seeds:
            system = LiveSystem(
                name=f"{solver}@{self.model_name if engine is None else engine.name}",
                solver=method,
                engine=engine or self.model(),
                sandbox=self._live.sandbox(),
                seed=seed,
            )
            for problem_id, correct, cost in self._answered(system, problems, grader):
                figures[problem_id].append((metric or is_right)(correct, cost))
                meter.add(cost)
        return Measured({unit: tuple(values) for unit, values in figures.items()}, meter.total)

    def _answered(
        self, system: LiveSystem, problems: ProblemSet, grader: str | None
    ) -> Iterator[tuple[str, bool, Cost]]:
        """Yield the id of each problem, whether it was solved, and at what cost."""
        run = generate(self.store, system, problems)
        judge = get_grader(grader or "default")
        grade(self.store, run, judge)
        for row in self.store.rows(run, grader_id(judge)):
            correct = row.verdict is not None and row.verdict.correct
            yield row.problem_id, correct, row.solution.cost
