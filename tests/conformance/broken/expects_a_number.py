"""A solver that takes for granted that a number was said."""

import re
from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class ExpectsANumber(Solver):
    """Takes for granted that a number was said.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (completion,) = yield Sample(problem.question)
        return ctx.solution(re.findall(r"[0-9]+", completion.text)[-1])
