"""Chains of thought drawn from one prompt: what the methods that sample and choose have in common."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from calculemus.engine.requests import Completion, Prompt, Sample, Sampling
from calculemus.errors import InvalidParameterError
from calculemus.params import Configured
from calculemus.solution import Solution
from calculemus.solving.candidate import Candidate
from calculemus.solving.context import Context


@dataclass(frozen=True, slots=True)
class Chain:
    """One sampled completion.

    Attributes:
        completion: What was sampled.
        answer: The answer that it gives; None where it gives none.
        node: Its index in the trace.
    """

    completion: Completion
    answer: str | None
    node: int

    @property
    def prompt(self) -> Prompt:
        """Question and chain together."""
        return self.completion.prefix

    @property
    def text(self) -> str:
        """What was sampled, as text."""
        return self.completion.text

    @property
    def logprob(self) -> float | None:
        """Sum of its tokens' log-probabilities; None where unknown."""
        return self.completion.logprob

    @property
    def n_tokens(self) -> int:
        """Number of its tokens, as far as the engine gives them."""
        return len(self.completion.ids or self.completion.logprobs or ())

    @property
    def is_cut(self) -> bool:
        """Whether it was cut at the largest number of tokens."""
        return self.completion.finish == "length"


Drawing = Generator[Sample, tuple[Completion, ...], list[Chain]]


def draw(ctx: Context, prompt: Prompt, sampling: Sampling, n: int) -> Drawing:
    """Sample ``n`` completions of a prompt and record each in the trace."""
    completions = yield Sample(prompt, sampling, n)
    return [record(ctx, completion) for completion in completions]


def record(ctx: Context, completion: Completion) -> Chain:
    """Read the answer of a completion and put both in the trace."""
    answer = ctx.extract(completion.text)
    node = ctx.trace.add("completion", completion.text, answer=answer, logprob=completion.logprob)
    return Chain(completion, answer, node)


def refuse_identical(method: Configured, n: int, temperature: float, name: str = "n") -> None:
    """Refuse a temperature at which several samples would be one.

    Args:
        method: Whose parameters they are.
        n: How many samples it draws from one prompt.
        temperature: What it draws them at.
        name: The parameter that says how many.

    Raises:
        InvalidParameterError: Temperature 0 with more than one sample.
    """
    if n > 1 and temperature == 0:
        raise InvalidParameterError(
            f"{type(method).__name__}: parameter 'temperature' is 0 with {name}={n}, which gives {n} "
            f"identical samples; expected above 0. Raise the temperature, or set {name}=1"
        )


def conclude(
    ctx: Context,
    candidates: Sequence[Candidate],
    order: Sequence[int],
    truncated: bool = False,
    among: str = "samples",
) -> Solution:
    """Return the solution that takes the first candidate with an answer.

    Args:
        ctx: Of the problem.
        candidates: All that there are.
        order: Their indices, the best first.
        truncated: Whether a limit kept the method from going on.
        among: What the candidates are, in the words of a failure.
    """
    order = [index for index in order if candidates[index].answer is not None]
    if not order:
        failure = f"no answer in any of {len(candidates)} {among}"
        return ctx.solution(None, truncated=truncated, failure=failure)
    answers = [candidates[index].answer or "" for index in order]
    others = [answers[group[0]] for group in ctx.same(answers) if 0 not in group]
    best = candidates[order[0]]
    ctx.trace.annotate(best.node, chosen=True)
    return ctx.solution(best.text, others, truncated or best.is_cut)
