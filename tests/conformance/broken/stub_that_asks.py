"""A solver that asks and does not listen."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class StubThatAsks(Solver):
    """Asks and does not listen.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        yield Sample(problem.question)
        return ctx.solution("42")
