"""A solver that changes what a problem's facts say."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class MutatesItsInput(Solver):
    """Changes what a problem's facts say.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        problem.meta.get("facts", {}).get("numbers", []).append(0)
        (completion,) = yield Sample(problem.question)
        return ctx.solution(completion)
