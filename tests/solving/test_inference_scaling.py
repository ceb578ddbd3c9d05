"""The grid of thoughts and search: which systems it has, what they cost, and the interaction term."""

import numpy as np
import pytest

from calculemus.claim import Measured
from calculemus.cost import Cost, Meter
from calculemus.engine.judged import JudgedEngine
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import InvalidParameterError
from calculemus.grading import get_grader
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving import get_solver
from calculemus.solving.inference_scaling import Cell, InferenceScaling, Outcome, gain, interaction
from calculemus.stats import accuracy

PROBLEMS = [Problem(f"p{i}", f"What is {i} + {i}?", str(2 * i)) for i in range(1, 7)]


def speak(prompt: str, seed: int) -> str:
    """Answer right where the examples are worked out; at once, right for even numbers only."""
    examples, _, own = prompt.rpartition("What is ")
    number = int(own.split()[0])
    if "####" not in examples:
        return f" {2 * number if number % 2 == 0 else 0}"
    return (
        f"{number} + {number} = {2 * number}\n#### {2 * number}" if "=" not in own else f"#### {2 * number}"
    )


class ListLab:
    """A lab that solves a list of problems with an engine and stores nothing."""

    size, seeds = "smoke", (0, 1)

    def __init__(self, engine) -> None:
        self.engine = engine
        self.asked: list[tuple[str, str]] = []
        self.costs: list[Cost] = []

    def model(self):
        return self.engine

    def solve(self, solver, problems, *, metric=None, engine=None, grader=None) -> Measured:
        self.asked.append((solver.partition(":")[0], (engine or self.engine).name))
        figures: dict[str, tuple[float, ...]] = {}
        meter, judge = Meter(), get_grader("default")
        for seed in self.seeds:
            scheduler = Scheduler(engine or self.engine, seed=seed)
            tries = ((problem, 0) for problem in problems)
            for name, _, solution in scheduler.solve_all(get_solver(solver), tries):
                problem = next(problem for problem in problems if problem.id == name)
                right = judge.grade(problem, solution.answer or "").correct
                figure = metric(right, solution.cost) if metric else float(right)
                figures[name] = (*figures.get(name, ()), figure)
                meter.add(solution.cost)
        self.costs.append(meter.total)
        return Measured(figures, meter.total)


def engine(name: str = "scripted") -> ScriptedEngine:
    return ScriptedEngine(speak, parameters=1000, name=name)


def judged(engine):
    return JudgedEngine(engine, lambda text: 1.0, "says yes")


STUDY = InferenceScaling(width=3)


def outcome(cell: Cell, figures: dict[str, tuple[float, ...]]) -> Outcome:
    return Outcome(cell, figures, accuracy(list(figures.values())), None, None, None)


def grid(seed: int, n: int = 40) -> list[Outcome]:
    """Return outcomes drawn at random."""
    draws = Rng(seed, ("grid",)).generator()
    return [
        outcome(cell, {f"p{i}": (float(draws.random() < 0.3 + 0.2 * k),) for i in range(n)})
        for k, cell in enumerate(STUDY.cells())
    ]


def test_the_grid_crosses_both_factors_and_names_real_solvers() -> None:
    assert [str(cell) for cell in STUDY.cells()] == ["neither", "search", "thoughts", "thoughts and search"]
    ids = [get_solver(STUDY.solver(cell)).__class__.__name__ for cell in STUDY.cells()]
    assert ids == ["Direct", "Rebase", "Cot", "Rebase"]


def test_it_measures_accuracy_seconds_and_flops_of_each_cell() -> None:
    lab = ListLab(engine())
    outcomes = {outcome.cell: outcome for outcome in STUDY.run(lab, PROBLEMS, judged)}
    assert [outcomes[cell].accuracy.value for cell in STUDY.cells()] == [0.5, 0.5, 1.0, 1.0]
    thoughts, both = outcomes[Cell(True, False)], outcomes[Cell(True, True)]
    assert thoughts.accuracy.low < 1.0 <= thoughts.accuracy.high
    cost, n = lab.costs[2], len(PROBLEMS) * len(lab.seeds)
    assert (thoughts.seconds, thoughts.flops) == (cost.seconds_engine / n, cost.flops / n)
    assert thoughts.tokens == cost.tokens_out / n == 7
    assert both.tokens == 3 * (thoughts.tokens + 1)  # the end of a step is a token of its own
    assert "accuracy 1.0000 [" in str(both)
    assert "FLOPs" in str(both)


def test_an_engine_that_thinks_takes_the_cells_with_thoughts_and_is_asked_for_answers_alone() -> None:
    lab = ListLab(engine("plain"))
    list(STUDY.run(lab, PROBLEMS, judged, thinker=engine("thinker")))
    assert lab.asked == [
        ("direct", "plain"),
        ("rebase", "plain judged by says yes"),
        ("direct", "thinker"),
        ("rebase", "thinker judged by says yes"),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_interaction_is_that_of_least_squares(seed) -> None:
    outcomes = grid(seed)
    rows = [
        (1.0, cell.thinks, cell.searches, cell.thinks * cell.searches)
        for cell in STUDY.cells()
        for _ in range(40)
    ]
    figures = [figure for o in outcomes for (figure,) in o.figures.values()]
    fit = np.linalg.lstsq(np.array(rows, dtype=float), np.array(figures), rcond=None)[0]
    found = interaction(outcomes)
    assert found.delta == pytest.approx(fit[3])
    assert found.low < found.delta < found.high


def test_gains_that_add_up_have_no_interaction() -> None:
    always = {f"p{i}": (float(i < 4),) for i in range(20)}
    more = {unit: (float(i < 10),) for i, unit in enumerate(always)}
    cells = STUDY.cells()
    outcomes = [
        outcome(cell, figures) for cell, figures in zip(cells, [always, more, always, more], strict=True)
    ]
    assert interaction(outcomes).delta == 0
    assert gain(always, more)["p5"] == (1.0,)


def test_a_grid_with_a_hole_or_other_problems_is_refused() -> None:
    outcomes = grid(0)
    with pytest.raises(InvalidParameterError, match="expected all four cells"):
        interaction(outcomes[:3])
    with pytest.raises(InvalidParameterError, match="same problems"):
        interaction([*outcomes[:3], grid(0, n=30)[3]])
