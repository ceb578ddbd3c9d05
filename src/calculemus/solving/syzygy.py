"""Syzygy of thoughts: one form with auxiliary conditions, several solutions and the best of them."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from calculemus.engine.requests import Completion, Request, Sample, Sampling
from calculemus.errors import BudgetExceededError, InvalidParameterError
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solution import Solution
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.drawing import Chain, conclude, record
from calculemus.solving.listing import read_list
from calculemus.solving.scheme import Scheme
from calculemus.solving.selecting import heads, poll
from calculemus.solving.syzygy_forms import NAMES, Filled, NamesOf, form, read_form
from calculemus.solving.syzygy_stages import Attempt, count_votes, needed, read_uses

TOKENS_A_CONDITION = 16
TOKENS_A_SOLUTION = 64
TOKENS_OF_THE_REST = 64

Asking = Generator[Request | Sequence[Request], Any, list[Completion]]


@dataclass(frozen=True)
class Syzygy(Solver):
    """Have the model state conditions, solve the problem several ways from them, and keep the best solution.

    Source: Li et al. 2025, arXiv:2504.09566, and its public code, which sends one request with a form in JSON
    (``mode="single"``). The words are those of minimal free resolutions; nothing algebraic is computed. With
    ``mode="staged"``, which is ours, each step is a request: the conditions; the solutions; for each solution
    which conditions it uses (exactness: none but those that are stated). Then conditions without which the
    vote stays the same are dropped (minimality), and the vote of the solutions that need no other decides.

    Attributes:
        mode: All in one form, or step by step.
        names: What the form calls its fields; ``plain`` is the control, the same in everyday words.
        conditions: Auxiliary conditions (b).
        solutions: Solutions (s).
        choose: Whose answer a form gives: that of the solution that the model finds best, or of most of them.
            The trace has both. A form that breaks off before the best one gives the vote.
        temperature: 0 takes the most probable token.
        max_tokens: Longest form, or longest reply in a stage.
    """

    mode: Literal["single", "staged"] = "single"
    names: NamesOf = "algebra"
    conditions: Annotated[int, AtLeast(1)] = 10  # public code; a figure of the paper has 7
    solutions: Annotated[int, AtLeast(1)] = 5  # public code
    choose: Literal["best", "vote"] = "best"
    temperature: Annotated[float, AtLeast(0)] = 0.0  # public code
    max_tokens: Annotated[int, AtLeast(1)] = 2048  # public code

    scheme: ClassVar[Scheme] = Scheme("chain", "one", ("decompose", "generate", "vote"))

    def __post_init__(self) -> None:
        super().__post_init__()
        least = self.least_tokens
        if self.max_tokens < least:
            raise InvalidParameterError(
                f"Syzygy: parameter 'max_tokens' is {self.max_tokens}; expected at least {least}, which is "
                f"about what {self.conditions} conditions and {self.solutions} solutions take. Raise it, or "
                "ask for fewer"
            )

    @property
    def least_tokens(self) -> int:
        """How many tokens the longest reply takes at the very least, by a rough estimate."""
        listed = TOKENS_A_CONDITION * self.conditions
        if self.mode == "staged":
            return max(listed, TOKENS_A_SOLUTION)
        return listed + TOKENS_A_SOLUTION * self.solutions + TOKENS_OF_THE_REST

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        if self.mode == "staged":
            return ("syzygy_conditions", "syzygy_solve", "syzygy_uses")
        return ("syzygy",) if self.names == "algebra" else ("syzygy_plain",)

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Ask for the form, or go stage by stage."""
        return (yield from (self._single if self.mode == "single" else self._staged)(problem, ctx))

    def _single(self, problem: Problem, ctx: Context) -> Steps:
        (template,) = self.prompts
        names = NAMES[self.names]
        empty = form(names, self.conditions, self.solutions)
        prompt = ctx.prompt(template, problem, form=empty)
        (completion,) = yield Sample(prompt, self._sampling(ctx, template))
        root = ctx.trace.add("completion", completion.text)
        filled = read_form(names, completion.text)
        return self._decide(ctx, filled, root, completion.finish == "length")

    def _decide(self, ctx: Context, filled: Filled, root: int, is_cut: bool) -> Solution:
        """Take the best solution or the vote, and note both."""
        for text in filled.conditions:
            ctx.trace.add("condition", text, root)
        answers = [ctx.extract(text) for text in filled.solutions]
        for text, answer in zip(filled.solutions, answers, strict=True):
            ctx.trace.add("solution", text, root, answer=answer)
        groups = sorted(ctx.same(answers), key=lambda group: (-len(group), group[0]))
        votes = [answers[group[0]] or "" for group in groups]
        best = next((a for text in (filled.final, filled.best) if text and (a := ctx.extract(text))), None)
        vote = votes[0] if votes else None
        ctx.trace.annotate(root, best=best, vote=vote, votes=[len(group) for group in groups])
        first, second = (best, vote) if self.choose == "best" else (vote, best)
        chosen = first if first is not None else second
        if chosen is None:
            failure = f"no answer in any of {len(answers)} solutions, nor as the final answer"
            return ctx.solution(None, truncated=is_cut, failure=failure)
        others = [answer for answer in (second, *votes) if answer is not None and answer != chosen]
        return ctx.solution(f"#### {chosen}", dict.fromkeys(others), is_cut)

    def _staged(self, problem: Problem, ctx: Context) -> Steps:
        (listed,) = yield self._ask(ctx, problem, "syzygy_conditions", number=self.conditions)
        conditions = read_list(listed.text)[: self.conditions]
        root = ctx.trace.add("conditions", listed.text)
        shown = "\n".join(f"{number}. {text}" for number, text in enumerate(conditions, 1)) or "none"
        ways = range(1, self.solutions + 1)
        asked = [self._ask(ctx, problem, "syzygy_solve", conditions=shown, way=way) for way in ways]
        chains = [record(ctx, completion) for (completion,) in (yield asked)]
        try:
            asked = [
                self._ask(
                    ctx, problem, "syzygy_uses", conditions=shown, solution=chain.completion.text.strip()
                )
                for chain in chains
            ]
            replies = yield asked
        except BudgetExceededError:
            return conclude(ctx, chains, heads(poll(ctx, chains)), truncated=True)
        return self._minimal(ctx, chains, [reply.text for (reply,) in replies], len(conditions), root)

    def _minimal(
        self, ctx: Context, chains: Sequence[Chain], uses: Sequence[str], n: int, root: int
    ) -> Solution:
        """Keep the exact solutions, drop the conditions that decide nothing, and let the others vote."""
        attempts: list[Attempt] = []
        for index, (chain, text) in enumerate(zip(chains, uses, strict=True)):
            used = read_uses(text, n)
            attempts.append(Attempt(index, chain.answer, used))
            ctx.trace.annotate(chain.node, uses=None if used is None else sorted(used))
        exact = [attempt for attempt in attempts if attempt.uses is not None]
        kept = needed(ctx.same, exact, n)
        order = count_votes(ctx.same, [a for a in exact if a.needs_only(kept)])
        ctx.trace.annotate(root, kept=sorted(kept), n_exact=len(exact))
        rest = [index for index in heads(poll(ctx, chains)) if index not in order]
        return conclude(ctx, chains, [*order, *rest])

    def _ask(self, ctx: Context, problem: Problem, template: str, **values: Any) -> Sample:
        return Sample(ctx.prompt(template, problem, **values), self._sampling(ctx, template))

    def _sampling(self, ctx: Context, template: str) -> Sampling:
        return Sampling(self.temperature, max_tokens=self.max_tokens, stop=ctx.stop(template))
