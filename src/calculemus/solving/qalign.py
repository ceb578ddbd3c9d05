"""QAlign: a walk through whole solutions whose law is the model tilted by a reward, and a vote over it."""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal

from calculemus.engine.requests import Completion, Request, Sample, Sampling
from calculemus.errors import BudgetExceededError
from calculemus.params import AtLeast, Between
from calculemus.problem import Problem
from calculemus.solution import Solution
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.drafts import Draft, check_tokens, drawn_behind, make_draft
from calculemus.solving.drawing import conclude
from calculemus.solving.mbr import expected_f1
from calculemus.solving.scheme import Scheme
from calculemus.solving.scoring import ScorerName, check_scorer, score, to_weights
from calculemus.solving.selecting import best_chains, heads, poll

CLAMP = 20.0
"""Largest log-ratio either way. Public code: 20."""

Proposing = Generator[Request | Sequence[Request], Any, Draft]


@dataclass(frozen=True)
class QAlign(Solver):
    """Sample solutions in proportion to their probability times exp(reward / beta), and let them vote.

    Source: Faria and Smith 2025, arXiv:2504.03790, section 3 and algorithm 1; the proposals are those of
    QUEST, Faria et al. 2024, arXiv:2406.00049. A step cuts the solution behind a random token and lets the
    model write on. As the model itself proposes, its probabilities cancel: what decides is the reward, and
    the lengths, since a longer solution can be cut in more places. Every draw counts as a place, that of the
    end too: otherwise a solution that another one begins with could not be come back to.

    Attributes:
        steps: Proposals.
        beta: Temperature of the reward; a large one lets the model alone decide.
        temperature: Of sampling; other than 1 it is the tempered model that is tilted.
        top_p: Draw from the smallest set of tokens with this probability; below 1 it is the model so
            truncated that is tilted.
        scorer: The reward, see ``scoring``.
        choose: How the walk gives one answer: the answer of most states, of most reward, the last state's, or
            the state that agrees most with all others.
        shots: Worked examples in the prompt; None shows all there are.
        max_tokens: Longest solution.
    """

    steps: Annotated[int, AtLeast(0)] = 128  # paper: budgets in powers of two, 4,096 at most
    beta: Annotated[float, Between(0, math.inf, open_left=True)] = 1.0  # scripts of the public code; swept
    temperature: Annotated[float, Between(0, math.inf, open_left=True)] = 1.0  # paper: the model as it is
    top_p: Annotated[float, Between(0, 1, open_left=True)] = 1.0
    scorer: ScorerName = "mean_logprob"  # needs no verifier; the paper's is a reward model: "value"
    choose: Literal["vote", "weighted_vote", "last", "mbr"] = "vote"
    shots: Annotated[int | None, AtLeast(0)] = None
    max_tokens: Annotated[int, AtLeast(1)] = 800  # scripts of the public code

    scheme: ClassVar[Scheme] = Scheme(
        "chain", "mcmc", ("generate", "evaluate", "select", "backtrack", "vote"), ("reward",)
    )

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return ("cot", "judge") if self.scorer == "judge" else ("cot",)

    def log_ratio(self, before: Draft, after: Draft) -> float:
        """Return the logarithm of the ratio by which a proposal is accepted; algorithm 1."""
        by_reward = (after.reward - before.reward) / self.beta
        by_length = math.log(before.n_drawn / after.n_drawn)
        return min(CLAMP, max(-CLAMP, by_reward + by_length))

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Draw a first solution and walk on from it."""
        check_scorer(self.scorer, ctx)
        check_tokens("QAlign", ctx)
        draws = ctx.rng.child("walk").generator()
        stop = ctx.stop("cot")
        behind = drawn_behind(
            Sampling(self.temperature, top_p=self.top_p, max_tokens=self.max_tokens, stop=stop)
        )
        prompt = ctx.prompt("cot", problem, shots=self.shots)
        walk: list[Draft] = []
        is_short = False
        n_accepted = 0
        try:
            walk.append((yield from self._propose(problem, ctx, Sample(prompt, behind(0)))))
            for _ in range(self.steps):
                now = walk[-1]
                place = int(draws.integers(now.n_drawn))
                asked = Sample(now.head(place), behind(place))
                new = yield from self._propose(problem, ctx, asked, now, place)
                is_accepted = math.log(1.0 - draws.random()) < self.log_ratio(now, new)
                ctx.trace.annotate(new.node, accepted=is_accepted)
                n_accepted += is_accepted
                if not is_accepted:
                    ctx.discard(len(new.ids) - place)
                walk.append(new if is_accepted else now)
        except BudgetExceededError:
            if not walk:
                raise
            is_short = True
        return self._conclude(ctx, walk, n_accepted, is_short)

    def _propose(
        self, problem: Problem, ctx: Context, asked: Sample, before: Draft | None = None, place: int = 0
    ) -> Proposing:
        """Draw a solution, whole or from the place of a cut on, and its reward."""
        completion: Completion
        (completion,) = yield asked
        draft = make_draft("QAlign", completion, asked.sampling.stop, before, place)
        draft.answer = ctx.extract(draft.text)
        ctx.discard(max(0, place + len(completion.ids or ()) - len(draft.ids)))
        parents = () if before is None else before.node
        draft.node = ctx.trace.add("completion", draft.text, parents, answer=draft.answer, cut=place)
        (draft.reward,) = yield from score(self.scorer, problem, ctx, [draft])
        return draft

    def _conclude(self, ctx: Context, walk: list[Draft], n_accepted: int, is_short: bool) -> Solution:
        """Choose among the states, and note how well the walk mixed."""
        visits: dict[int, int] = {}
        for draft in walk:
            visits[draft.node] = visits.get(draft.node, 0) + 1
        states = list({draft.node: draft for draft in walk}.values())
        for draft in states:
            ctx.trace.annotate(draft.node, visits=visits[draft.node])
        n_steps = len(walk) - 1
        ctx.trace.annotate(
            walk[0].node,
            steps=n_steps,
            acceptance=n_accepted / n_steps if n_steps else None,
            effective_samples=effective_samples([draft.reward for draft in walk]),
            base_law=self._base_law(),
        )
        order = self._order(ctx, states, [visits[draft.node] for draft in states], walk[-1])
        return conclude(ctx, states, order, is_short, "states of the walk")

    def _order(
        self, ctx: Context, states: Sequence[Draft], visits: Sequence[int], last: Draft
    ) -> Sequence[int]:
        if self.choose == "last":
            return [states.index(last), *(i for i, draft in enumerate(states) if draft is not last)]
        if self.choose == "mbr":
            return best_chains(expected_f1([draft.text for draft in states], 2, visits))
        weights = [float(n) for n in visits]
        if self.choose == "weighted_vote":
            rewards = to_weights(self.scorer, [draft.reward for draft in states])
            weights = [n * reward for n, reward in zip(weights, rewards, strict=True)]
        return heads(poll(ctx, states, weights))

    def _base_law(self) -> str:
        settings = {"temperature": self.temperature, "top_p": self.top_p}
        other = [f"{name} {value}" for name, value in settings.items() if value != 1]
        return f"the model at {' and '.join(other)}" if other else "the model"


def effective_samples(values: Sequence[float]) -> float:
    """Return how many independent draws a walk is worth, by the mean of one figure of its states.

    Source: Geyer 1992, Practical Markov Chain Monte Carlo, section 3.3: the sum of autocorrelations up to
    where those of two neighbouring lags are no longer positive together. At most the number of states; that
    number where the figure never changes.

    Example:
        >>> effective_samples([0.0, 0.0, 1.0, 1.0] * 3)
        10.285714285714286
    """
    n = len(values)
    mean = math.fsum(values) / n
    errors = [value - mean for value in values]
    variance = math.fsum(error * error for error in errors)
    if not variance:
        return float(n)

    def correlation(lag: int) -> float:
        return math.fsum(a * b for a, b in zip(errors, islice(errors, lag, None), strict=False)) / variance

    total = -1.0
    for lag in range(0, n, 2):
        pair = correlation(lag) + correlation(lag + 1)
        if pair <= 0:
            break
        total += 2 * pair
    return n / max(1.0, total)
