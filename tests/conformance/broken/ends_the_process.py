"""A solver that gives up on behalf of everybody."""

import sys
from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class EndsTheProcess(Solver):
    """Gives up on behalf of everybody.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (completion,) = yield Sample(problem.question)
        if not completion.text:
            sys.exit(3)
        return ctx.solution(completion)
