"""A solver that takes every percent sign for a place to fill in."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class FillsInByHand(Solver):
    """Takes every percent sign for a place to fill in.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (completion,) = yield Sample(f"Q: {problem.question}\nTake %d steps." % 3)
        return ctx.solution(completion)
