"""A solver that puts into its trace what no file can hold."""

from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class KeepsAnOddTrace(Solver):
    """Puts into its trace what no file can hold.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (completion,) = yield Sample(problem.question)
        ctx.trace.add("completion", completion.text, words=frozenset(completion.text.split()))
        return ctx.solution(completion)
