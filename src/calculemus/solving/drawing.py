"""Chains of thought drawn from one prompt: what the methods that sample and choose have in common."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from calculemus.engine.requests import Completion, Prompt, Sample, Sampling
from calculemus.errors import InvalidParameterError
from calculemus.params import Configured
from calculemus.solution import Solution
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
    ctx: Context, chains: Sequence[Chain], order: Sequence[int], truncated: bool = False
) -> Solution:
    """Return the solution that takes the first chain with an answer.

    Args:
        ctx: Of the problem.
        chains: All that were drawn.
        order: Indices of chains, the best first.
        truncated: Whether a limit kept the method from drawing more.
    """
    order = [index for index in order if chains[index].answer is not None]
    if not order:
        failure = f"no answer in any of {len(chains)} samples"
        return ctx.solution(None, truncated=truncated, failure=failure)
    answers = [chains[index].answer or "" for index in order]
    others = [answers[group[0]] for group in ctx.same(answers) if 0 not in group]
    ctx.trace.annotate(chains[order[0]].node, chosen=True)
    return ctx.solution(chains[order[0]].completion, others, truncated)
