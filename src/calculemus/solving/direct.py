"""The answer at once, without a worked solution: what every other method is held against."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from calculemus.engine.requests import Sample, Sampling
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.scheme import Scheme


@dataclass(frozen=True)
class Direct(Solver):
    """Ask for the answer alone.

    Source: the "standard prompting" of Wei et al. 2022, arXiv:2201.11903, section 3.

    Attributes:
        shots: Examples in the prompt; None shows all that the prompt set has.
        temperature: 0 takes the most probable token.
        max_tokens: Longest answer.
    """

    shots: Annotated[int | None, AtLeast(0)] = None  # paper, section 3.1: 8
    temperature: Annotated[float, AtLeast(0)] = 0.0  # paper, section 3.1: greedy
    max_tokens: Annotated[int, AtLeast(1)] = 32

    scheme: ClassVar[Scheme] = Scheme("chain", "one", ("generate",))

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return ("direct",)

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Sample one short completion."""
        sampling = Sampling(self.temperature, max_tokens=self.max_tokens, stop=ctx.stop("direct"))
        (completion,) = yield Sample(ctx.prompt("direct", problem, shots=self.shots), sampling)
        return ctx.solution(completion)
