"""Blueprint: reasoning schemes as settings of one driver; x1, a tree search with learned values, is one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, ClassVar, Literal

from calculemus.engine.requests import Capabilities
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.named import suggest
from calculemus.params import AtLeast, Between
from calculemus.problem import Problem
from calculemus.solving.context import Context
from calculemus.solving.drawing import refuse_identical
from calculemus.solving.journey import depth_first
from calculemus.solving.mcts import Backup, Rule, add_up, mcts, own_value, quality, rolled_out, uct, x1_rule
from calculemus.solving.operators import OPERATORS, PROMPTS, Widths
from calculemus.solving.scheme import Operator, Scheme, Strategy
from calculemus.solving.scoring import ScorerName
from calculemus.solving.searching import Search, Searching
from calculemus.solving.thought_graph import ThoughtGraph
from calculemus.solving.tree import Place, Tree

_JOINING = ("refine", "aggregate", "merge")
_OPERATORS_OF: dict[str, tuple[Operator, ...]] = {
    "mcts": ("select", "generate", "evaluate", "backpropagate"),
    "depth-first": ("generate", "evaluate", "select", "backtrack"),
}


@dataclass(frozen=True)
class Blueprint(Searching):
    """Run a scheme of reasoning from its settings: structure, strategy and operators.

    Source: Besta et al. 2025, arXiv:2501.11223, section 4; the search with ``rule=x1`` is that of section 5
    and appendix. ``blueprint_cases`` has known methods as settings.

    Attributes:
        structure: What thoughts form. Only a ``graph`` joins thoughts or writes them anew, and a ``chain``
            has one at a time.
        strategy: ``beam`` goes through the plan round by round; ``mcts`` simulates; ``depth-first`` follows
            the best step and turns back from bad ones, and tells all of it as the solution.
        plan: Operators of a round, with blanks between them; rounds with semicolons between them, the last
            of which is repeated. For ``beam``.
        width: Thoughts that are kept.
        branch: Next steps, refinements or joined thoughts drawn from each.
        fan_in: Thoughts that are joined into one.
        simulations: Ways from the root to a leaf, of ``mcts``; places that ``depth-first`` goes on from.
        rule: How ``mcts`` chooses among children, and with it how values are told back: x1 has an update of
            its own, ``uct`` takes means.
        rollout: Weight of a solution drawn from a leaf to its end beside the leaf's own value (alpha).
        discount: Of what lies a step ahead (gamma), for ``x1``.
        learning_rate: Of the update, for ``x1``; with 1 a place is worth what its children are.
        stops_at_first: Whether ``mcts`` ends with the first whole solution.
        floor: Value below which ``depth-first`` turns back, on the scale of the scorer.
        max_tokens: Longest thought that is no step.
    """

    scorer: ScorerName = "mean_logprob"
    structure: Literal["chain", "tree", "graph"] = "tree"
    strategy: Literal["beam", "mcts", "depth-first"] = "beam"
    plan: str = "generate evaluate select"
    width: Annotated[int, AtLeast(1)] = 5
    branch: Annotated[int, AtLeast(1)] = 2  # x1: two children
    fan_in: Annotated[int, AtLeast(2)] = 2
    simulations: Annotated[int, AtLeast(1)] = 20
    rule: Literal["x1", "uct"] = "x1"
    rollout: Annotated[float, Between(0, 1)] = 0.5  # x1
    discount: Annotated[float, Between(0, 1)] = 0.96  # x1
    learning_rate: Annotated[float, Between(0, 1, open_left=True)] = 0.5  # ours: not established
    stops_at_first: bool = False
    floor: float = 0.0
    max_tokens: Annotated[int, AtLeast(1)] = 512

    scheme: ClassVar[Scheme] = Scheme(
        "graph",
        "beam",
        (
            "generate", "refine", "aggregate", "prune", "merge", "decompose", "select", "backtrack",
            "backpropagate", "evaluate",
        ),
        ("logprob", "value", "judge", "comparison"),
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_identical(self, max(self.width, self.branch), self.temperature, "max(width, branch)")
        for name in self.operators:
            if name not in OPERATORS and self.strategy == "beam":
                raise InvalidParameterError(
                    f"Blueprint: parameter 'plan' has the operator '{name}'; {suggest(name, OPERATORS)}"
                    f"expected some of {', '.join(OPERATORS)}, with ';' between rounds"
                )
        self._check_structure()

    def _check_structure(self) -> None:
        joining = [name for name in self.operators if name in _JOINING]
        if self.structure != "graph" and joining:
            raise InvalidParameterError(
                f"Blueprint: parameter 'structure' is '{self.structure}' with the operator '{joining[0]}' in "
                "the plan, which puts a thought behind several; expected 'graph'. Set it, or change the plan"
            )
        if self.structure == "chain" and (self.width, self.branch) != (1, 1):
            raise InvalidParameterError(
                f"Blueprint: parameter 'structure' is 'chain' with width={self.width} and "
                f"branch={self.branch}; expected 1 of both. Set them, or take a tree"
            )

    @property
    def rounds(self) -> list[list[str]]:
        """The plan's operators by round."""
        return [part.split() for part in self.plan.split(";")]

    @property
    def operators(self) -> tuple[str, ...]:
        """Names of its operators, in the order in which they come first."""
        if self.strategy != "beam":
            return _OPERATORS_OF[self.strategy]
        return tuple(dict.fromkeys(name for part in self.rounds for name in part))

    @property
    def own_scheme(self) -> Scheme:
        """What these settings are, in the words of the paper."""
        known: list[Operator] = []
        for name in self.operators:
            operator = "evaluate" if name == "compare" else name
            if operator not in known:
                known.append(operator)  # type: ignore[arg-type]  # names were checked
        scorers = ["comparison"] if "compare" in self.operators else []
        scorers += [self.scorer] if self._needs_scorer else []
        strategy: Strategy = "one" if self.structure == "chain" else self.strategy
        return Scheme(self.structure, strategy, tuple(known), tuple(scorers))

    @property
    def _needs_scorer(self) -> bool:
        return self.strategy != "beam" or "evaluate" in self.operators

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        more = [name for operator in self.operators for name in PROMPTS.get(operator, ())]
        return (*super().prompts, *more)

    def plant(self, problem: Problem, ctx: Context) -> Tree:
        """Return the thoughts of a problem: the root alone.

        Raises:
            EngineCapabilityError: The engine cannot do what an operator asks for.
        """
        check_operators(self.operators, ctx.capabilities)
        plain = super().plant(problem, ctx) if self._needs_scorer else self._unscored(problem, ctx)
        own = {field.name: getattr(plain, field.name) for field in fields(Tree)}
        return ThoughtGraph(**own, whole_tokens=self.max_tokens)

    def _unscored(self, problem: Problem, ctx: Context) -> Tree:
        """Return what ``plant`` does where nothing is scored, so that the engine need not be able to."""
        return Searching.plant(replace(self, scorer="random"), problem, ctx)

    def search(self, tree: Tree) -> Search:
        """Run the scheme."""
        assert isinstance(tree, ThoughtGraph), "that is what was planted"
        if self.strategy == "mcts":
            yield from self._simulate(tree)
        elif self.strategy == "depth-first":
            yield from depth_first(tree, self.branch, self.depth, self.floor, self.simulations)
        else:
            yield from self._go_round(tree)

    def _go_round(self, graph: ThoughtGraph) -> Search:
        """Apply the operators of each round to all live thoughts, until nothing new is drawn."""
        widths, rounds = Widths(self.width, self.branch, self.fan_in), self.rounds
        live: list[Place] = [graph.root]
        for number in range(max(self.depth, len(rounds))):
            n_drawn = len(graph.drawn)
            for name in rounds[min(number, len(rounds) - 1)]:
                live = yield from OPERATORS[name](graph, live, widths)
            if any(place.is_final for place in live):
                graph.finals[:] = [place for place in live if place.is_final]
            if len(graph.drawn) == n_drawn and number >= len(rounds) - 1:
                return

    def _simulate(self, graph: ThoughtGraph) -> Search:
        estimate = rolled_out(1, self.rollout, self.max_tokens) if self.rollout else own_value
        yield from mcts(
            graph,
            self.simulations,
            self.branch,
            self._rule(),
            depth=self.depth,
            estimate=estimate,
            backup=td_backup(self.learning_rate, self.discount) if self.rule == "x1" else add_up,
            enough=1 if self.stops_at_first else None,
        )

    def _rule(self) -> Rule:
        return x1_rule() if self.rule == "x1" else uct()


