"""A solver that takes things in the order of their hashes."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class IteratesOverASet(Solver):
    """Takes things in the order of their hashes.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        numbers = " ".join({f"egg {n}" for n in range(100)})
        (completion,) = yield Sample(f"{numbers}. {problem.question}")
        return ctx.solution(completion)
