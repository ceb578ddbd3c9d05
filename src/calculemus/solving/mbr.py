"""Minimum Bayes risk: many chains of thought, and the one that agrees most with all others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from calculemus.engine.requests import Sampling
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.drawing import conclude, draw, refuse_identical
from calculemus.solving.scheme import Scheme
from calculemus.solving.selecting import best_chains, heads, poll


@dataclass(frozen=True)
class Mbr(Solver):
    """Sample chains of thought and take the one with the highest expected utility under the others.

    Source: Eikema and Aziz 2020, arXiv:2005.10283, with the samples as candidates and as evidence;
    Bertsch et al. 2023, arXiv:2310.01387, show that with equality of answers as the utility it is
    self-consistency. Chains without an answer are no candidates.

    Attributes:
        n: Chains.
        temperature: Of sampling; 0 would give the same chain n times.
        utility: ``words`` is the F1 of shared runs of words, so that chains which also reason alike agree
            more; ``answer`` is 1 for equal answers and 0 otherwise, which makes this a vote.
        run: Longest run of words that ``words`` counts.
        shots: Worked examples in the prompt; None shows all there are.
        max_tokens: Longest chain.
    """

    n: Annotated[int, AtLeast(1)] = 30  # Eikema and Aziz, experiments: 30 samples
    temperature: Annotated[float, AtLeast(0)] = 0.7  # as in vote; translation samples at 1
    utility: Literal["words", "answer"] = "words"
    run: Annotated[int, AtLeast(1)] = 2
    shots: Annotated[int | None, AtLeast(0)] = None
    max_tokens: Annotated[int, AtLeast(1)] = 512

    scheme: ClassVar[Scheme] = Scheme("chain", "sampling", ("generate", "evaluate", "select"), ("agreement",))

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_identical(self, self.n, self.temperature)

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return ("cot",)

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Sample the chains and hold each against all."""
        sampling = Sampling(self.temperature, max_tokens=self.max_tokens, stop=ctx.stop("cot"))
        prompt = ctx.prompt("cot", problem, shots=self.shots)
        chains = yield from draw(ctx, prompt, sampling, self.n)
        if self.utility == "answer":  # how many others agree is how many votes an answer has
            return conclude(ctx, chains, heads(poll(ctx, chains)))
        utilities = expected_f1([chain.text for chain in chains], self.run)
        for chain, utility in zip(chains, utilities, strict=True):
            ctx.trace.annotate(chain.node, utility=utility)
        return conclude(ctx, chains, best_chains(utilities))


def expected_f1(texts: Sequence[str], run: int, times: Sequence[int] | None = None) -> list[float]:
    """Return for each text its mean F1 with all texts, itself too, by runs of up to ``run`` words.

    Args:
        texts: What is compared.
        run: Longest run of words.
        times: How often each text stands there; once by default.
    """
    counts = [_runs(text, run) for text in texts]
    times = times or [1] * len(texts)
    n = sum(times)
    return [sum(k * _f1(mine, other) for k, other in zip(times, counts, strict=True)) / n for mine in counts]


def _runs(text: str, run: int) -> Counter[tuple[str, ...]]:
    words = text.split()
    return Counter(
        tuple(words[start : start + length])
        for length in range(1, run + 1)
        for start in range(len(words) - length + 1)
    )


def _f1(a: Counter[tuple[str, ...]], b: Counter[tuple[str, ...]]) -> float:
    total = a.total() + b.total()
    return 2 * (a & b).total() / total if total else 1.0
