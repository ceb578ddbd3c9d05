"""Weighted self-consistency: every chain votes with its score."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from calculemus.engine.requests import Sampling
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.drawing import conclude, draw, refuse_identical
from calculemus.solving.scheme import Scheme
from calculemus.solving.scoring import ScorerName, check_scorer, score, to_weights
from calculemus.solving.selecting import heads, poll


@dataclass(frozen=True)
class WeightedVote(Solver):
    """Sample chains of thought and take the answer whose chains have the largest sum of weights.

    Source: Wang et al. 2022, arXiv:2203.11171, section 2 and table 1, normalised weighted sum: a chain weighs
    its probability to the power of one over its length. With a value head it is the weighted vote of Li et
    al. 2022, arXiv:2206.02336, "Voting Verifier". A weight below 0 counts as 0.

    Attributes:
        n: Chains.
        temperature: Of sampling; 0 would give the same chain n times.
        scorer: What a chain's weight is made of, see ``scoring``.
        shots: Worked examples in the prompt; None shows all there are.
        max_tokens: Longest chain.
    """

    n: Annotated[int, AtLeast(1)] = 40  # paper, section 3.1: 40 outputs
    temperature: Annotated[float, AtLeast(0)] = 0.7  # paper, section 3.1: 0.5 to 0.7, by model
    scorer: ScorerName = "mean_logprob"  # paper, section 2, equation 1
    shots: Annotated[int | None, AtLeast(0)] = None
    max_tokens: Annotated[int, AtLeast(1)] = 512

    scheme: ClassVar[Scheme] = Scheme("chain", "sampling", ("generate", "evaluate", "vote"), ("logprob",))

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_identical(self, self.n, self.temperature)

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return ("cot", "judge") if self.scorer == "judge" else ("cot",)

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Sample the chains, score them and add up the weights of equal answers."""
        check_scorer(self.scorer, ctx)
        sampling = Sampling(self.temperature, max_tokens=self.max_tokens, stop=ctx.stop("cot"))
        prompt = ctx.prompt("cot", problem, shots=self.shots)
        chains = yield from draw(ctx, prompt, sampling, self.n)
        scores = yield from score(self.scorer, problem, ctx, chains)
        groups = poll(ctx, chains, to_weights(self.scorer, scores))
        return conclude(ctx, chains, heads(groups))
