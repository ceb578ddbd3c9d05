"""A solver that takes any number of chains, and needs one."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample, Sampling
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class HasAnUnconstrainedParameter(Solver):
    """Takes any number of chains, and needs one.

    Source: made up, to be caught.
    """

    n: int = 3

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        completions = yield Sample(problem.question, Sampling(0.7), self.n)
        return ctx.solution(completions[0])
