"""A solver that waits for a word that never comes."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class LoopsForEver(Solver):
    """Waits for a word that never comes.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (completion,) = yield Sample(problem.question)
        while not completion.text:
            pass
        return ctx.solution(completion)
