"""Best of N: many chains of thought, and the one with the highest score."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from calculemus.engine.requests import Sampling
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.drawing import conclude, draw, refuse_identical
from calculemus.solving.scheme import Scheme
from calculemus.solving.scoring import ScorerName, check_scorer, score
from calculemus.solving.selecting import best_chains


@dataclass(frozen=True)
class BestOfN(Solver):
    """Sample chains of thought and take the one with the highest score.

    Source: Cobbe et al. 2021, arXiv:2110.14168, section 4.2, with a value head as the verifier; with the
    log-probability it is the "sample-and-rank" that Wang et al. 2022, arXiv:2203.11171, compare with. A chain
    without an answer is chosen last.

    Attributes:
        n: Chains.
        temperature: Of sampling; 0 would give the same chain n times.
        scorer: What a chain's score is, see ``scoring``.
        shots: Worked examples in the prompt; None shows all there are.
        max_tokens: Longest chain.
    """

    n: Annotated[int, AtLeast(1)] = 100  # Cobbe et al., section 4.2: 100 completions
    temperature: Annotated[float, AtLeast(0)] = 0.7  # Cobbe et al., section 4.2
    scorer: ScorerName = "mean_logprob"  # needs no verifier; "value" is the one of Cobbe et al.
    shots: Annotated[int | None, AtLeast(0)] = None
    max_tokens: Annotated[int, AtLeast(1)] = 512

    scheme: ClassVar[Scheme] = Scheme("chain", "sampling", ("generate", "evaluate", "select"), ("logprob",))

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_identical(self, self.n, self.temperature)

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return ("cot", "judge") if self.scorer == "judge" else ("cot",)

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Sample the chains, score them and take the best."""
        check_scorer(self.scorer, ctx)
        sampling = Sampling(self.temperature, max_tokens=self.max_tokens, stop=ctx.stop("cot"))
        prompt = ctx.prompt("cot", problem, shots=self.shots)
        chains = yield from draw(ctx, prompt, sampling, self.n)
        scores = yield from score(self.scorer, problem, ctx, chains)
        return conclude(ctx, chains, best_chains(scores))
