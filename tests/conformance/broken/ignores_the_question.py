"""A solver that asks the same whatever the question is."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class IgnoresTheQuestion(Solver):
    """Asks the same whatever the question is.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (completion,) = yield Sample("How many eggs?")
        return ctx.solution(completion)
