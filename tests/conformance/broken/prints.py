"""A solver that tells the terminal what it does."""

import sys
from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class Prints(Solver):
    """Tells the terminal what it does.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        sys.stderr.write("asking\n")
        (completion,) = yield Sample(problem.question)
        return ctx.solution(completion)
