"""A solver that takes for granted that something was said."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class TrustsTheEngine(Solver):
    """Takes for granted that something was said.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (completion,) = yield Sample(problem.question)
        return ctx.solution(completion.text.split()[-1])
