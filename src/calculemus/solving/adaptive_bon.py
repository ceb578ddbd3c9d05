"""Adaptive best of N: the model itself says whether another sample, or the rest of this one, is worth it."""

import math
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from calculemus.engine.requests import Completion, Request, Sample, Sampling
from calculemus.errors import BudgetExceededError
from calculemus.params import AtLeast, Between, digest
from calculemus.problem import Problem
from calculemus.solution import Solution
from calculemus.solving.base import Solver, Steps
from calculemus.solving.candidate import Candidate
from calculemus.solving.context import Context
from calculemus.solving.drafts import Draft, check_tokens, drawn_behind, make_draft
from calculemus.solving.drawing import Chain, conclude, record
from calculemus.solving.scheme import Scheme
from calculemus.solving.selecting import best_chains
from calculemus.solving.self_evaluation import (
    QUESTIONS,
    ask,
    chance_of_no,
    check_self_evaluation,
    question_for,
)

Evaluating = Generator[Sequence[Request], Any, None]
_WHO = "AdaptiveBon"


@dataclass(frozen=True)
class AdaptiveBon(Solver):
    """Sample until the model expects no better solution, or prune samples that it expects to do worse.

    Source: Manvi et al. 2024, arXiv:2410.02725, section 3 for the question, sections 4.1 and 4.2 for sampling
    and pruning. Behind a solution, or in the middle of it, a fixed question is answered with one token; what
    the model gives for "no" against "yes" is its chance (s) of being no worse than a fresh sample. The
    solution with the highest chance is the answer. The schedule of the temperature is our own, as the paper's
    is not established: sample k has ``temperature * (1 - 2 ** -(k - 1))``, so that one sample is greedy.

    Attributes:
        n: Most samples (N_max).
        mode: ``until`` samples one by one until the chance is high enough; ``prune`` begins ``n`` at once and
            keeps the best of them every so many tokens; ``all`` draws ``n`` and takes the best.
        enough: Chance at which sampling ends (tau), for ``until``; above 1 it never does.
        every: Tokens between two prunings.
        keep: Share of the samples that each pruning keeps, rounded up.
        temperature: Of sampling.
        annealed: Whether the temperature rises to that, for ``until``.
        shots: Worked examples in the prompt; None shows all there are.
        max_tokens: Longest solution.
    """

    n: Annotated[int, AtLeast(1)] = 16  # paper, section 5: 16 samples at most
    mode: Literal["until", "prune", "all"] = "until"
    enough: Annotated[float, AtLeast(0)] = 0.9  # ours; the paper goes through all of them
    every: Annotated[int, AtLeast(1)] = 64  # paper, section 5.3: at 64 tokens, 128, ...
    keep: Annotated[float, Between(0, 1, open_left=True)] = 0.5  # paper, section 5.3: a quarter to a half
    temperature: Annotated[float, Between(0, math.inf, open_left=True)] = 1.0
    annealed: bool = True
    shots: Annotated[int | None, AtLeast(0)] = None
    max_tokens: Annotated[int, AtLeast(1)] = 512

    scheme: ClassVar[Scheme] = Scheme(
        "chain", "sampling", ("generate", "evaluate", "prune", "select"), ("self-evaluation",)
    )

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return ("cot",)

    @property
    def reads(self) -> str:
        """Name by content the questions that models are asked about themselves."""
        return digest([question.digest for question in QUESTIONS.values()])

    def temperature_of(self, k: int) -> float:
        """Return the temperature of sample ``k``, counted from 1."""
        return self.temperature * (1 - 2.0 ** -(k - 1)) if self.annealed else self.temperature

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Sample and ask, as the mode says."""
        check_self_evaluation(ctx.capabilities)
        chances: dict[int, float] = {}
        if self.mode == "prune":
            return (yield from self._prune(problem, ctx, chances))
        return (yield from self._sample(problem, ctx, chances))

    def _sample(self, problem: Problem, ctx: Context, chances: dict[int, float]) -> Steps:
        """Draw solutions, one by one or all at once, until one is good enough."""
        prompt, stop = ctx.prompt("cot", problem, shots=self.shots), ctx.stop("cot")
        chains: list[Chain] = []
        is_short = False
        try:
            while len(chains) < self.n:
                is_one = self.mode == "until"
                temperature = self.temperature_of(len(chains) + 1) if is_one else self.temperature
                sampling = Sampling(temperature, max_tokens=self.max_tokens, stop=stop)
                completions = yield Sample(prompt, sampling, 1 if is_one else self.n)
                drawn = [record(ctx, completion) for completion in completions]
                chains += drawn
                yield from _evaluate(ctx, drawn, chances)
                if is_one and chances[chains[-1].node] >= self.enough:
                    break
        except BudgetExceededError:
            if not chains:
                raise
            is_short = True
        return _conclude(ctx, chains, chances, is_short)

    def _prune(self, problem: Problem, ctx: Context, chances: dict[int, float]) -> Steps:
        """Begin all solutions at once and go on with the best of them."""
        check_tokens(_WHO, ctx)
        prompt, stop = ctx.prompt("cot", problem, shots=self.shots), ctx.stop("cot")
        behind = drawn_behind(Sampling(self.temperature, max_tokens=self.max_tokens, stop=stop), self.every)
        live: list[Draft] = []
        is_short = False
        try:
            completions = yield Sample(prompt, behind(0), self.n)
            live = [_note(ctx, make_draft(_WHO, completion, stop)) for completion in completions]
            yield from _evaluate(ctx, live, chances)
            while not all(self._is_whole(draft) for draft in live):
                live = self._keep(ctx, live, chances)
                open_ones = [draft for draft in live if not self._is_whole(draft)]
                replies = yield [
                    Sample(draft.head(len(draft.ids)), behind(len(draft.ids))) for draft in open_ones
                ]
                grown = self._grow(ctx, stop, open_ones, replies)
                live = [grown.get(draft.node, draft) for draft in live]
                yield from _evaluate(ctx, grown.values(), chances)
        except BudgetExceededError:
            if not live:
                raise
            is_short = True
        return _conclude(ctx, live, chances, is_short)

    def _is_whole(self, draft: Draft) -> bool:
        return not draft.is_cut or len(draft.ids) >= self.max_tokens

    def _keep(self, ctx: Context, live: Sequence[Draft], chances: dict[int, float]) -> list[Draft]:
        """Keep the best share; what the others have written is charged as discarded."""
        n_kept = math.ceil(self.keep * len(live))
        order = best_chains([chances[draft.node] for draft in live])
        for place in order[n_kept:]:
            ctx.discard(len(live[place].ids))
            ctx.trace.annotate(live[place].node, discarded=True)
        return [live[place] for place in sorted(order[:n_kept])]

    def _grow(
        self,
        ctx: Context,
        stop: Sequence[str],
        drafts: Sequence[Draft],
        replies: Sequence[Sequence[Completion]],
    ) -> dict[int, Draft]:
        """Return each draft with its next tokens, by the node of the draft that it continues."""
        grown = {}
        for before, (completion,) in zip(drafts, replies, strict=True):
            after = make_draft(_WHO, completion, stop, before, len(before.ids))
            ctx.discard(len(before.ids) + len(completion.ids or ()) - len(after.ids))
            grown[before.node] = _note(ctx, after, before.node)
        return grown


def _note(ctx: Context, draft: Draft, before: int | None = None) -> Draft:
    """Read a draft's answer and put both in the trace."""
    draft.answer = ctx.extract(draft.text)
    parents = () if before is None else before
    draft.node = ctx.trace.add("completion", draft.text, parents, answer=draft.answer)
    return draft


def _evaluate(ctx: Context, candidates: Iterable[Candidate], chances: dict[int, float]) -> Evaluating:
    """Ask the model behind each candidate, and note its chance."""
    candidates = list(candidates)
    question = question_for(ctx.capabilities)
    replies = yield [ask(candidate.prompt, question) for candidate in candidates]
    for candidate, scored in zip(candidates, replies, strict=True):
        chances[candidate.node] = chance_of_no(scored, question)
        ctx.trace.annotate(candidate.node, score=chances[candidate.node])


def _conclude(
    ctx: Context, candidates: Sequence[Candidate], chances: dict[int, float], is_short: bool
) -> Solution:
    """Take the candidate of the highest chance; those that were not asked about come last."""
    order = best_chains([chances.get(candidate.node, -1.0) for candidate in candidates])
    return conclude(ctx, candidates, order, is_short)
