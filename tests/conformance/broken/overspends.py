"""A solver that asks for more when its budget is spent."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample, Sampling
from calculemus.errors import BudgetExceededError
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class Overspends(Solver):
    """Asks for more when its budget is spent.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        try:
            (completion,) = yield Sample(problem.question, Sampling(max_tokens=512))
        except BudgetExceededError:
            (completion,) = yield Sample(problem.question, Sampling(max_tokens=1))
        return ctx.solution(completion)
