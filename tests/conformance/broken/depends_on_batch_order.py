"""A solver that takes the problem that was begun last for its own."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps

BEGUN: list[str] = []


@dataclass(frozen=True)
class DependsOnBatchOrder(Solver):
    """Takes the problem that was begun last for its own.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        BEGUN.append(problem.question)
        yield Sample(problem.question)
        (completion,) = yield Sample(BEGUN[-1])
        return ctx.solution(completion)
