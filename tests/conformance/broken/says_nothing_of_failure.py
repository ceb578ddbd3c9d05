"""A solver that ends without an answer and without a reason."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class SaysNothingOfFailure(Solver):
    """Ends without an answer and without a reason.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (completion,) = yield Sample(problem.question)
        return ctx.solution(completion.text or None)
