"""What a solver is: a method written as a generator of requests.

    @dataclass(frozen=True)
    class Cot(Solver):
        def solve(self, problem, ctx):
            (completion,) = yield Sample(ctx.prompt("cot", problem), Sampling(max_tokens=256))
            return ctx.solution(completion)

A solver yields requests and is resumed with replies. It touches no engine, no clock and no file, and never
reads ``problem.answer``.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from calculemus.engine.requests import Capabilities, Request
from calculemus.params import Configured
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solution import Solution
from calculemus.solving.context import Context
from calculemus.solving.scheme import Scheme

Steps = Generator[Request | Sequence[Request], Any, Solution]


@dataclass(frozen=True)
class Solver(Configured):
    """Base of all solvers: parameters are its fields.

    Attributes:
        scheme: What it is made of, for tables of methods; None where it does not say.
    """

    scheme: ClassVar[Scheme | None] = None

    @property
    def prompts(self) -> tuple[str, ...] | None:
        """Names of the prompt templates that it may use; None stands for all there are.

        A run's key has their content, so that a run goes on after other templates were changed or added.
        """
        return None

    @property
    def reads(self) -> str:
        """Name by content what it reads besides its parameters, such as a file; nothing by default.

        A run's key has it, so that a run is not gone on with after the file has changed.
        """
        return ""

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Solve one problem by yielding requests.

        Args:
            problem: The question; its answer is hidden.
            ctx: Prompts, grading of equal answers, randomness and traces for this problem.
        """
        raise NotImplementedError

    def start(self, problem: Problem, rng: Rng, capabilities: Capabilities) -> Steps:
        """Return the generator that solves a problem, ready to be driven.

        Args:
            problem: With its answer, which the method does not get to see.
            rng: The randomness of this problem and sample.
            capabilities: What the engine can do; decides between plain and chat prompts.
        """
        return self.solve(_without_answer(problem), Context(rng, capabilities, self.prompts))


def _without_answer(problem: Problem) -> Problem:
    meta = {name: value for name, value in problem.meta.items() if name != "answers"}
    return replace(problem, answer="", solution=None, program=None, meta=meta)
