"""A solver that answers with a guess when the engine fails."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.errors import EngineError
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class SwallowsErrors(Solver):
    """Answers with a guess when the engine fails.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        try:
            (completion,) = yield Sample(problem.question)
        except EngineError:
            return ctx.solution("0")
        return ctx.solution(completion)
