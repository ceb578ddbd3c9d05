"""A solver that holds a lock."""

import threading
from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class CannotBePickled(Solver):
    """Holds a lock.

    Source: made up, to be caught.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_lock", threading.Lock())

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (completion,) = yield Sample(problem.question)
        return ctx.solution(completion)
