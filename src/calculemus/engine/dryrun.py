"""What a study will cost, before anything is spent."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from calculemus.cost import Budget
from calculemus.engine.asking import ask_one_by_one
from calculemus.engine.base import Engine
from calculemus.engine.budget import FlopModel
from calculemus.engine.fair import Share
from calculemus.engine.method import Method, Startable, solver_key
from calculemus.engine.requests import (
    Chat,
    Completion,
    Embed,
    Prefix,
    Prompt,
    Request,
    Run,
    Sample,
    Score,
    Scored,
)
from calculemus.engine.rows import count_rows
from calculemus.engine.sandbox import record
from calculemus.engine.virtual import plain_text
from calculemus.errors import InvalidParameterError
from calculemus.problem import Problem
from calculemus.rng import Rng

MAX_STEPS = 10_000
"""Yields of one method after which a dry run takes it for endless."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """What a dry run takes for the replies.

    Attributes:
        text: Of every completion, or a function of the prompt's text.
        tokens: Of every completion, where it may be that long.
        value: Of every prefix.
        logprob: Of every scored continuation.
        embedding: Of every text.
        program: What every program returns.
    """

    text: str | Callable[[str], str] = "#### 0"
    tokens: int = 128
    value: float = 0.5
    logprob: float = -1.0
    embedding: tuple[float, ...] = (1.0,)
    program: Any = 0


@dataclass(slots=True)
class Price:
    """What a study would take.

    Attributes:
        problems: Problems gone through, each sample counted.
        requests: To the engine.
        rows: Of these requests.
        programs: To run.
        tokens_in: Of the prompts, none of them cached; None where the engine cannot count beforehand.
        tokens_out: Sampled, if completions are as long as assumed.
        tokens_out_worst: Sampled, if every completion is as long as it may be.
        flops_worst: Of the model, if besides no prompt is cached; None where the engine does not say how
            large its model is.
        failures: Problems on which the method gave up under these replies.
    """

    problems: int = 0
    requests: int = 0
    rows: int = 0
    programs: int = 0
    tokens_in: int | None = 0
    tokens_out: int = 0
    tokens_out_worst: int = 0
    flops_worst: float | None = None
    failures: int = 0


def price(
    solver: Startable,
    engine: Engine,
    problems: Iterable[tuple[Problem, int]],
    assumed: Assumed = Assumed(),
    seed: int = 0,
) -> Price:
    """Return what solving would take, without asking the engine for anything but the counting of tokens.

    The methods run on assumed replies. What they would do on real ones may differ where it depends on them;
    of a ``First`` only as many requests are counted as it waits for. Equal requests are counted each, though
    the scheduler may send one for all.

    Raises:
        InvalidParameterError: A method does not end under these replies.
    """
    total = Price()
    desk = _Desk(engine, assumed, total)
    for problem, sample in problems:
        total.problems += 1
        method = _begin(solver, problem, sample, engine, seed)
        reply: Any = None
        while method.resume(reply, None) is not None:
            if method.step > MAX_STEPS:
                method.close()
                raise InvalidParameterError(
                    f"pricing {method.key} on {problem.id}: it asks for more after {MAX_STEPS} replies; "
                    f"expected a method that ends under these: {assumed}. Assume others"
                )
            reply = ask_one_by_one(method.asked, desk.answer, ())
        total.failures += method.error is not None
    return total


def _begin(solver: Startable, problem: Problem, sample: int, engine: Engine, seed: int) -> Method:
    key = solver_key(solver)
    rng = Rng(seed, (key, problem.id, sample))
    return Method(
        key, problem, sample, rng, solver.start(problem, rng, engine.capabilities), Share(), Budget()
    )


class _Desk:
    """Answers requests as assumed, and counts them."""

    def __init__(self, engine: Engine, assumed: Assumed, total: Price) -> None:
        self._engine = engine
        self._assumed = assumed
        self._total = total
        self._flop_model = FlopModel.of(engine.capabilities.facts)
        if self._flop_model.parameters:
            total.flops_worst = 0.0

    def answer(self, request: Request, path: tuple[int, ...]) -> Any:
        """Count a request and return the assumed reply."""
        del path
        if isinstance(request, Run):
            self._total.programs += 1
            return record.Run("ok", self._assumed.program)
        rows = count_rows(request)  # type: ignore[arg-type]  # a First was taken apart
        self._count(request, rows)
        if isinstance(request, Sample):
            return (self._completion(request),) * rows
        if isinstance(request, Score):
            return (Scored(None, (self._assumed.logprob,)),) * rows
        return (self._assumed.embedding if isinstance(request, Embed) else self._assumed.value,) * rows

    def _count(self, request: Any, rows: int) -> None:
        total = self._total
        total.requests += 1
        total.rows += rows
        tokens = self._engine.count_tokens(request)
        total.tokens_in = None if tokens is None or total.tokens_in is None else total.tokens_in + tokens
        longest = self._longest(request, tokens) if isinstance(request, Sample) else 0
        total.tokens_out += rows * min(longest, self._assumed.tokens)
        total.tokens_out_worst += rows * longest
        if total.flops_worst is not None:
            total.flops_worst += self._flop_model.worst(rows, (tokens or 0) + longest)

    def _longest(self, request: Sample, tokens: int | None) -> int:
        """Return how long a completion may become: the context ends it, too."""
        context = self._engine.capabilities.context
        if context is None or tokens is None:
            return request.sampling.max_tokens
        return max(0, min(request.sampling.max_tokens, context - tokens))

    def _completion(self, request: Sample) -> Completion:
        text, prompt = self._assumed.text, request.prompt
        if callable(text):
            text = text(plain_text(prompt))
        if isinstance(prompt, Chat):
            prefix: Prompt = Chat((*prompt.messages, ("assistant", text)))
        else:
            prefix = Prefix(plain_text(prompt) + text)
        completion = Completion(text, None, None, "stop", None, prefix)
        if not request.sampling.pieces:
            return completion
        # One token that writes all of it, behind a prompt whose ids nobody knows.
        return replace(completion, ids=(0,), pieces=(text,), start=Prefix(plain_text(prompt)))
