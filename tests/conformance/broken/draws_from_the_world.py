"""A solver that chooses by the global generator."""

import random
from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class DrawsFromTheWorld(Solver):
    """Chooses by the global generator.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (completion,) = yield Sample(problem.question)
        ctx.trace.add("completion", completion.text, luck=random.random())
        return ctx.solution(completion)
