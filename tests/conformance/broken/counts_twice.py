"""A solver that charges what it leaves out more than once."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample, Sampling
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class CountsTwice(Solver):
    """Charges what it leaves out more than once.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        completion, other = yield Sample(problem.question, Sampling(0.7), 2)
        ctx.prune(completion, completion, other, other)
        return ctx.solution(completion)
