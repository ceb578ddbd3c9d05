"""A solver that sets the global generator."""

import random
from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class ReseedsTheWorld(Solver):
    """Sets the global generator.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        random.seed(7)
        (completion,) = yield Sample(problem.question)
        return ctx.solution(completion)
