"""A solver that answers without asking."""

from dataclasses import dataclass

from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class Stub(Solver):
    """Answers without asking.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        yield []
        return ctx.solution("42")
