"""A solver that shows itself in a way that cannot be read back."""

from dataclasses import dataclass
from typing import Annotated

from calculemus.engine.requests import Sample, Sampling
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class HasAPrettyRepr(Solver):
    """Shows itself in a way that cannot be read back.

    Source: made up, to be caught.
    """

    n: Annotated[int, AtLeast(1)] = 3

    def __repr__(self) -> str:
        return f"<{self.n} chains>"

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        completions = yield Sample(problem.question, Sampling(0.7), self.n)
        return ctx.solution(completions[0])
