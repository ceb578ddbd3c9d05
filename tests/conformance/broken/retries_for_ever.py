"""A solver that asks again until the engine works."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.errors import BudgetExceededError, EngineError
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class RetriesForEver(Solver):
    """Asks again until the engine works.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        while True:
            try:
                (completion,) = yield Sample(problem.question)
            except BudgetExceededError:
                raise
            except EngineError:
                continue
            return ctx.solution(completion)
