"""A solver that asks another thing wherever the global generator stands."""

import random
from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class LooksAtTheWorld(Solver):
    """Asks another thing wherever the global generator stands.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        stands_at = hash(random.getstate())
        (completion,) = yield Sample(f"{stands_at}. {problem.question}")
        return ctx.solution(completion)