def td_backup(learning_rate: float, discount: float) -> Backup:
    """Return the update of x1: ``Q <- (1 - lr) Q + lr * discount * sum(N_c Q_c) / sum(N_c)``.

    The leaf takes its own value at its first visit, and moves towards it later; all places before it move
    towards their children, c, by how often these were visited (N_c).

    Source: Besta et al. 2025, arXiv:2501.11223, backpropagation of x1.
    """

    def backup(path: Sequence[Place], value: float) -> None:
        for place in reversed(path):
            seen = [child for child in place.children if child.visits]
            target = value
            if seen and place is not path[-1]:
                n = sum(child.visits for child in seen)
                target = discount * math.fsum(child.visits * quality(child) for child in seen) / n
            rate = learning_rate if place.visits else 1.0
            new = (1 - rate) * quality(place) + rate * target
            place.visits += 1
            place.total = new * place.visits

    return backup


def check_operators(operators: Sequence[str], capabilities: Capabilities) -> None:
    """Make sure that the engine can do what operators ask for, before anything is spent.

    Raises:
        EngineCapabilityError: It cannot.
    """
    if "compare" in operators and "Score" not in capabilities.kinds:
        raise EngineCapabilityError(
            "running a scheme: its operator 'compare' asks for 'Score' requests, which the engine does not "
            "take; expected one that does. Leave the operator out of the plan, or choose another engine"
        )
