"""What a method of reasoning is made of: structure, strategy, operators and scorers."""

from dataclasses import dataclass
from typing import Literal

Structure = Literal["chain", "tree", "graph", "nested"]
Strategy = Literal["one", "sampling", "beam", "best-first", "depth-first", "mcts", "shares", "mcmc", "route"]
Operator = Literal[
    "generate", "refine", "aggregate", "prune", "restructure", "select", "backtrack", "backpropagate",
    "evaluate", "decompose", "execute", "retrieve", "merge", "vote", "delegate",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scheme:
    """A solver in the words of Besta et al. 2025, arXiv:2501.11223, section 4.

    Attributes:
        structure: What its thoughts form; ``nested`` where a thought is a method of its own.
        strategy: How the structure is gone through; ``shares`` deals samples out by value, ``mcmc`` walks
            through whole solutions, ``route`` hands the problem to another method.
        operators: What it does with thoughts, in the order in which that first happens.
        scorers: What thoughts are valued by; empty where they are not.
    """

    structure: Structure
    strategy: Strategy
    operators: tuple[Operator, ...]
    scorers: tuple[str, ...] = ()
