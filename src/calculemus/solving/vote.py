"""Self-consistency: many chains of thought, and the answer that most of them give."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from calculemus.engine.requests import Sampling
from calculemus.errors import BudgetExceededError
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.drawing import Chain, conclude, draw, refuse_identical
from calculemus.solving.scheme import Scheme
from calculemus.solving.selecting import heads, poll, still_open


@dataclass(frozen=True)
class Vote(Solver):
    """Sample chains of thought and take the answer that most of them give.

    Source: Wang et al. 2022, arXiv:2203.11171, section 2, unweighted sum. Ties, on which the paper is silent,
    go to the answer with the larger sum of log-probabilities, then to the one that came first.

    Attributes:
        n: Chains.
        temperature: Of sampling; 0 would give the same chain n times.
        early_stop: Sample only as many chains as it takes to decide the vote. The answer is the same.
        shots: Worked examples in the prompt; None shows all there are.
        max_tokens: Longest chain.
    """

    n: Annotated[int, AtLeast(1)] = 40  # paper, section 3.1: 40 outputs
    temperature: Annotated[float, AtLeast(0)] = 0.7  # paper, section 3.1: 0.5 to 0.7, by model
    early_stop: bool = False
    shots: Annotated[int | None, AtLeast(0)] = None
    max_tokens: Annotated[int, AtLeast(1)] = 512

    scheme: ClassVar[Scheme] = Scheme("chain", "sampling", ("generate", "vote"))

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_identical(self, self.n, self.temperature)

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return ("cot",)

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Sample the chains, in rounds where it may stop early, and count their answers."""
        prompt = ctx.prompt("cot", problem, shots=self.shots)
        sampling = Sampling(self.temperature, max_tokens=self.max_tokens, stop=ctx.stop("cot"))
        chains: list[Chain] = []
        chains: list[Chain] = []
        wanted = still_open([], self.n) if self.early_stop else self.n
        is_cut = False
        try:
            while wanted:
                chains += yield from draw(ctx, prompt, sampling, wanted)
                wanted = still_open(poll(ctx, chains), self.n - len(chains))
        except BudgetExceededError:
            if not chains:
                raise
            is_cut = True
        return conclude(ctx, chains, heads(poll(ctx, chains)), is_cut)
