"""A solver that takes whatever it is given."""

from dataclasses import dataclass
from typing import Annotated

from calculemus.engine.requests import Sample, Sampling
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class DoesNotCheck(Solver):
    """Takes whatever it is given.

    Source: made up, to be caught.
    """

    n: Annotated[int, AtLeast(1)] = 3

    def __post_init__(self) -> None:
        """Check nothing."""

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        completions = yield Sample(problem.question, Sampling(0.7), self.n)
        return ctx.solution(completions[0])
