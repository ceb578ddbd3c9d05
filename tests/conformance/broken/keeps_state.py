"""A solver that carries what it learnt from one problem to the next."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps

LEARNT: list[str] = []


@dataclass(frozen=True)
class KeepsState(Solver):
    """Carries what it learnt from one problem to the next.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (completion,) = yield Sample(f"{LEARNT[-1:]} {problem.question}")
        LEARNT.append(completion.text)
        return ctx.solution(completion)
