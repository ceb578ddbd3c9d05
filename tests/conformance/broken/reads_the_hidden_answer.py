"""A solver that looks at the gold where it is hidden."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class ReadsTheHiddenAnswer(Solver):
    """Looks at the gold where it is hidden.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (completion,) = yield Sample(problem.question)
        return ctx.solution(problem.answer or completion)
