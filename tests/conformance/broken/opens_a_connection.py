"""A solver that calls home."""

import socket
from dataclasses import dataclass

from calculemus.engine.requests import Sample
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class OpensAConnection(Solver):
    """Calls home.

    Source: made up, to be caught.
    """

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as home:
            home.connect(("127.0.0.1", 9))
        (completion,) = yield Sample(problem.question)
        return ctx.solution(completion)
