"""Tree of thoughts: a search over partial solutions, which the model itself proposes and judges."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

from calculemus.engine.requests import Request
from calculemus.errors import BudgetExceededError, EngineCapabilityError
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.drawing import refuse_identical
from calculemus.solving.scheme import Scheme
from calculemus.solving.thoughts import Growing, State, Thinker

Search = Generator[Request | Sequence[Request], Any, None]


@dataclass(frozen=True)
class Tot(Solver):
    """Search for a solution thought by thought, keeping what the model judges promising.

    Source: Yao et al. 2023, arXiv:2305.10601, section 3, algorithms 1 and 2, with the settings of the Game of
    24 (section 4.1). Once the search ends, the model is asked for the answer to which the best thoughts lead.

    Attributes:
        search: ``bfs`` keeps the best states of every depth; ``dfs`` follows the best state, and goes back
            where all that is left is judged too low.
        width: States kept at each depth of ``bfs`` (b).
        depth: Thoughts of a whole solution (T).
        propose: ``list`` asks once for all next thoughts; ``sample`` draws them one by one.
        n_proposals: Thoughts drawn from each state by ``sample`` (k).
        evaluate: ``value`` asks of each state whether it is sure, likely or impossible; ``vote`` asks which
            state of all is the best; ``head`` takes the engine's value head.
        n_evaluations: Samples of each judgement, which are added up.
        prune_at: ``dfs`` leaves out states that are worth this or less.
        max_nodes: States that ``dfs`` may look at.
        temperature: Of proposals and judgements.
        max_tokens: Longest proposal, judgement or answer.
    """

    search: Literal["bfs", "dfs"] = "bfs"
    width: Annotated[int, AtLeast(1)] = 5  # paper, section 4.1: b = 5
    depth: Annotated[int, AtLeast(1)] = 3  # paper, section 4.1: three steps
    propose: Literal["list", "sample"] = "list"
    n_proposals: Annotated[int, AtLeast(1)] = 5  # paper, section 4.2: k = 5
    evaluate: Literal["value", "vote", "head"] = "value"
    n_evaluations: Annotated[int, AtLeast(1)] = 3  # paper, section 4.1: values are sampled 3 times
    prune_at: Annotated[float, AtLeast(0)] = 0.003  # three times impossible, see thoughts.VALUES
    max_nodes: Annotated[int, AtLeast(1)] = 100  # paper, section 4.3: 100 steps of dfs
    temperature: Annotated[float, AtLeast(0)] = 0.7  # public code
    max_tokens: Annotated[int, AtLeast(1)] = 512

    scheme: ClassVar[Scheme] = Scheme(
        "tree", "beam", ("generate", "evaluate", "prune", "backtrack"), ("judge",)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.propose == "sample":
            refuse_identical(self, self.n_proposals, self.temperature, "n_proposals")
        if self.evaluate != "head":
            refuse_identical(self, self.n_evaluations, self.temperature, "n_evaluations")

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        proposed_by = "tot_list" if self.propose == "list" else "tot_step"
        judged_by = "tot_step" if self.evaluate == "head" else f"tot_{self.evaluate}"
        return tuple(sorted({proposed_by, judged_by, "tot_answer"}))

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Search, then ask for the answer."""
        if self.evaluate == "head" and "Value" not in ctx.capabilities.kinds:
            raise EngineCapabilityError(
                "tot: judging states by 'head': the engine does not give 'Value' requests; expected one that "
                "has a value head. Set evaluate=value, or choose another engine"
            )
        thinker = Thinker(problem, ctx, self.temperature, self.max_tokens)
        found = Found()
        try:
            yield from self._bfs(thinker, found) if self.search == "bfs" else self._dfs(thinker, found)
            request = replace(thinker, temperature=0.0).sample("tot_answer", found.best)
            (completion,) = yield request
        except BudgetExceededError:
            if not found.best.thoughts:
                raise
            return ctx.solution(found.best.thoughts[-1], truncated=True)
        ctx.trace.add("completion", completion.text, () if found.best.node is None else found.best.node)
        return ctx.solution(completion)

    def _bfs(self, thinker: Thinker, found: "Found") -> Search:
        """Algorithm 1: expand the states of one depth, keep the best of them."""
        states = [State()]
        for _ in range(self.depth):
            finished = [state for state in states if state.is_final]
            children = yield from self._expand(thinker, [s for s in states if not s.is_final])
            if not children:
                return
            states = by_value([*finished, *children])[: self.width]
            found.best = states[0]

    def _dfs(self, thinker: Thinker, found: "Found") -> Search:
        """Algorithm 2: expand the best state first, go back where nothing that is left is worth it.

        It ends at the first whole solution, where the paper goes on for more.
        """
        waiting = [State()]
        for _ in range(self.max_nodes):
            if not waiting:
                return
            state = waiting.pop()
            is_whole = state.is_final or len(state.thoughts) == self.depth
            if is_whole or len(state.thoughts) > len(found.best.thoughts):
                found.best = state
            if is_whole:
                return
            children = yield from self._expand(thinker, [state])
            kept = [child for child in children if child.value > self.prune_at]
            waiting += reversed(by_value(kept))

    def _expand(self, thinker: Thinker, states: Sequence[State]) -> Growing:
        children: list[State] = []
        if states:
            children = yield from thinker.propose(states, self.propose, self.n_proposals)
        if children:
            children = yield from thinker.evaluate(children, self.evaluate, self.n_evaluations)
        return children


@dataclass(slots=True)
class Found:
    """The best state so far, for when the budget ends."""

    best: State = field(default_factory=State)


def by_value(states: Sequence[State]) -> list[State]:
    """Return states by value, the highest first; equal ones in the order in which they were proposed."""
    return sorted(states, key=lambda state: -state.value)
