"""One chain of thought, then the answer."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from calculemus.engine.requests import Sample, Sampling
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.scheme import Scheme


@dataclass(frozen=True)
class Cot(Solver):
    """Ask for a worked solution that ends in the answer.

    Source: Wei et al. 2022, arXiv:2201.11903, section 3; without examples Kojima et al. 2022,
    arXiv:2205.11916, section 3, in one request instead of two.

    Attributes:
        shots: Worked examples in the prompt; 0 asks for steps in words alone, None shows all there are.
        temperature: 0 takes the most probable token.
        max_tokens: Longest chain.
        template: The prompt: ``cot``, or a file of one's own as ``calculemus tune-prompt`` writes it.
    """

    shots: Annotated[int | None, AtLeast(0)] = None  # paper, section 3.1: 8
    temperature: Annotated[float, AtLeast(0)] = 0.0  # paper, section 3.1: greedy
    max_tokens: Annotated[int, AtLeast(1)] = 512
    template: str = "cot"

    scheme: ClassVar[Scheme] = Scheme("chain", "one", ("generate",))

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return (self.template,)

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Sample one chain."""
        sampling = Sampling(self.temperature, max_tokens=self.max_tokens, stop=ctx.stop(self.template))
        (completion,) = yield Sample(ctx.prompt(self.template, problem, shots=self.shots), sampling)
        return ctx.solution(completion)
