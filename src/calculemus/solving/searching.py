"""What solvers that search over steps have in common: how steps are drawn and valued, and how it ends."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from calculemus.engine.requests import Request, Sampling
from calculemus.errors import BudgetExceededError
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solution import Solution
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.drawing import conclude
from calculemus.solving.scoring import ScorerName, to_weights
from calculemus.solving.selecting import best_chains, heads, poll
from calculemus.solving.steps import StepKind, StepSplitter
from calculemus.solving.tree import Place, Tree

Search = Generator[Request | Sequence[Request], Any, None]
Choice = Literal["best", "vote", "weighted_vote"]
"""Which whole solution is the answer: that of most worth, or the one of most votes, or of most weight."""


@dataclass(frozen=True)
class Searching(Solver):
    """Base of solvers that grow a tree of steps; each says in ``search`` how.

    Attributes:
        temperature: Of sampling steps.
        step: What ends a step, see ``steps.StepKind``.
        step_tokens: Longest step.
        depth: Most steps of a solution.
        scorer: What places of the tree are valued by, see ``scoring``.
        heads: Names of the engine's value heads, joined by ``+``; their values are averaged.
        choose: Which whole solution is the answer.
        shots: Worked examples in the prompt; None shows all there are.
    """

    temperature: Annotated[float, AtLeast(0)] = 0.7
    step: StepKind = "line"
    step_tokens: Annotated[int, AtLeast(1)] = 100
    depth: Annotated[int, AtLeast(1)] = 10
    scorer: ScorerName = "value"
    heads: str = "value"
    choose: Choice = "best"
    shots: Annotated[int | None, AtLeast(0)] = None

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return (self.template, "judge") if self.scorer == "judge" else (self.template,)

    @property
    def template(self) -> str:
        """Name of the template that the root is made of."""
        return "cot"

    def search(self, tree: Tree) -> Search:
        """Grow the tree; whole solutions gather in ``tree.finals``."""
        raise NotImplementedError

    def plant(self, problem: Problem, ctx: Context) -> Tree:
        """Return the tree of a problem, with its root alone."""
        sampling = Sampling(self.temperature, stop=ctx.stop(self.template))
        root = Place(ctx.prompt(self.template, problem, shots=self.shots))
        splitter = StepSplitter(self.step, self.step_tokens)
        return Tree(problem, ctx, root, splitter, sampling, self.scorer, self.heads)

    def weights(self, places: Sequence[Place]) -> list[float]:
        """Return what the votes of places weigh, at least 0."""
        return to_weights(self.scorer, [place.value or 0.0 for place in places])

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Search, and choose among the whole solutions that were found before the end of the budget.

        A search that found none goes on from its best place, a step at a time, until it has one.
        """
        tree = self.plant(problem, ctx)
        is_short = False
        try:
            yield from self.search(tree)
            if not tree.finals:
                yield from tree.complete(self.depth)
        except BudgetExceededError:
            if not len(ctx.trace):
                raise
            is_short = True
        return self.conclude(tree, is_short)

    def conclude(self, tree: Tree, is_short: bool) -> Solution:
        """Return the solution that the tree holds; without a whole one, what its deepest places come to."""
        found = tree.finals
        if not found:
            found, is_short = tree.deepest(), True
            for place in found:
                place.answer = tree.ctx.extract(place.text)
        tree.prune(found)
        if self.choose == "best":
            order = best_chains([place.worth for place in found])
        else:
            weights = self.weights(found) if self.choose == "weighted_vote" else None
            order = heads(poll(tree.ctx, found, weights))
        return conclude(tree.ctx, found, order, is_short, "places that the search came to")
