"""A solver that keeps notes on disk."""

from dataclasses import dataclass
from pathlib import Path

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class WritesAFile(Solver):
    """Keeps notes on disk.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        Path("notes.txt").write_text(problem.question, "utf-8")
        (completion,) = yield Sample(problem.question)
        return ctx.solution(completion)
