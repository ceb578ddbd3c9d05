"""A solver that runs what the model wrote by itself."""

import subprocess
from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class StartsAProcess(Solver):
    """Runs what the model wrote by itself.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (completion,) = yield Sample(problem.question)
        subprocess.run(["true"], check=True)
        return ctx.solution(completion)
